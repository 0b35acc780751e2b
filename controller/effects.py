"""How a plan for a TrafficHold is carried out: in its order, through the API, and remembered.

Owns what a refusal of the API means for the rest of a plan. Must not decide what is wanted.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from controller.autoscaler import Write
from controller.events import Event
from controller.facts import FINALIZER
from controller.memory import Memory
from controller.overlay import Overlay, version_of
from controller.scaled_objects import ScaledObjects
from controller.steps import Plan, Removal, Scaling
from controller.workload import Workload
from controller.world import World
from crds.model import Model
from kube.client import Kube
from kube.errors import ConflictError, ForbiddenError, KubeError, MismatchError, NotFoundError
from kube.events import Recorder
from kube.resource import DESTINATION_RULES, TRAFFIC_HOLDS, Key, Object, Resource, key_of
from telemetry.control import ControlRecorder

LOOK_AGAIN_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a plan is about."""

    hold: Object
    version: str
    """The version of the TrafficHold in the store."""
    memory: Memory
    workload: Workload | None = None
    resource: Resource | None = None
    """That of the workload."""

    @property
    def key(self) -> Key:
        """The key of the TrafficHold."""
        return key_of(self.hold)


class Effects:
    """Carries out plans."""

    def __init__(
        self,
        kube: Kube,
        world: World,
        recorder: Recorder,
        scaled_objects: ScaledObjects,
        control: ControlRecorder,
    ) -> None:
        self._kube = kube
        self._world = world
        self._recorder = recorder
        self._scaled_objects = scaled_objects
        self._control = control
        self.holds: Overlay[Object] = Overlay()
        """TrafficHolds as they are after our writes, by key."""
        self.rules: Overlay[Object] = Overlay()
        """DestinationRules as they are after our writes, by key."""
        self.replicas: Overlay[int] = Overlay()
        """How many replicas we have asked for, by the workload's key."""

    async def carry_out(self, plan: Plan, subject: Subject) -> float | None:
        """Do what is planned; return the seconds after which to look again.

        Raises:
            KubeError: not all of it could be done.
        """
        if plan.finalizer is True:
            subject = await self._set_finalizer(subject, present=True)
        await self._delete(plan.delete)
        await self._apply(plan.apply, subject)
        if not await self._write(plan.write, subject) and plan.finalizer is not False:
            # What is said of it rests on it.
            return LOOK_AGAIN_SECONDS
        if plan.scale is not None and not await self._scale(plan.scale, subject):
            # The rest of the plan rests on it.
            return LOOK_AGAIN_SECONDS
        if plan.finalizer is False:
            subject = await self._set_finalizer(subject, present=False)
        if plan.status is not None:
            await self.write_status(plan.status, subject)
        self._tell(plan.events, subject)
        return plan.again_after

    async def write_status(self, status: Model, subject: Subject) -> None:
        """Have a TrafficHold's status be as it is wanted."""
        metadata = subject.hold["metadata"]
        body = {
            "metadata": {name: metadata[name] for name in ("namespace", "name", "uid")},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        # It is gone, or another one of that name is there.
        with suppress(NotFoundError, ConflictError):
            written = await self._kube.apply_status(TRAFFIC_HOLDS, body, force=True)
            self.holds.put(subject.key, subject.version, written, _now())
            subject.memory.wrote_at = _now()

    async def _delete(self, removals: Iterable[Removal]) -> None:
        for removal in removals:
            # Another one of that name is another's.
            with suppress(NotFoundError, ConflictError):
                await self._kube.delete(removal.resource, removal.key, uid=removal.uid)
                log.info("%s/%s: %s deleted", *removal.key, removal.resource.kind)

    async def _apply(self, items: Iterable[Object], subject: Subject) -> None:
        for item in items:
            key = key_of(item)
            seen = version_of(self._world.rule(key))
            try:
                applied = await self._kube.apply(DESTINATION_RULES, item, force=True)
            except KubeError as error:
                note = f"DestinationRule {key.name} cannot be applied: {error.message}"
                self._tell([Event("ApplyFailed", note, warning=True)], subject)
                raise
            log.info("%s/%s: DestinationRule applied", *key)
            self.rules.put(key, seen, applied, _now())

    async def _write(self, changes: Sequence[Write], subject: Subject) -> bool:
        """Tell whether all was done."""
        done = True
        for change in changes:
            if not await self._scaled_objects.write(change, subject.memory):
                done = False
            elif change.told is not None:
                self._tell([change.told], subject)
        return done

    async def _set_finalizer(self, subject: Subject, *, present: bool) -> Subject:
        metadata = subject.hold["metadata"]
        others = [each for each in metadata.get("finalizers") or () if each != FINALIZER]
        patch = {
            "metadata": {
                "finalizers": [*others, FINALIZER] if present else others,
                # Lest a finalizer be lost that somebody else has set meanwhile.
                "resourceVersion": metadata["resourceVersion"],
            }
        }
        try:
            written = await self._kube.patch_merge(TRAFFIC_HOLDS, subject.key, patch)
        except NotFoundError:
            return subject
        if written["metadata"].get("deletionTimestamp") is None:
            self.holds.put(subject.key, subject.version, written, _now())
        return replace(subject, hold=written)

    async def _scale(self, scaling: Scaling, subject: Subject) -> bool:
        """Tell whether it was done."""
        workload, resource = subject.workload, subject.resource
        if workload is None or resource is None:
            return False
        key = Key(workload.key.namespace, workload.key.name)
        try:
            await self._kube.patch_scale(
                resource, key, current=scaling.current, desired=scaling.desired
            )
        except MismatchError:
            log.info("%s/%s: scaled by somebody else meanwhile", *key)
            return False
        except (ForbiddenError, NotFoundError) as error:
            why = f"{workload.key} cannot be scaled: {error.message}"
            subject.memory.refused(why, _now())
            log.warning("%s/%s: %s", *subject.key, why)
            return False
        subject.memory.scaled()
        if not scaling.desired:
            self._control.slept(subject.key)
        self.replicas.put(workload.key, workload.version, scaling.desired, _now())
        log.info("%s/%s: %d -> %d replicas", *key, scaling.current, scaling.desired)
        self._tell([scaling.told], subject)
        return True

    def _tell(self, events: Iterable[Event], subject: Subject) -> None:
        for event in events:
            self._recorder.tell(subject.hold, event.reason, event.note, warning=event.warning)


def _now() -> float:
    return asyncio.get_running_loop().time()
