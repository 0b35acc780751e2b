"""A large body through a cold start: it must wait where it is, not in Envoy's memory."""

import asyncio
import hashlib
import http.client
import os
import threading
from pathlib import Path

import pytest

from local.envoy import Envoy

pytestmark = pytest.mark.envoy

MEGABYTE = 1 << 20
UPLOAD = 100 * MEGABYTE


class Upload(threading.Thread):
    """A client that sends a large body as fast as it is taken."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self.status = 0
        self.answer = b""
        self.digest = hashlib.sha256()
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def run(self) -> None:
        """Send and read."""
        headers = {"content-length": str(UPLOAD)}
        self._connection.request("POST", "/upload", self._body(), headers)
        answer = self._connection.getresponse()
        self.status, self.answer = answer.status, answer.read()
        self._connection.close()

    def _body(self):
        while self.sent < UPLOAD:
            chunk = os.urandom(MEGABYTE // 4)
            self.digest.update(chunk)
            yield chunk
            self.sent += len(chunk)


def memory(envoy: Envoy) -> dict[str, int]:
    """Envoy's resident bytes now, and the most it ever had."""
    status = Path(f"/proc/{envoy.pid}/status").read_text()
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return {name: int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM")}


async def stalled(upload: Upload) -> None:
    """Wait until nobody takes any more of the body."""
    seen = -1
    while seen != upload.sent:
        seen = upload.sent
        await asyncio.sleep(0.3)


async def test_large_upload(run_mesh, workload, gate, until):
    """The body waits in the client, not in Envoy's memory, and arrives in full."""
    async with run_mesh(workload("web", "--open-when", gate)) as running:
        before = memory(running.mesh.envoy)["VmRSS"]
        upload = Upload(running.port)
        upload.start()
        await running.parked(1)
        async with asyncio.timeout(10):
            await stalled(upload)
        assert upload.sent < UPLOAD // 2
        gate.touch()
        await until(lambda: not upload.is_alive(), within=25)
        assert (200, upload.digest.hexdigest()) == (upload.status, upload.answer.decode())
        assert memory(running.mesh.envoy)["VmHWM"] - before < 64 * MEGABYTE
        assert 1 == running.supervisor().wakes
