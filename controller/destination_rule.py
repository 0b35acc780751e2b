"""The DestinationRule that keeps endpoints out of Envoy until they are ready, if it takes one.

Owns what it says and when there is to be one: never where it would take the place of a user's own
settings for the host. Must not know who applies it. No I/O, no clock.

The gate holds a request while Envoy's cluster has no endpoint. Where istiod sends endpoints that
are not ready, a starting pod counts as one, and requests get 503 until it is ready. A rule with
minHealthPercent 1 makes istiod leave them out (`controller.rule` has the sources). That rule is an
outlierDetection block, and of what else such a block does, this is turned off:
* ejection: Envoy ejects after 5 errors unless consecutive5xxErrors is 0; the other detectors are
  off by themselves (`applyOutlierDetection`).
* locality failover: outlierDetection turns it on for the host, since meshConfig's own
  localityLbSetting is enabled by default (`GetEffectiveLbSetting`), and all requests would go to
  the caller's own zone. With localityLbSetting disabled in the rule all is as without the rule,
  but for a mesh whose meshConfig distributes by locality: there a user has to write the rule.
What is left: the panic threshold is 1 % instead of 0, and outlierDetection of
meshConfig.defaultTrafficPolicy does not apply to the host.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from controller.rule import MANAGED_BY, MANAGER, Mesh, Policy, Rule, seen_from
from controller.services import Service
from kube.resource import Key, Object

_NAMES = 3
"""So many rules are spelled out in a message."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """What becomes of a Service's endpoints while they are not ready."""

    ours: Object | None
    """The DestinationRule that there shall be."""
    advice: tuple[str, ...] = ()
    """What a user has to do, lest they reach Envoy."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The TrafficHold that a rule goes with."""

    name: str
    uid: str


def name_of(service: str) -> str:
    """Return the name of the rule for a Service."""
    return f"layby-{service}"


def is_ours(rule: Rule, owner: Owner) -> bool:
    """Whether a rule was made for this very TrafficHold, so that it may be changed and deleted."""
    return rule.managed and owner.uid in rule.owners


def cover(service: Service, rules: Iterable[Rule], owner: Owner, mesh: Mesh) -> Coverage:
    """Decide on the rule for a Service, given all that have its host, or the name of ours."""
    if service.shows_unready:
        return Coverage(None, (_shown(service),))
    if not mesh.sends_unready:
        return Coverage(None)
    host = mesh.host(service.name, service.namespace)
    key = Key(service.namespace, name_of(service.name))
    users = [each for each in rules if not is_ours(each, owner)]
    if taken := next((each for each in users if each.key == key), None):
        return Coverage(None, () if taken.managed else (_in_the_way(taken),))
    users = [each for each in users if each.matches(host) and not each.managed]
    exports = _joinable(service, host, users, mesh)
    ours = _make(key, host, owner, exports) if exports is not None else None
    would_be = [*users, Rule.read(ours, mesh)] if ours else users
    return Coverage(ours, tuple(_advice(service, would_be, mesh)))


def _joinable(
    service: Service, host: str, users: Sequence[Rule], mesh: Mesh
) -> frozenset[str] | None:
    """Return the exportTo with which a rule of ours takes nothing from a user's; none if it would.

    Beside rules that have only subsets it adds the policy that they lack, if istiod merges them.
    """
    beside = [r for r in users if r.key.namespace == service.namespace and not r.selective]
    bare = all(rule.host == host and rule.policy is None and rule.is_public for rule in beside)
    exports = {rule.exports for rule in beside}
    # Ours would be found before what is exported to everyone from the root namespace.
    above = any(r.key.namespace == mesh.root_namespace and not r.is_private for r in users)
    if not bare or len(exports) > 1 or (above and not beside):
        return None
    return exports.pop() if exports else frozenset()


