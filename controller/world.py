"""What there is, as the informers have it: lookups from one object to those that it has to do with.

Owns the ways between TrafficHolds, workloads, Services and DestinationRules. Must not know what
follows. Reads stores only: no I/O, no clock.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from controller.conflicts import Claimant, Loss, lost
from controller.indexes import hold_services, target_of
from controller.informers import Informers
from controller.rule import WILDCARDS, Mesh
from controller.scaled_object import name_of
from controller.services import Leading, Service, found, named, selects
from controller.workload import KindKey, TargetKey, Workload
from kube.errors import KubeError
from kube.resource import Key, Object, key_of
from kube.store import Store

_NO_LABELS: Mapping[str, str] = {}


class World:
    """All that is watched, and how one thing leads to another."""

    def __init__(self, informers: Informers, mesh: Mesh) -> None:
        self._informers = informers
        self.mesh = mesh
        self.learned: dict[TargetKey, Mapping[str, str]] = {}
        """The pod labels of workloads without a template, as far as their scale has told."""

    def unseen_in(self, namespace: str) -> KubeError | None:
        """Why what is not there in a namespace may be there all the same."""
        return self._informers.unseen_in(namespace)

    def hold(self, key: Key) -> Object | None:
        """Return a TrafficHold."""
        return self._informers.holds.store.get(key)

    def workload(self, target: TargetKey) -> Workload | None:
        """Return a workload, if its kind is watched and it is there."""
        store = self._workloads(target)
        item = store.get(Key(target.namespace, target.name)) if store is not None else None
        return Workload.read(item) if item is not None else None

    def forget(self) -> None:
        """Forget what was learned of workloads that no TrafficHold has for its target now."""
        for target in [target for target in self.learned if not self.holds_on(target)]:
            del self.learned[target]

    def pod_labels(self, workload: Workload) -> Mapping[str, str] | None:
        """Return the labels of a workload's pods, as far as they are known."""
        if workload.pod_labels is not None:
            return workload.pod_labels
        return self.learned.get(workload.key)

    def services_of(self, namespace: str, pod_labels: Mapping[str, str]) -> list[Service]:
        """Return the Services that select pods with these labels."""
        store = self._informers.services.store
        items = (
            item
            for pair in pod_labels.items()
            for item in store.objects_by("selector", (namespace, *pair))
        )
        read = (self._service(item) for item in items)
        return [service for service in read if selects(service.selector, pod_labels)]

    def leading(self, hold: Object, pod_labels: Mapping[str, str] | None) -> Leading:
        """Return the Services that lead to the target of a TrafficHold."""
        namespace, names = hold["metadata"]["namespace"], hold_services(hold)
        if names is None:
            return found(self.services_of(namespace, pod_labels or _NO_LABELS), pod_labels)
        store = self._informers.services.store
        items = (store.get(Key(namespace, name)) for name in names)
        services = [self._service(item) for item in items if item is not None]
        return named(names, {service.name: service for service in services}, pod_labels)

    def loss(self, hold: Object, services: Iterable[Service]) -> Loss | None:
        """Tell what another TrafficHold has of what this one claims."""
        holds = self._informers.holds.store
        return lost(
            _claimant(hold),
            map(_claimant, holds.objects_by("target", target_of(hold))),
            {service.name: map(_claimant, self.holds_of(service)) for service in services},
        )

    def holds_of(self, service: Service) -> Iterator[Object]:
        """Return the TrafficHolds that claim a Service, by name or through their targets."""
        holds = self._informers.holds.store
        yield from holds.objects_by("listed", (service.namespace, service.name))
        for target in self._selected(service):
            for hold in holds.objects_by("target", target):
                if hold_services(hold) is None:
                    yield hold

    def neighbours(self, service: Service, target: TargetKey) -> tuple[Workload, ...]:
        """Return what a Service leads to beside a workload, of the kinds that are watched."""
        behind = (each for each in self._behind(service) if not each.is_part)
        return tuple(sorted((e for e in behind if e.key != target), key=lambda each: each.key))

    def holds_on(self, target: TargetKey) -> list[Object]:
        """Return the TrafficHolds with a target."""
        return self._informers.holds.store.objects_by("target", target)

    def rule(self, key: Key) -> Object | None:
        """Return a DestinationRule."""
        return self._informers.rules.store.get(key)

    def rules(self, hold: Object, services: Iterable[Service]) -> dict[Key, Object]:
        """Return the DestinationRules that match the Services' hosts, and the TrafficHold's own."""
        store = self._informers.rules.store
        items = {key_of(item): item for item in self._own_rules(hold)}
        wildcards = store.objects_by("host", WILDCARDS)
        for service in services:
            host = self.mesh.host(service.name, service.namespace)
            near = (*store.objects_by("host", host), *wildcards)
            items.update((key_of(item), item) for item in near)
        return items

    def ready_endpoints(self, services: Iterable[Service]) -> int:
        """Count the ready endpoints of Services, of each alone."""
        store = self._informers.slices.store
        return sum(
            item["ready"]
            for service in services
            for item in store.objects_by("service", (service.namespace, service.name))
        )

    def scaled_objects(self, hold: Object, target: TargetKey | None) -> dict[Key, Object]:
        """Return the ScaledObjects that a TrafficHold may have to do with."""
        store = self._informers.keda.scaled_objects.store
        metadata = hold["metadata"]
        uid = metadata.get("uid", "")
        named = store.get(Key(metadata["namespace"], name_of(metadata["name"])))
        items = [
            *([named] if named is not None else ()),
            *(store.objects_by("target", target) if target else ()),
            *store.objects_by("owner", uid),
            *store.objects_by("adopter", uid),
        ]
        return {key_of(item): item for item in items}

    def _own_rules(self, hold: Object) -> list[Object]:
        uid = hold["metadata"].get("uid", "")
        return self._informers.rules.store.objects_by("owner", uid)

    def _selected(self, service: Service) -> Iterator[TargetKey]:
        """Return the keys of the workloads that a Service leads to."""
        yield from (workload.key for workload in self._behind(service))
        for target, labels in self.learned.items():
            if target.namespace == service.namespace and selects(service.selector, labels):
                yield target

    def _behind(self, service: Service) -> Iterator[Workload]:
        """Return the workloads with a template whose pods a Service selects."""
        pair = min(service.selector.items(), default=None)
        if pair is None:
            return
        for informer in self._informers.workloads.values():
            for item in informer.store.objects_by("pods", (service.namespace, *pair)):
                workload = Workload.read(item)
                if selects(service.selector, workload.pod_labels or _NO_LABELS):
                    yield workload

    def _workloads(self, target: TargetKey) -> Store | None:
        informer = self._informers.workloads.get(KindKey(target.group, target.kind))
        return informer.store if informer is not None else None

    def _service(self, item: Object) -> Service:
        namespace = self._informers.namespaces.store.get(Key("", item["metadata"]["namespace"]))
        annotations = namespace["metadata"].get("annotations") if namespace else None
        return Service.read(item, annotations)


def _claimant(hold: Object) -> Claimant:
    metadata = hold["metadata"]
    created = metadata.get("creationTimestamp")
    moment = datetime.fromisoformat(created) if created else datetime.min.replace(tzinfo=UTC)
    return Claimant(moment, key_of(hold))
