"""One container of a pod: a process that is started, probed, started again, and ended.

Owns its state. Must not know the API server, nor why it is to end.
"""

import asyncio
import signal
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from e2e.stack.kubelet import PROBE_PERIOD
from e2e.stack.kubelet.environment import ROOT, CannotRun, Setting
from e2e.stack.kubelet.probe import Probe, seconds
from e2e.stack.kubelet.status import Container as State
from e2e.stack.kubelet.status import Waiting
from local.guard import Guard
from local.reaper import Group

FIRST_BACKOFF_SECONDS = 1.0
"""Kubernetes has 10 s."""
LONGEST_BACKOFF_SECONDS = 10.0
_LONG_LIFE_SECONDS = 10.0
"""After which a crash is not part of a loop."""
_POLL_SECONDS = 0.01


class Container:
    """One container, from its pod's start to its end."""

    def __init__(
        self, spec: dict[str, Any], guard: Guard, log: Path, changed: Callable[[], None]
    ) -> None:
        """Call `changed` whenever the state is another."""
        self.spec = spec
        self.state = State()
        self._guard = guard
        self._log = log
        self._changed = changed
        self._process: Process | None = None
        self._group: Group | None = None

    async def run(self, setting: Setting) -> None:
        """Run it as its pod's restart policy says, until cancelled or done."""
        policy = setting.pod["spec"].get("restartPolicy", "Always")
        backoff = 0.0
        while True:
            begun = time.monotonic()
            try:
                code = await self._run_once(setting)
            except (CannotRun, OSError) as error:
                reason = error.reason if isinstance(error, CannotRun) else "RunContainerError"
                self.set(State(Waiting(reason, str(error))))
                return
            self.set(self.state.ended(code, now()))
            if policy == "Never" or (policy == "OnFailure" and code == 0):
                return
            if time.monotonic() - begun > _LONG_LIFE_SECONDS:
                backoff = 0.0
            if backoff:
                message = f"back-off {backoff:g}s restarting failed container={self.spec['name']}"
                waiting = Waiting("CrashLoopBackOff", message)
                self.set(State(waiting, restarts=self.state.restarts, last=self.state.last))
                await asyncio.sleep(backoff)
            backoff = min(max(2 * backoff, FIRST_BACKOFF_SECONDS), LONGEST_BACKOFF_SECONDS)
            self.state = State(restarts=self.state.restarts + 1, last=self.state.last)

    def set(self, state: State) -> None:
        """Change the state, and say so if it is another."""
        if state != self.state:
            self.state = state
            self._changed()

    def ask_to_end(self) -> None:
        """Send SIGTERM to the process, and only to it, as to a container's first."""
        if self._process and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    def kill(self) -> None:
        """End the process and all of its group."""
        if self._group:
            self._group.signal(signal.SIGKILL)
            self._guard.release(self._group.pgid)

    async def ended(self) -> None:
        """Wait for the end of the process."""
        # Not Process.wait(): it is `run` that waits so, and may be cancelled.
        while self._process and self._process.returncode is None:
            await asyncio.sleep(_POLL_SECONDS)

    async def _run_once(self, setting: Setting) -> int:
        environment = setting.variables(self.spec)
        command = await setting.command(self.spec, environment)
        with self._log.open("ab") as log:
            process = self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.spec.get("workingDir") or ROOT,
                env={**environment, **self._guard.environment},
                start_new_session=True,
            )
        self._group = Group.led_by(process.pid)
        self._guard.adopt(process.pid)
        self.set(self.state.started(now(), ready="readinessProbe" not in self.spec))
        async with asyncio.TaskGroup() as tasks:
            probing = tasks.create_task(self._probe(setting, environment))
            code = await process.wait()
            probing.cancel()
        self.kill()  # what the process has left in its group
        self._process = self._group = None
        return code

    async def _probe(self, setting: Setting, environment: dict[str, str]) -> None:
        spec = self.spec.get("readinessProbe")
        if spec is None:
            return
        annotated = setting.pod["metadata"].get("annotations", {}).get(PROBE_PERIOD)
        period = seconds(annotated) if annotated else float(spec.get("periodSeconds", 10))
        probe = Probe(spec, self.spec, setting.address, environment, period)
        await asyncio.sleep(probe.delay)
        good = bad = 0
        while True:
            if await probe.look():
                good, bad = good + 1, 0
            else:
                good, bad = 0, bad + 1
            if good >= probe.successes:
                self._set_ready(ready=True)
            elif bad >= probe.failures:
                self._set_ready(ready=False)
            await asyncio.sleep(period)

    def _set_ready(self, *, ready: bool) -> None:
        self.set(State(self.state.state, ready, self.state.restarts, self.state.last))


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
