"""How a plan for a TrafficHold is carried out: in its order, through the API, and remembered.

Owns what a refusal of the API means for the rest of a plan. Must not decide what is wanted.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from controller.events import Event
from controller.facts import FINALIZER
from controller.memory import Memory
from controller.overlay import Overlay
from controller.plan import Plan, Removal, Scaling
from controller.workload import Workload
from crds.v1alpha1.traffichold import TrafficHoldStatus
from kube.client import Kube
from kube.errors import ConflictError, ForbiddenError, KubeError, MismatchError, NotFoundError
from kube.events import Recorder
from kube.resource import DESTINATION_RULES, TRAFFIC_HOLDS, Key, Object, Resource, key_of

LOOK_AGAIN_SECONDS = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a plan is about."""

    hold: Object
    version: str
    """Of the TrafficHold in the informer's store."""
    workload: Workload | None
    resource: Resource | None
    """That of the workload."""
    memory: Memory

    @property
    def key(self) -> Key:
        """The key of the TrafficHold."""
        return key_of(self.hold)


class Effects:
    """Carries out plans."""

    def __init__(self, kube: Kube, recorder: Recorder) -> None:
        self._kube = kube
        self._recorder = recorder
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
        await self._delete(plan.delete)
        await self._apply(plan.apply, subject)
        if plan.finalizer is True:
            subject = await self._set_finalizer(subject, present=True)
        if plan.scale is not None and not await self._scale(plan.scale, subject):
            # What is planned beyond rests on it.
            return LOOK_AGAIN_SECONDS
        if plan.finalizer is False:
            subject = await self._set_finalizer(subject, present=False)
        if plan.status is not None:
            await self._write_status(plan.status, subject)
        self._tell(plan.events, subject)
        return plan.again_after

    async def _delete(self, removals: Iterable[Removal]) -> None:
        for removal in removals:
            # Another one of that name is another's.
            with suppress(NotFoundError, ConflictError):
                await self._kube.delete(DESTINATION_RULES, removal.key, uid=removal.uid)
                log.info("%s/%s: DestinationRule deleted", *removal.key)

    async def _apply(self, items: Iterable[Object], subject: Subject) -> None:
        for item in items:
            key = key_of(item)
            try:
                applied = await self._kube.apply(DESTINATION_RULES, item, force=True)
            except KubeError as error:
                note = f"DestinationRule {key.name} cannot be applied: {error.message}"
                self._tell([Event("ApplyFailed", note, warning=True)], subject)
                raise
            log.info("%s/%s: DestinationRule applied", *key)
            self.rules.put(key, subject.rule_version(key), applied, _now())
