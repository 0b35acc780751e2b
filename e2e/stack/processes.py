"""The child processes of a stack: started, waited for, ended by their numbers in reverse order.

Owns their logs, and a guard that ends them all if their owner cannot. Must not know what they are.
"""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from e2e.stack.namespace import Namespace
from local import reaper
from local.reaper import Group

MARKER = "LAYBY_STACK"
"""Not local mode's: a process of the stack may have a guard of its own."""
START_SECONDS = 30.0
STOP_SECONDS = 5.0
GUARD_GRACE_SECONDS = 1.0
_PAUSE_SECONDS = 0.02
_WORDS = 10
"""Lines of a log that an error quotes."""
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME", "SSL_CERT_FILE")

Check = Callable[[], bool]


class ProcessError(Exception):
    """A process of the stack does not start, or has ended; the text quotes its log."""


def until(condition: Check, within: float, pause: float = _PAUSE_SECONDS) -> bool:
    """Look until a condition holds; tell whether it did in time."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


class Child:
    """One program of the stack, which may be ended and started again."""

    def __init__(
        self,
        owner: "Children",
        name: str,
        command: Sequence[str | Path],
        ready: Check,
        environment: Mapping[str, str],
    ) -> None:
        self.name = name
        self.log = owner.logs / f"{name}.log"
        self._owner = owner
        self._command = [str(word) for word in command]
        self._ready = ready
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._group: Group | None = None

    def __repr__(self) -> str:
        return f"<Child {self.name} pid={self.pid if self.alive else None}>"

    @property
    def pid(self) -> int:
        """Its number, and its process group's."""
        if self._process is None:
            raise ProcessError(f"{self.name} has not been started")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, without waiting."""
        with self._owner.namespace.entered(), self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._owner.folder,
                env={**self._owner.environment, **self._environment},
                start_new_session=True,
            )
        self._group = Group.led_by(self._process.pid)
        self._owner.adopt(self._group)

    def wait(self, within: float = START_SECONDS) -> None:
        """Wait until it is ready.

        Raises:
            ProcessError: it has ended, or is not ready in time.
        """
        with self._owner.namespace.entered():
            in_time = until(lambda: not self.alive or self._ready(), within)
        if not self.alive:
            raise ProcessError(f"{self.name} ended while starting: {self.last_words()}")
        if not in_time:
            raise ProcessError(f"{self.name} not ready after {within:g} s: {self.last_words()}")

    def stop(self, within: float = STOP_SECONDS) -> None:
        """Ask it to end; kill it if it has not in time."""
        self._end(signal.SIGTERM, within)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self._end(signal.SIGKILL, STOP_SECONDS)

    def restart(self) -> None:
        """End it, start it again, and wait until it is ready."""
        self.stop()
        self.start()
        self.wait()

    def freeze(self) -> None:
        """Have it do nothing more, with its connections open."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def last_words(self) -> str:
        """Quote the end of its log, and say where it is."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([str(self.log), *lines[-_WORDS:]])

    def _end(self, number: int, within: float) -> None:
        if self._process is None or self._group is None:
            return
        for attempt in (number, signal.SIGKILL):
            if self._process.poll() is None:
                self._group.signal(attempt)
                self._group.signal(signal.SIGCONT)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(within)
        self._owner.release(self._group)


class Children:
    """All processes of one stack, in the order of their start."""

    def __init__(self, folder: Path, namespace: Namespace) -> None:
        """Run them in `namespace`, with their files in `folder`."""
        self.folder = folder
        self.logs = folder / "logs"
        self.namespace = namespace
        self.logs.mkdir(parents=True, exist_ok=True)
        run = uuid.uuid4().hex
        # No proxy's address, nor anybody's kubeconfig: a stack sees what it is told.
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self.environment = {**kept, MARKER: run}
        self._children: list[Child] = []
        self._guard, self._line = _start_guard(run)

    def __iter__(self) -> Iterator[Child]:
        return iter(self._children)

    def add(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        ready: Check,
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        """Start a program, without waiting until it is ready."""
        child = Child(self, name, command, ready, environment or {})
        self._children.append(child)
        child.start()
        return child

    def remove(self, child: Child) -> None:
        """End a program and forget it."""
        child.stop()
        self._children.remove(child)

    def close(self) -> None:
        """End all, the last started first, and whatever they have left behind."""
        for child in reversed(self._children):
            child.stop()
        self._line.close()
        self._guard.wait()

    def adopt(self, group: Group) -> None:
        """Have the guard end a process group if we cannot."""
        self._tell(f"+{group.pgid} {group.started}\n")

    def release(self, group: Group) -> None:
        """Have the guard forget a process group."""
        self._tell(f"-{group.pgid}\n")

    def _tell(self, line: str) -> None:
        with suppress(BrokenPipeError):
            self._line.write(line.encode())


def _start_guard(run: str) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Start the program that ends everything of this run once we are gone, even by SIGKILL."""
    command = [sys.executable, "-I", "-S", reaper.__file__]
    guard = subprocess.Popen(
        [*command, f"{MARKER}={run}", str(GUARD_GRACE_SECONDS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        start_new_session=True,
    )
    assert guard.stdin
    assert guard.stdout
    if guard.stdout.readline() != reaper.READY:
        raise ProcessError("the guard of the stack does not start")
    guard.stdout.close()
    return guard, guard.stdin
