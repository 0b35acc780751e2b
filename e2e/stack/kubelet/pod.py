"""One pod, from its binding to its removal from the API server.

Owns its containers and tells the API server how they are. Must not know other pods.
"""

import asyncio
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from e2e.stack.kubelet import FAILURE, START_DELAY
from e2e.stack.kubelet.client import CONFLICT, MERGE, NOT_FOUND, Client, Object, Refused
from e2e.stack.kubelet.container import Container, now
from e2e.stack.kubelet.environment import Setting
from e2e.stack.kubelet.event import record
from e2e.stack.kubelet.probe import seconds
from e2e.stack.kubelet.status import Container as State
from e2e.stack.kubelet.status import Ended, Waiting, render
from local.guard import Guard

_KILL_SECONDS = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Host:
    """What all pods of the node share."""

    client: Client
    guard: Guard
    addresses: asyncio.Queue[str]
    """Those that are free, the one that has been so longest first."""
    folder: Path
    logs: Path
    environment: Mapping[str, str]


class Pod:
    """One pod of the node."""

    def __init__(self, host: Host, pod: Object) -> None:
        meta = pod["metadata"]
        self.path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        self._host = host
        self._pod = pod
        self._id = f"{meta['namespace']}.{meta['name']}"
        self._address: str | None = None
        self._changed = asyncio.Event()
        self._leaving = asyncio.Event()
        self._removed = False
        self._containers = [
            Container(
                spec, host.guard, host.logs / f"{self._id}.{spec['name']}.log", self._changed.set
            )
            for spec in pod["spec"]["containers"]
        ]
        self.observe(pod)

    def observe(self, pod: Object) -> None:
        """Take note of how the API server has it."""
        self._pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._leaving.set()

    def removed(self) -> None:
        """Take note that the API server has it no more."""
        self._removed = True
        self._leaving.set()

    async def run(self) -> None:
        """Live until the API server wants it gone, then leave in order."""
        try:
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(self._tell(), name=f"status of {self._id}")
                living = tasks.create_task(self._live(), name=f"pod {self._id}")
                await self._leaving.wait()
                living.cancel()
                if not self._removed:
                    await self._leave()
                telling.cancel()
        finally:
            for container in self._containers:
                container.kill()
            if self._address:
                self._host.addresses.put_nowait(self._address)
            shutil.rmtree(self._host.folder / self._id, ignore_errors=True)
        if not self._removed:
            await self._remove()

    async def _live(self) -> None:
        annotations = self._pod["metadata"].get("annotations", {})
        if failure := annotations.get(FAILURE):
            await self._fail(failure)
            return
        self._changed.set()
        self._address = await self._host.addresses.get()
        await asyncio.sleep(seconds(annotations.get(START_DELAY, "0s")))
        folder = self._host.folder / self._id
        host = self._host
        setting = Setting(host.client, self._pod, self._address, folder, host.environment)
        async with asyncio.TaskGroup() as tasks:
            for container in self._containers:
                tasks.create_task(container.run(setting))

    async def _fail(self, failure: str) -> None:
        for container in self._containers:
            name, image = container.spec["name"], container.spec.get("image", "")
            match failure:
                case "ImagePullBackOff":
                    state = State(Waiting(failure, f'Back-off pulling image "{image}"'))
                case "CrashLoopBackOff":
                    message = f"back-off 5m0s restarting failed container={name}"
                    state = State(Waiting(failure, message), restarts=5, last=Ended(1, now()))
                case _:
                    state = State(Waiting("CreateContainerConfigError", f"no such {failure=}"))
            container.set(state)
            assert isinstance(state.state, Waiting)
            await record(self._host.client, self._pod, "BackOff", state.state.message)

    async def _leave(self) -> None:
        """Be unready and ask for the end at once; kill after the grace."""
        for container in self._containers:
            container.ask_to_end()
            container.set(State(container.state.state, False, container.state.restarts))
        grace = self._pod["metadata"].get("deletionGracePeriodSeconds", 30)
        try:
            async with asyncio.timeout(grace):
                await self._ended()
        except TimeoutError:
            for container in self._containers:
                container.kill()
            async with asyncio.timeout(_KILL_SECONDS):
                await self._ended()

    async def _ended(self) -> None:
        for container in self._containers:
            await container.ended()

    async def _tell(self) -> None:
        """Write the status whenever it is another."""
        told: Object = {}
        while True:
            await self._changed.wait()
            self._changed.clear()
            states = {c.spec["name"]: c.state for c in self._containers}
            status = render(self._pod, states, self._address, now())
            if status == told:
                continue
            identity = {"uid": self._pod["metadata"]["uid"]}
            body = {"metadata": identity, "status": status}
            try:
                await self._host.client.request("PATCH", f"{self.path}/status", body, MERGE)
            except Refused as refused:
                if refused.status not in {CONFLICT, NOT_FOUND}:
                    raise
                return
            told = status

    async def _remove(self) -> None:
        uid = self._pod["metadata"]["uid"]
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        try:
            await self._host.client.request("DELETE", self.path, body)
        except Refused as refused:
            if refused.status not in {CONFLICT, NOT_FOUND}:
                raise