def _make(key: Key, host: str, owner: Owner, exports: frozenset[str]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {MANAGED_BY: MANAGER},
            "ownerReferences": [
                {
                    "apiVersion": "layby.dev/v1alpha1",
                    "kind": "TrafficHold",
                    "name": owner.name,
                    "uid": owner.uid,
                    "controller": True,
                }
            ],
        },
        "spec": {
            "host": host,
            **({"exportTo": sorted(exports)} if exports else {}),
            "trafficPolicy": _addition({}),
        },
    }


def _advice(service: Service, rules: Sequence[Rule], mesh: Mesh) -> Iterator[str]:
    """Look from every namespace from which it may look different."""
    views = dict.fromkeys(
        [service.namespace, mesh.root_namespace, *(rule.key.namespace for rule in rules)]
    )
    told: dict[Key, str] = {}
    uncovered = False
    for namespace in views:
        groups = seen_from(namespace, service.namespace, rules, mesh)
        uncovered = uncovered or not groups
        for group in groups:
            told.update((rule.key, _told(rule, gap)) for rule, gap in _gaps(group))
    texts = list(told.values())
    if uncovered and not texts:
        names = ", ".join(str(rule.key.name) for rule in rules)
        texts.append(f"export DestinationRule {names} to all namespaces (spec.exportTo: ['*'])")
    yield from texts[:_NAMES]
    if len(texts) > _NAMES:
        yield f"the same for {len(texts) - _NAMES} more DestinationRules of this host"


def _gaps(group: Sequence[Rule]) -> Iterator[tuple[Rule, dict[str, Any]]]:
    """Tell what to add to which of the rules that become one."""
    deciding = next((rule for rule in group if rule.policy is not None), group[0])
    for rule in group:
        policy = rule.policy or {} if rule is deciding else None
        if gap := _gap(policy, rule.subsets):
            yield rule, gap


def _gap(policy: Policy | None, subsets: Sequence[Policy]) -> dict[str, Any]:
    gap: dict[str, Any] = {}
    if policy is not None:
        gap["trafficPolicy"] = {
            **(_addition(policy) if _lacks(policy) else {}),
            **_port_gaps(policy),
        }
    gap["subsets"] = [
        {"name": subset.get("name"), "trafficPolicy": inner}
        for subset in subsets
        if (inner := _subset_gap(subset.get("trafficPolicy") or {}))
    ]
    return {name: value for name, value in gap.items() if value}


def _subset_gap(policy: Policy) -> dict[str, Any]:
    own = _addition(policy) if "outlierDetection" in policy and _lacks(policy) else {}
    return {**own, **_port_gaps(policy)}


def _port_gaps(policy: Policy) -> dict[str, Any]:
    ports = [
        {"port": port.get("port"), **_addition(port)}
        for port in policy.get("portLevelSettings") or ()
        if _lacks(port)
    ]
    return {"portLevelSettings": ports} if ports else {}


def _lacks(policy: Policy) -> bool:
    detection = policy.get("outlierDetection") or {}
    return int(detection.get("minHealthPercent") or 0) <= 0


def _addition(policy: Policy) -> dict[str, Any]:
    if policy.get("outlierDetection") is not None:
        return {"outlierDetection": {"minHealthPercent": 1}}
    detection = {"minHealthPercent": 1, "consecutive5xxErrors": 0}
    if "localityLbSetting" in (policy.get("loadBalancer") or {}):
        return {"outlierDetection": detection}
    return {
        "outlierDetection": detection,
        "loadBalancer": {"localityLbSetting": {"enabled": False}},
    }


def _told(rule: Rule, gap: Mapping[str, Any]) -> str:
    text = yaml.safe_dump({"spec": dict(gap)}, sort_keys=False)
    return f"add to DestinationRule {rule.key.namespace}/{rule.key.name}:\n{text}".rstrip()


def _in_the_way(rule: Rule) -> str:
    return (
        f"DestinationRule {rule.key.namespace}/{rule.key.name} has the name of the one that Layby "
        "would make: give it another name"
    )


def _shown(service: Service) -> str:
    return (
        f"take {service.shows_unready} out of Service {service.name}: with it Envoy is sent "
        "endpoints that are not ready, whatever a DestinationRule says"
    )
