"""One look at all policies: the scene, the plan, the effects.

Owns how much is done at a time. Must not decide anything, nor know who calls.
"""

import asyncio
import logging
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from controller.informers import Informers
from controller.policy import PolicyPlan, Removal, Scene, plan_policies
from controller.services import found
from controller.targets import Targets
from controller.workload import KindRef, Workload
from controller.world import World
from crds.resource import InvalidResourceError
from crds.v1alpha1 import HoldPolicy
from crds.v1alpha1.holdpolicy import HoldPolicyStatus
from kube.client import Kube
from kube.errors import ConflictError, KubeError, NotFoundError
from kube.resource import HOLD_POLICIES, TRAFFIC_HOLDS, Object

AT_ONCE = 8
GRACE_SECONDS = 10.0
"""For which a TrafficHold outlives its workload. Whoever replaces one deletes it first, and its
requests are held until it is back."""

log = logging.getLogger(__name__)


class PolicyReconciler:
    """Looks at all policies at once: which of them has a workload depends on the others."""

    def __init__(
        self,
        kube: Kube,
        informers: Informers,
        world: World,
        targets: Targets,
        protected: Iterable[str],
    ) -> None:
        self._kube = kube
        self._informers = informers
        self._world = world
        self._targets = targets
        self._protected = frozenset(protected)
        self._vanished: dict[Removal, float] = {}
        """Since when the workloads of some TrafficHolds are not there."""

    async def reconcile(self) -> float | None:
        """Bring about what the policies want; return the seconds after which to look again.

        Raises:
            KubeError: not all of it could be done; the rest was.
        """
        policies, unread = self._read()
        unseen = await self._targets.prepare(
            KindRef(kind.api_version, kind.kind)
            for policy in policies
            for kind in policy.spec.kinds
        )
        informers = self._informers
        namespaces = informers.namespaces.store.snapshot()
        scene = Scene(
            policies=policies,
            namespaces={key.name: item for key, item in namespaces.items()},
            workloads=list(self._workloads()) if policies else [],
            holds=list(informers.holds.store.snapshot().values()),
            protected=self._protected,
            unread=unread,
            unseen=unseen,
        )
        plan = plan_policies(scene, datetime.now(UTC))
        now = asyncio.get_running_loop().time()
        gone = (removal for removal in plan.delete if removal.vanished)
        self._vanished = {removal: self._vanished.get(removal, now) for removal in gone}
        left = {r: since + GRACE_SECONDS - now for r, since in self._vanished.items()}
        due = tuple(removal for removal in plan.delete if left.get(removal, 0.0) <= 0)
        await self._carry_out(replace(plan, delete=due))
        return min((seconds for seconds in left.values() if seconds > 0), default=None)

    def _read(self) -> tuple[list[HoldPolicy], frozenset[str]]:
        policies: list[HoldPolicy] = []
        unread: set[str] = set()
        for key, item in self._informers.policies.store.snapshot().items():
            try:
                policies.append(HoldPolicy.parse(item, unknown="ignore"))
            except InvalidResourceError as error:
                # The API server took it under an older schema.
                log.warning("HoldPolicy %s is invalid: %s", key.name, error)
                unread.add(key.name)
        return policies, frozenset(unread)

    def _workloads(self) -> Iterable[Workload]:
        for informer in self._informers.workloads.values():
            for item in informer.store.snapshot().values():
                workload = Workload.read(item)
                if self._is_led_to(workload):
                    yield workload

    def _is_led_to(self, workload: Workload) -> bool:
        labels = self._world.pod_labels(workload)
        if labels is None:
            # Only its scale tells, which is asked for once there is a TrafficHold.
            return True
        services = self._world.services_of(workload.key.namespace, labels)
        return bool(found(services, labels).services)

    async def _carry_out(self, plan: PolicyPlan) -> None:
        free = asyncio.Semaphore(AT_ONCE)
        failures: list[KubeError] = []

        async def attempt(effect: Awaitable[None]) -> None:
            try:
                async with free:
                    await effect
            except KubeError as error:
                failures.append(error)

        async with asyncio.TaskGroup() as group:
            for item in plan.apply:
                group.create_task(attempt(self._apply(item)), name="apply a TrafficHold")
            for removal in plan.delete:
                group.create_task(attempt(self._delete(removal)), name="delete a TrafficHold")
        for policy, status in plan.statuses:
            await attempt(self._write_status(policy, status))
        if failures:
            raise failures[0]

    async def _apply(self, item: Object) -> None:
        await self._kube.apply(TRAFFIC_HOLDS, item, force=True)
        log.info("%(namespace)s/%(name)s: TrafficHold applied by a policy", item["metadata"])

    async def _delete(self, removal: Removal) -> None:
        # Another one of that name is another's.
        with suppress(NotFoundError, ConflictError):
            await self._kube.delete(TRAFFIC_HOLDS, removal.key, uid=removal.uid)
            log.info("%s/%s: no policy wants the TrafficHold any more", *removal.key)

    async def _write_status(self, policy: HoldPolicy, status: HoldPolicyStatus) -> None:
        body = {
            "metadata": {"name": policy.metadata.name, "uid": policy.metadata.uid},
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        with suppress(NotFoundError, ConflictError):
            await self._kube.apply_status(HOLD_POLICIES, body, force=True)
