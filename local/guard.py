"""The guard as layby sees it: a process beside it that ends the workloads if layby cannot.

Owns the guard's life, and tells it which process groups there are. Must not know workloads.
Imports only the standard library, so that anything may use it.
"""

import asyncio
import logging
import os
import signal
import sys
import uuid
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

from local import reaper
from local.reaper import Group

MARKER = "LAYBY_RUN"
START_MARKER = "LAYBY_WORKLOAD"
"""Tells one start of a workload from all the others of the same run."""
_PROGRAM = str(Path(reaper.__file__).resolve())
_START_SECONDS = 10.0
_EXIT_SECONDS = 10.0
_BACKOFF_SECONDS = 1.0

log = logging.getLogger(__name__)


class GuardError(Exception):
    """The guard process cannot be started."""


class Guard:
    """Holds the write end of a pipe that the guard process reads to its end.

    The kernel closes it when layby dies, even by SIGKILL. Whatever is started with `environment`
    is found even if it was never adopted, left its group, or became a daemon.
    """

    def __init__(self, *, grace_seconds: float = 2.0, scratch: Path | None = None) -> None:
        """Prepare a guard.

        Args:
            grace_seconds: the time between SIGTERM and SIGKILL once layby has gone.
            scratch: a folder of files to remove after that, if its name starts with `layby-`.
        """
        self._grace_seconds = grace_seconds
        self._scratch = scratch
        self._run = uuid.uuid4().hex
        self._groups: dict[int, Group] = {}
        self._process: Process | None = None
        self._closing = False

    def __repr__(self) -> str:
        return f"<Guard pid={self.pid} groups={sorted(self._groups)}>"

    @property
    def pid(self) -> int | None:
        """The guard process, once started."""
        return self._process.pid if self._process else None

    @property
    def environment(self) -> dict[str, str]:
        """What to add to the environment of every process that must not outlive layby."""
        return {MARKER: self._run}

    async def start(self) -> None:
        """Start the guard process; on return it is on duty."""
        arguments = [f"{MARKER}={self._run}", str(self._grace_seconds)]
        if self._scratch:
            arguments.append(str(self._scratch.absolute()))
        # Neither a terminal's Ctrl-C nor the guard of a layby that runs this one as a workload may
        # take the guard for a workload: a session of its own, and no marker.
        markers = (MARKER, START_MARKER)
        environment = {name: value for name, value in os.environ.items() if name not in markers}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", _PROGRAM, *arguments,
            stdin=PIPE, stdout=PIPE, stderr=STDOUT, env=environment, start_new_session=True,
        )  # fmt: skip
        self._process = process
        for group in self._groups.values():
            self._tell(_adoption(group))
        if self._closing:
            self._hang_up()
        await _until_ready(process)

    def adopt(self, pgid: int) -> None:
        """Have a process group ended when layby ends; call it as soon as its leader runs."""
        group = self._groups[pgid] = Group.led_by(pgid)
        self._tell(_adoption(group))

    def release(self, pgid: int) -> None:
        """Forget a process group that is no more."""
        if self._groups.pop(pgid, None):
            self._tell(f"-{pgid}\n")

    def kill(self) -> None:
        """End all that was adopted at once; the guard sees to the rest when layby ends."""
        for group in self._groups.values():
            group.signal(signal.SIGKILL)

    async def watch(self) -> None:
        """Replace the guard process whenever it dies, until closed or cancelled."""
        while self._process:
            await self._process.wait()
            if self._closing:
                return
            code, said = self._process.returncode, await _rest(self._process)
            log.error("starting another guard process: one ended with code %s%s", code, said)
            try:
                await self.start()
            except (OSError, GuardError):
                log.exception("no guard: a sudden end of layby would leave its workloads behind")
                await asyncio.sleep(_BACKOFF_SECONDS)

    async def close(self) -> None:
        """End the guard's duty: it sweeps up what is left, normally nothing, and exits."""
        self._closing = True
        if self._process is None:
            return
        self._hang_up()
        try:
            async with asyncio.timeout(self._grace_seconds + _EXIT_SECONDS):
                while await self._process.wait() < 0:  # killed before it could sweep
                    await self.start()
        except TimeoutError:
            log.warning("the guard process %s is still at work", self._process.pid)

    def _tell(self, line: str) -> None:
        # A dead guard is told everything again when `watch` replaces it.
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(line.encode())

    def _hang_up(self) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()


async def _until_ready(process: Process) -> None:
    try:
        async with asyncio.timeout(_START_SECONDS):
            line = await process.stdout.readline() if process.stdout else b""
    except TimeoutError as error:
        process.kill()
        raise GuardError(f"the guard process is not ready after {_START_SECONDS:g} s") from error
    if line != reaper.READY:
        raise GuardError(f"the guard process fails: {line!r}{await _rest(process)}")


async def _rest(process: Process) -> str:
    """Read what a process that has ended had left to say, such as a traceback."""
    said = (await process.stdout.read()).decode(errors="replace") if process.stdout else ""
    return f": {said.strip()}" if said else ""


def _adoption(group: Group) -> str:
    return f"+{group.pgid}\n" if group.started is None else f"+{group.pgid} {group.started}\n"
