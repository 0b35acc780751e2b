"""One workload's process: started, waited for until it is ready, stopped with all its group.

Owns the process from its start to the end of the last member of its group. Must not know why it
is started or stopped.
"""

import asyncio
import errno
import logging
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from istio.address import TcpAddress
from local.address import free_port, in_use
from local.config import WorkloadConfig
from local.leftovers import Leftovers, pauses
from local.output import Output, Stream, ending
from local.readiness import Readiness
from local.reaper import Group

_FAILED_GRACE_SECONDS = 1.0
"""A workload that never served has little to put in order, and its failure should be told soon."""
_KILL_SECONDS = 5.0

log = logging.getLogger(__name__)


class Guardian(Protocol):
    """Ends process groups if we cannot."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What a process carries to be found."""

    def adopt(self, pgid: int, /) -> None:
        """Take a group into care."""

    def release(self, pgid: int, /) -> None:
        """Forget a group that has ended."""


class StartFailure(Exception):  # noqa: N818 - it names an ending, not a bug
    """A workload did not get ready; the reason is one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Process:
    """A workload's process, which runs once."""

    def __init__(
        self,
        workload: WorkloadConfig,
        guard: Guardian,
        sink: Callable[[str, Stream, str], None] | None = None,
    ) -> None:
        """Prepare to run a workload; `sink` gets each line that it prints, with its name."""
        forward = sink or _log_line
        self._workload = workload
        self._guard = guard
        self._output = Output(lambda *line: forward(workload.name, *line), self._ended)
        self._loop = asyncio.get_running_loop()
        self._port = 0
        self._address: TcpAddress | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._group: Group | None = None
        self._leftovers = Leftovers()
        self._started_at = 0.0
        self._guarded = False
        self._asked = False
        self._killed = False

    def __repr__(self) -> str:
        state = "exited" if self.exited.is_set() else "ready" if self._address else "starting"
        return f"<Process {self._workload.name} pid={self.pid} {state}>"

    @property
    def exited(self) -> asyncio.Event:
        """Set once the process has ended; others of its group may be left until `stop`."""
        return self._output.exited

    @property
    def pid(self) -> int | None:
        """The process and its group, once started."""
        return self._group.pgid if self._group else None

    @property
    def address(self) -> TcpAddress:
        """Where it answers, once ready."""
        if self._address is None:
            raise RuntimeError(f"{self._workload.name} is not ready")
        return self._address

    def epitaph(self) -> str:
        """Say how it ended, and its last words."""
        code = self._transport.get_returncode() if self._transport else None
        lived = f"after {self._output.ended_at - self._started_at:.1f} s"
        if code is None:
            return "still running"
        return self._with_last_words(f"{ending(code)} {lived}")

    async def start(self, spawned: Callable[[], None] = lambda: None) -> TcpAddress:
        """Start it and wait until it is ready; otherwise leave nothing behind.

        `spawned` is called when it runs, though it is not ready yet.

        Raises:
            StartFailure: it cannot be started, ended at once, or is not ready in time.
        """
        try:
            await self._spawn()
            spawned()
            self._address = await self._until_ready()
        except BaseException:
            await self.stop(_FAILED_GRACE_SECONDS)
            raise
        return self._address

    async def stop(self, grace_seconds: float | None = None) -> None:
        """End the whole group: SIGTERM, then SIGKILL for what is left after the grace.

        What has left the group is hunted afterwards, in what is left of the grace. It may be called
        at any time and repeatedly. If cancelled, it still kills the group, without waiting.
        """
        if self._group is None:
            return
        grace = self._workload.stop.grace if grace_seconds is None else grace_seconds
        polite_until = self._loop.time() + grace
        try:
            if grace > 0 and not self._asked:  # many programs take a second one for impatience
                self._asked = True
                self._group.signal(signal.SIGTERM)
            gone = await self._gone(self._group, grace)
        finally:
            self._killed = True
            self._group.signal(signal.SIGKILL)
            if self.exited.is_set():  # if cancelled, nobody else sees to what is left
                self._ended()
        if not gone and not await self._gone(self._group, _KILL_SECONDS):
            log.warning("%s: process group %s survives", self._workload.name, self.pid)
            return
        self._release(self._group)
        if self._transport:  # a daemon outside the group may hold its pipes open
            self._transport.close()
        if not await self._leftovers.end(self._group, polite_until - self._loop.time()):
            log.warning("%s: a process that left its group survives", self._workload.name)

    async def _spawn(self) -> None:
        workload = self._workload
        if not workload.cwd.is_dir():
            raise StartFailure(f"cwd does not exist: {workload.cwd}")
        if workload.port is not None and in_use(workload.port):
            raise StartFailure(f"port {workload.port} is in use by another process")
        self._port = workload.port or free_port()
        own = {"PORT": str(self._port), **self._leftovers.environment, **self._guard.environment}
        environment = {**os.environ, **workload.env, **own}
        arguments = workload.arguments(self._port)
        self._started_at = self._loop.time()
        try:
            self._transport, _ = await self._loop.subprocess_exec(
                lambda: self._output, *arguments,
                stdin=DEVNULL, stdout=PIPE, stderr=PIPE,
                cwd=workload.cwd, env=environment, start_new_session=True,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            reason = _reason(error, arguments[0], workload.cwd, environment.get("PATH"))
            raise StartFailure(reason) from error
        self._group = Group.led_by(self._transport.get_pid())
        self._guard.adopt(self._group.pgid)
        self._guarded = True

    async def _until_ready(self) -> TcpAddress:
        limit = self._workload.readiness.timeout
        readiness = Readiness(self._workload.readiness, self._port)
        async with asyncio.TaskGroup() as tasks:
            name = self._workload.name
            passed = tasks.create_task(readiness.passed(), name=f"readiness of {name}")
            ended = tasks.create_task(self.exited.wait(), name=f"end of {name}")
            await asyncio.wait({passed, ended}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            passed.cancel()
            ended.cancel()
        if self.exited.is_set():
            raise StartFailure(self.epitaph())
        if passed.cancelled():
            raise StartFailure(self._with_last_words(f"not ready within {limit:g} s ({readiness})"))
        return passed.result()

    async def _gone(self, group: Group, within_seconds: float) -> bool:
        try:
            async with asyncio.timeout(within_seconds):
                await self.exited.wait()
                pause = pauses()
                while group.is_alive():
                    await asyncio.sleep(next(pause))
                return True
        except TimeoutError:
            return False

    def _ended(self, pause: Iterator[float] | None = None) -> None:
        if self._killed and self._transport:
            self._transport.close()
        if self._group is None:
            return
        if not self._group.is_alive():
            self._release(self._group)
        elif self._killed:  # `stop` may have been cancelled, and see no more of it
            pause = pause or pauses()
            self._loop.call_later(next(pause), self._ended, pause)

    def _release(self, group: Group) -> None:
        if self._guarded:  # once: the number may be another workload's by the next time
            self._guarded = False
            self._guard.release(group.pgid)

    def _with_last_words(self, text: str) -> str:
        words = self._output.last_words()
        return f"{text}: {words}" if words else text


def _log_line(name: str, _stream: Stream, line: str) -> None:
    log.info("%s: %s", name, line)


def _reason(error: OSError | ValueError, program: str, folder: Path, path: str | None) -> str:
    """Say why a program could not be executed."""
    if not isinstance(error, OSError):
        return f"cannot start {program}: {error}"
    if error.errno == errno.EACCES:
        return f"permission denied: {program}"
    if error.errno == errno.ENOENT:
        exists = (folder / program).exists() if "/" in program else shutil.which(program, path=path)
        return f"{'no interpreter for' if exists else 'command not found:'} {program}"
    return f"cannot start {program}: {error.strerror}"
