"""Whether a workload answers yet: a TCP connection, or an HTTP/1.1 GET.

Owns the attempts. Must not know processes, nor for how long to try.
"""

import asyncio
from contextlib import suppress

from istio.address import TcpAddress
from local.address import LOOPBACK
from local.config import ReadinessConfig

_HOSTS = (LOOPBACK, "::1")  # `localhost` is IPv6 first for some servers (Node, Vite)
_ATTEMPT_SECONDS = 5.0


class Readiness:
    """One workload's readiness check."""

    def __init__(self, config: ReadinessConfig, port: int) -> None:
        self._config = config
        self._port = port
        self._answer = ""

    def __str__(self) -> str:
        """Say what is tried and what came of it."""
        address = TcpAddress(LOOPBACK, self._port)
        if self._config.http is None:
            return f"tcp {address}"
        return f"http {address}{self._config.http}{self._answer}"

    async def passed(self) -> TcpAddress:
        """Return when the workload is ready, and where."""
        while True:
            for host in _HOSTS:
                if await self._try(TcpAddress(host, self._port)):
                    return TcpAddress(host, self._port)
            await asyncio.sleep(self._config.interval)

    async def _try(self, address: TcpAddress) -> bool:
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                reader, writer = await asyncio.open_connection(*address)
                try:
                    if self._config.http is None:
                        return True
                    writer.write(_request(self._config.http, address))
                    return self._accept(await reader.readline())
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
        except (OSError, ValueError):  # refused, reset, too slow, or a line without an end
            return False

    def _accept(self, status_line: bytes) -> bool:
        version, _, rest = status_line.partition(b" ")
        status = rest[:3].decode(errors="replace")
        if not version.startswith(b"HTTP/1.") or not status.isdecimal():
            self._answer = ": no HTTP/1.1 answer"
            return False
        self._answer = f": {status}"
        return status[0] in "23"


def _request(path: str, address: TcpAddress) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: {address}\r\nUser-Agent: layby-readiness\r\n"
        "Accept: */*\r\nConnection: close\r\n\r\n"
    ).encode()
