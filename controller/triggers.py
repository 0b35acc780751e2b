"""Whom to look at again when an object has changed.

Owns the ways back from an object to the TrafficHolds and policies that depend on it: too many
only cost time, one too few is a bug. Must not look itself.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from controller.indexes import adopter_of, hold_services, service_of_slice, target_of
from controller.informers import Informers
from controller.rule import Rule
from controller.services import Service
from controller.workload import KindKey, TargetKey, Workload
from controller.world import World
from kube.resource import Key, Object, key_of
from kube.store import Change


class Wants(Protocol):
    """Where to say what to look at again."""

    def want_hold(self, key: Key, /) -> None:
        """Have a TrafficHold looked at."""

    def want_holds(self) -> None:
        """Have all of them looked at."""

    def want_policies(self) -> None:
        """Have the policies looked at."""

    def want_gate(self) -> None:
        """Have the gate looked at."""


class _Nobody:
    """Looks at nothing. Whoever begins to look begins with everything."""

    def want_hold(self, key: Key, /) -> None:
        """Do nothing."""

    def want_holds(self) -> None:
        """Do nothing."""

    def want_policies(self) -> None:
        """Do nothing."""

    def want_gate(self) -> None:
        """Do nothing."""


_NOBODY = _Nobody()


class Triggers:
    """Listens to all informers, for good, though there is not always somebody to look."""

    def __init__(
        self, informers: Informers, world: World, looking: Callable[[], Wants | None]
    ) -> None:
        self._informers = informers
        self._world = world
        self._looking = looking

    @property
    def _wants(self) -> Wants:
        return self._looking() or _NOBODY

    def subscribe(self) -> None:
        """Listen from now on."""
        informers = self._informers
        informers.holds.subscribe(self._hold)
        informers.policies.subscribe(lambda _: self._wants.want_policies())
        informers.namespaces.subscribe(self._namespace)
        informers.services.subscribe(self._service)
        informers.slices.subscribe(self._slice)
        informers.rules.subscribe(self._rule)
        informers.gates.subscribe(lambda _: self._wants.want_gate())
        informers.keda.scaled_objects.subscribe(self._scaled_object)
        informers.keda.subscribe(self._keda)
        informers.subscribe_to_workloads(self._workload)

    def _hold(self, change: Change) -> None:
        self._wants.want_hold(change.key)
        old, new = change.old, change.new
        if old is not None and new is not None and _says_the_same(old, new):
            return
        # One more or one less may change who has a target or a Service.
        for hold in filter(None, (old, new)):
            self._holds(self._world.holds_on(target_of(hold)))
            for service in self._claimed(hold):
                self._holds(self._world.holds_of(service))
        self._wants.want_policies()
        if old is None or new is None:
            self._wants.want_gate()

    def _claimed(self, hold: Object) -> Iterable[Service]:
        namespace, names = hold["metadata"]["namespace"], hold_services(hold)
        if names is not None:
            items = (self._informers.services.store.get(Key(namespace, name)) for name in names)
            return [Service.read(item) for item in items if item is not None]
        workload = self._world.workload(target_of(hold))
        labels = self._world.pod_labels(workload) if workload else None
        return self._world.services_of(namespace, labels or {})

    def _workload(self, kind: KindKey, change: Change) -> None:
        old, new = (Workload.read(item) if item else None for item in (change.old, change.new))
        target = TargetKey(kind.group, kind.kind, *change.key)
        self._holds(self._world.holds_on(target))
        looks_the_same = old and new and _looks_the_same(old, new)
        if old and new and looks_the_same and (old.replicas == 0) == (new.replicas == 0):
            return
        # Those of its neighbours too: with it up a Service has endpoints that are not theirs.
        for workload in filter(None, (old, new)):
            for service in self._world.services_of(target.namespace, workload.pod_labels or {}):
                self._holds(self._world.holds_of(service))
        if not looks_the_same:
            self._wants.want_policies()

    def _service(self, change: Change) -> None:
        for item in filter(None, (change.old, change.new)):
            self._holds(self._world.holds_of(Service.read(item)))
        if change.new is None or change.old is None:
            # One that is named and was not there has no selector to find anything by.
            listed = self._informers.holds.store.objects_by("listed", change.key)
            self._holds(listed)
        self._wants.want_policies()

    def _slice(self, change: Change) -> None:
        old, new = (item["ready"] if item else 0 for item in (change.old, change.new))
        if old == new:
            return
        for item in filter(None, (change.old, change.new)):
            if (key := service_of_slice(item)) is not None:
                self._holds_of(key)

    def _rule(self, change: Change) -> None:
        for item in filter(None, (change.old, change.new)):
            rule = Rule.read(item, self._world.mesh)
            if rule.host.startswith("*"):
                self._wants.want_holds()
                return
            name, _, rest = rule.host.partition(".")
            self._holds_of(Key(rest.partition(".")[0], name))

    def _namespace(self, change: Change) -> None:
        self._wants.want_policies()
        old, new = ((item or {}).get("metadata", {}) for item in (change.old, change.new))
        if old.get("annotations") != new.get("annotations"):
            for key in self._informers.holds.store.snapshot():
                if key.namespace == change.key.name:
                    self._wants.want_hold(key)

    def _keda(self) -> None:
        self._wants.want_holds()

    def _scaled_object(self, change: Change) -> None:
        old, new = change.old, change.new
        if old is not None and new is not None and _is_a_poll(old, new):
            return
        for item in filter(None, (old, new)):
            self._holds(self._world.holds_on(target_of(item)))
            namespace = change.key.namespace
            for owner in item["metadata"].get("ownerReferences") or ():
                self._wants.want_hold(Key(namespace, owner["name"]))
            if adopter := adopter_of(item).name:
                self._wants.want_hold(Key(namespace, adopter))

    def _holds_of(self, service: Key) -> None:
        item = self._informers.services.store.get(service)
        if item is not None:
            self._holds(self._world.holds_of(Service.read(item)))

    def _holds(self, holds: Iterable[Object]) -> None:
        for hold in holds:
            self._wants.want_hold(key_of(hold))


def _says_the_same(old: Object, new: Object) -> bool:
    names = ("uid", "labels", "ownerReferences", "deletionTimestamp")
    return old.get("spec") == new.get("spec") and all(
        old["metadata"].get(name) == new["metadata"].get(name) for name in names
    )


def _is_a_poll(old: Object, new: Object) -> bool:
    """Whether KEDA has only noted when it has looked."""
    metadata, other = (
        {name: value for name, value in item["metadata"].items() if name != "resourceVersion"}
        for item in (old, new)
    )
    return metadata == other and all(old.get(n) == new.get(n) for n in ("spec", "status"))


def _looks_the_same(old: Workload, new: Workload) -> bool:
    return (old.uid, old.labels, old.annotations, old.pod_labels, old.is_part) == (
        new.uid,
        new.labels,
        new.annotations,
        new.pod_labels,
        new.is_part,
    )
