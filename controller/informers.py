"""The informers: which objects are watched, and who is told.

Owns the tasks that keep the stores current. Must not know what follows from any change.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import TypeAlias

from controller import indexes, rule, services, workload
from controller.keda import Keda
from controller.rule import MANAGED_BY, MANAGER, Mesh
from controller.workload import KindKey
from kube.client import Kube
from kube.errors import KubeError, UnreachableError
from kube.informer import Informer
from kube.resource import (
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    ENVOY_FILTERS,
    HOLD_POLICIES,
    NAMESPACES,
    SERVICES,
    TRAFFIC_HOLDS,
    Resource,
    Selection,
)
from kube.store import Change

Told: TypeAlias = Callable[[KindKey, Change], None]


class Informers:
    """All that is watched. Kinds of workloads are watched from when somebody asks for them.

    Args:
        kube: the API.
        mesh: the mesh.
        keda: whether ScaledObjects are looked after.
        namespaces: those that are watched; all if there are none.
    """

    def __init__(
        self,
        kube: Kube,
        mesh: Mesh,
        *,
        keda: bool = True,
        namespaces: Collection[str] = (),
    ) -> None:
        self._kube = kube
        self._namespaces = namespaces
        self.holds = Informer(
            kube,
            *Selection(TRAFFIC_HOLDS).within(namespaces),
            indexes={"target": indexes.by_target, "listed": indexes.by_listed_service},
            optional=namespaces,
        )
        self.policies = Informer(kube, *Selection(HOLD_POLICIES).within(namespaces))
        self.namespaces = Informer(
            kube, *Selection(NAMESPACES).within(namespaces), trim=indexes.trim_namespace
        )
        self.services = Informer(
            kube,
            *Selection(SERVICES).within(namespaces),
            trim=services.trim,
            indexes={"selector": services.by_selector},
            optional=namespaces,
        )
        self.slices = Informer(
            kube,
            *Selection(ENDPOINT_SLICES).within(namespaces),
            trim=indexes.trim_slice,
            indexes={"service": indexes.by_service},
            optional=namespaces,
        )
        # One that is for the whole mesh is in the root namespace: ours would take its place.
        ruling = {*namespaces, mesh.root_namespace} if namespaces else ()
        self.rules = Informer(
            kube,
            *Selection(DESTINATION_RULES).within(ruling),
            indexes={"host": partial(rule.by_host, mesh), "owner": indexes.by_owner},
            optional={*namespaces} - {mesh.root_namespace},
        )
        ours = Selection(ENVOY_FILTERS, mesh.root_namespace, labels=f"{MANAGED_BY}={MANAGER}")
        self.gates = Informer(kube, ours)
        self.keda = Keda(kube, enabled=keda, namespaces=namespaces)
        self.workloads: dict[KindKey, Informer] = {}
        self._told: Told | None = None
        self._group: asyncio.TaskGroup | None = None

    def __iter__(self) -> Iterator[Informer]:
        """All that are watched from the beginning."""
        yield from (self.holds, self.policies, self.namespaces, self.services)
        yield from (self.slices, self.rules, self.gates)

    @property
    def synced(self) -> bool:
        """Whether anything may be concluded from what is not there, but where it is unseen."""
        return all(informer.synced.is_set() for informer in self) and self.keda.looked.is_set()

    def unseen_in(self, namespace: str) -> KubeError | None:
        """Why nothing may be concluded from what is not there in a namespace: a list is refused."""
        for informer in (self.holds, self.services, self.slices, self.rules):
            if not informer.synced_in(namespace).is_set():
                text = f"namespace {namespace} is not listed yet"
                return informer.failure_in(namespace) or UnreachableError(0, "NotSynced", text)
        return None

    @property
    def serves_policies(self) -> bool:
        """Whether HoldPolicies are seen: they are of the whole cluster."""
        return not self._namespaces

    def subscribe_to_workloads(self, told: Told) -> None:
        """Have a listener told of each change to a workload. It must not wait."""
        self._told = told

    async def run(self) -> None:
        """Keep all stores current until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in (*self, *self.workloads.values()):
                self._start(informer, group)
            self._group = group
            group.create_task(self.keda.run(), name="KEDA")

    def follow(self, resource: Resource) -> Informer:
        """Watch a kind of workload from now on, if it is not watched yet."""
        kind = KindKey(resource.group, resource.kind)
        informer = self.workloads.get(kind)
        if informer is None:
            informer = self.workloads[kind] = Informer(
                self._kube,
                *Selection(resource).within(self._namespaces),
                trim=workload.trim,
                indexes={"pods": workload.by_pod_label},
            )
            informer.subscribe(partial(self._tell, kind))
            if self._group is not None:
                self._start(informer, self._group)
        return informer

    def _tell(self, kind: KindKey, change: Change) -> None:
        if self._told is not None:
            self._told(kind, change)

    @staticmethod
    def _start(informer: Informer, group: asyncio.TaskGroup) -> None:
        group.create_task(informer.run(), name=repr(informer))
