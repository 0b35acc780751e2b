"""A stack that runs on by itself, in a process of its own, with everything in one folder.

Owns that folder and the state file in it. Must not know what a stack consists of.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from e2e.stack.namespace import Namespace, inhabitants
from e2e.stack.processes import until
from e2e.stack.whole import ROOT, Stack, prepare, prepare_keda, running
from local import reaper

START_SECONDS = 60.0
STOP_SECONDS = 30.0
SWEEP_SECONDS = 10.0
"""How long the guard may take once its stack was killed."""


class DetachedError(Exception):
    """The stack cannot be started or removed; the text says why."""


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a stack that was left running."""

    pid: int
    born: int
    """When the kernel started that process: its number may be another's by now."""
    network: int
    kubeconfig: str
    logs: str
    gateway: str
    caller: str
    keda: bool = False
    """Whether it was started with KEDA."""

    @classmethod
    def of(cls, stack: Stack) -> "State":
        """Describe the stack of this process."""
        own = reaper.stat(os.getpid())
        assert own
        return cls(
            pid=own.pid,
            born=own.started,
            network=stack.namespace.id,
            kubeconfig=str(stack.kubeconfig),
            logs=str(stack.logs),
            gateway=stack.gateway.address,
            caller=stack.caller.address,
            keda=stack.keda.installed,
        )

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        found = reaper.stat(self.pid)
        return found is not None and found.alive and found.started == self.born


class Detached:
    """The stack of one folder, or the lack of one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._file = self.folder / "state.json"
        self._log = self.folder / "stack.log"

    def state(self) -> State | None:
        """Return what is known of the stack; None if there is none."""
        try:
            return State(**json.loads(self._file.read_text()))
        except FileNotFoundError:
            return None

    def up(self, *, keda: bool = False) -> State:
        """Start a stack that goes on when we end, unless there is one.

        Raises:
            DetachedError: it does not start, or its predecessor's remains cannot be removed; or
                there is one without KEDA, and it is to have it.
        """
        prepare()  # here, where one sees it
        if keda:
            prepare_keda()
        with self._alone():
            found = self.state()
            if found and found.alive:
                if keda and not found.keda:
                    raise DetachedError(
                        "a stack without KEDA runs: end it (python -m e2e.stack down) first"
                    )
                return found
            self._remove()
            return self._start(keda=keda)

    def down(self) -> bool:
        """Remove the stack with all its files; tell whether there was one.

        Raises:
            DetachedError: something of it survives.
        """
        with self._alone():
            return self._remove()

    def execute(self, command: list[str]) -> None:
        """Become a command in the network of the stack, which finds its kubeconfig.

        Raises:
            DetachedError: there is no stack.
        """
        found = self.state()
        if found is None or not found.alive:
            raise DetachedError("no stack runs: python -m e2e.stack up")
        with Namespace.of(found.pid).entered():
            os.environ["KUBECONFIG"] = found.kubeconfig
            try:
                os.execvp(command[0], command)
            except OSError as error:
                raise DetachedError(f"{command[0]}: {error.strerror}") from error

    def serve(self, *, keda: bool = False) -> None:
        """Be the process of such a stack, until SIGTERM."""
        signal.signal(signal.SIGTERM, _leave)
        with running(self.folder, keda=keda) as stack:
            part = self._file.with_suffix(".part")
            part.write_text(json.dumps(asdict(State.of(stack)), indent=2))
            part.replace(self._file)
            while True:
                signal.pause()

    def _start(self, *, keda: bool) -> State:
        self.folder.mkdir(parents=True)
        command = [sys.executable, "-m", "e2e.stack", "serve", "--folder", str(self.folder)]
        command += ["--keda"] if keda else []
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                start_new_session=True,
            )
        try:
            until(lambda: self._file.exists() or process.poll() is not None, START_SECONDS)
            if process.poll() is None and (found := self.state()):
                return found
        except BaseException:
            process.terminate()
            raise
        process.terminate()
        raise DetachedError(f"the stack does not start:\n{self._log.read_text()}")

    def _remove(self) -> bool:
        if found := self.state():
            _end(found)
        if not self.folder.exists():
            return False
        shutil.rmtree(self.folder)
        return True

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let nobody else start or remove the stack meanwhile."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        with self.folder.with_suffix(".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _leave(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is being done
    raise SystemExit


def _end(found: State) -> None:
    if found.alive:
        os.kill(found.pid, signal.SIGTERM)
        if not until(lambda: not found.alive, STOP_SECONDS):
            os.kill(found.pid, signal.SIGKILL)
    if not until(lambda: not inhabitants(found.network), SWEEP_SECONDS):
        left = ", ".join(map(str, inhabitants(found.network)))
        raise DetachedError(f"these processes of the stack survive: {left}")
