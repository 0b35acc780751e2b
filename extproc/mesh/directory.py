"""Which requests are held, and how: TrafficHolds and Services as the hold queue wants them.

Built whole from what the API server has. Must not know endpoints, nor parked requests.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from crds.condition import Accepted, ConditionType, Status
from crds.v1alpha1 import TrafficHold
from extproc.core.fallback import NO_FALLBACK, Fallback
from extproc.core.probe import ProbeRule
from extproc.core.workload import Hold, Workload, WorkloadKey
from extproc.mesh.identity import Destination, destination
from kube.resource import Key, Object

_MISSING = frozenset({Accepted.TARGET_NOT_FOUND, Accepted.SERVICE_NOT_FOUND})


@dataclass(frozen=True, slots=True)
class Directory:
    """Everything that is held.

    Args:
        domain: the cluster's DNS domain.
        workloads: one for each Service port that is held, or by spec.dryRun would be.
        keys: the same, by where a request goes.
        port_names: the name of each such port, as EndpointSlices have it.
        holds: the TrafficHolds by which requests are held.
        by_service: the ports of each Service.
        by_hold: the workloads of each TrafficHold.
    """

    domain: str
    workloads: Mapping[WorkloadKey, Workload] = field(default_factory=dict)
    keys: Mapping[Destination, WorkloadKey] = field(default_factory=dict)
    port_names: Mapping[Destination, str] = field(default_factory=dict)
    holds: Mapping[Key, TrafficHold] = field(default_factory=dict)
    by_service: Mapping[Key, list[Destination]] = field(default_factory=dict)
    by_hold: Mapping[Key, list[WorkloadKey]] = field(default_factory=dict)

    def find(self, cluster: str) -> WorkloadKey | None:
        """The workload behind an Envoy cluster, if it is held."""
        where = destination(cluster, self.domain)
        return self.keys.get(where) if where else None

    def is_held(self, key: WorkloadKey) -> bool:
        """Whether requests for a workload are held."""
        workload = self.workloads.get(key)
        return workload is not None and not workload.rehearsed

    @property
    def known(self) -> set[tuple[str, str]]:
        """The TrafficHolds there are, and those that requests still wait for."""
        return {*self.holds, *(key.without_port for key in self.workloads)}

    def of_service(self, service: Key) -> list[Destination]:
        """The held ports of a Service."""
        return self.by_service.get(service, [])

    def services_unlike(self, old: "Directory") -> set[Key]:
        """The Services with a port that `old` has not, or has for another workload or name."""
        return {
            Key(where.namespace, where.service)
            for where, key in self.keys.items()
            if old.keys.get(where) != key or old.port_names[where] != self.port_names[where]
        }

    def of_hold(self, hold: Key) -> list[WorkloadKey]:
        """The workloads of one TrafficHold: one for each Service port."""
        return self.by_hold.get(hold, [])


def build(holds: Iterable[TrafficHold], services: Mapping[Key, Object], domain: str) -> Directory:
    """Make the directory of these TrafficHolds; Services that are not there are left out."""
    # What is held for a target that is there goes before what is held for one that is missing.
    told = {_key(hold): hold for hold in sorted(holds, key=_rank) if not _is_refused(hold)}
    workloads: dict[WorkloadKey, Workload] = {}
    keys: dict[Destination, WorkloadKey] = {}
    names: dict[Destination, str] = {}
    by_service: defaultdict[Key, list[Destination]] = defaultdict(list)
    by_hold: defaultdict[Key, list[WorkloadKey]] = defaultdict(list)
    for key, hold in told.items():
        for name in _service_names(hold):
            service = Key(key.namespace, name)
            for port in _ports(services.get(service)):
                where = Destination(service.namespace, service.name, port["port"])
                if where in keys and _rank(hold):
                    continue
                workload = WorkloadKey(key.namespace, key.name, f"{name}:{port['port']}")
                workloads[workload] = _workload(workload, hold)
                keys[where] = workload
                names[where] = port.get("name") or ""
                by_service[service].append(where)
                by_hold[key].append(workload)
    held = {key: hold for key, hold in told.items() if not hold.spec.dry_run}
    return Directory(domain, workloads, keys, names, held, dict(by_service), dict(by_hold))


def keeping(new: Directory, old: Directory, lingering: Iterable[WorkloadKey]) -> Directory:
    """Add to `new` what `old` had of some workloads: requests still wait for them."""
    kept = [key for key in lingering if old.is_held(key) and not new.is_held(key)]
    if not kept:
        return new
    where = {key: place for place, key in old.keys.items()}
    # One that another hold took the place of has none any more.
    places = {
        where[key]: key for key in kept if key in where and new.keys.get(where[key], key) == key
    }
    by_service = {service: list(places) for service, places in new.by_service.items()}
    for place in places.keys() - new.keys.keys():
        by_service.setdefault(Key(place.namespace, place.service), []).append(place)
    return replace(
        new,
        workloads={**new.workloads, **{key: old.workloads[key] for key in places.values()}},
        keys={**new.keys, **places},
        port_names={**new.port_names, **{place: old.port_names[place] for place in places}},
        by_service=by_service,
    )


def _key(hold: TrafficHold) -> Key:
    return Key(hold.metadata.namespace, hold.metadata.name)


def _is_refused(hold: TrafficHold) -> bool:
    """One that was refused has no requests; one that is going keeps its own.

    So does one whose target or Service is not there: both are for a moment, when somebody replaces
    them, and Envoy would answer 503 until they are back.
    """
    reason = _refusal(hold)
    return reason is not None and reason not in _MISSING


def _rank(hold: TrafficHold) -> bool:
    return _refusal(hold) is not None


def _refusal(hold: TrafficHold) -> str | None:
    reasons = (
        condition.reason
        for condition in hold.status.conditions
        if condition.type == ConditionType.ACCEPTED and condition.status is Status.FALSE
    )
    return next(reasons, None)


def _service_names(hold: TrafficHold) -> list[str]:
    """What the controller has found, or until it has looked, what the user has listed."""
    return [service.name for service in hold.status.services or hold.spec.services or ()]


def _ports(service: Object | None) -> list[dict[str, Any]]:
    spec = service.get("spec", {}) if service else {}
    return [port for port in spec.get("ports") or () if port.get("protocol", "TCP") == "TCP"]


def _workload(key: WorkloadKey, hold: TrafficHold) -> Workload:
    spec = hold.spec
    probes = tuple(ProbeRule(p.path, p.user_agent, p.method, p.status) for p in spec.probes)
    how = Hold(spec.hold.timeout, spec.hold.max_pending, spec.release.per_second, _fallback(hold))
    return Workload(key, how, probes, rehearsed=spec.dry_run)


def _fallback(hold: TrafficHold) -> Fallback:
    wanted = hold.spec.hold.fallback
    if wanted is None:
        return NO_FALLBACK
    return Fallback(
        wanted.retry_after, wanted.redirect or "", wanted.body or "", wanted.content_type or ""
    )
