"""DestinationRules as istiod reads them: which one a proxy gets for a host, and what of it.

Owns istiod's rules of lookup and merging. Must not know what Layby wants. No I/O, no clock.

From istiod's sources (2026-08, pilot/pkg):
* model/push_context.go `destinationRule`: a proxy gets the rules of the first of these that has any
  for the host: the proxy's own namespace (for one in the root namespace: only rules there that are
  private to it), the Service's namespace, the root namespace; of the latter two what is exported.
  Within a namespace an exact host goes before wildcards, a long wildcard before a short one, and
  only that one host's rules count: nothing is inherited from a less specific one.
* model/destination_rule.go `mergeDestinationRule`: rules of one host and one exportTo are merged,
  oldest first, then by name. Subsets are joined. The whole trafficPolicy is that of the first rule
  which has one; a second one is ignored. Rules of another exportTo stay apart, and the last of them
  is taken (`SidecarScope.DestinationRule`): the subsets of the others are gone.
* A rule with a workloadSelector is for the proxies it selects in its own namespace, and no others.
* networking/util `GetPortLevelTrafficPolicy`, `MergeSubsetTrafficPolicy`: the settings of a port
  inherit nothing from above them. A subset's outlierDetection replaces the one above as a whole.
* xds/endpoints `supportsUnhealthyEndpoints`: endpoints that are not ready are sent, as unhealthy,
  unless the policy for that port and subset has outlierDetection.minHealthPercent above 0; and
  always for a Service with a traffic distribution (`ForcesSupportUnhealthyEndpoints`). The
  outlierDetection of meshConfig.defaultTrafficPolicy is not asked.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from kube.resource import Key, Object, key_of

MANAGED_BY = "layby.dev/managed-by"
MANAGER = "layby"
WILDCARDS = "*"
"""What all wildcard hosts are indexed by."""

Policy: TypeAlias = Mapping[str, Any]


class Mesh(NamedTuple):
    """What there is one of for all of a mesh."""

    root_namespace: str = "istio-system"
    domain: str = "cluster.local"
    sends_unready: bool = True
    """Whether istiod sends endpoints that are not ready, as it does from 1.31 on."""

    def host(self, service: str, namespace: str) -> str:
        """Return the host of a Service."""
        return f"{service}.{namespace}.svc.{self.domain}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A DestinationRule."""

    created: str
    key: Key
    uid: str
    host: str
    """With its domain, or a wildcard."""
    exports: frozenset[str]
    selective: bool
    """Whether it is for some of the proxies in its namespace only."""
    policy: Policy | None
    subsets: Sequence[Policy]
    managed: bool
    """Whether it is labelled as Layby's."""
    owners: frozenset[str]
    """The uids of the objects that it goes with."""
    item: Object

    @classmethod
    def read(cls, item: Object, mesh: Mesh) -> "Rule":
        """Read a DestinationRule."""
        metadata, spec, key = item["metadata"], item.get("spec") or {}, key_of(item)
        selective = "workloadSelector" in spec
        return cls(
            created=metadata.get("creationTimestamp") or "",
            key=key,
            uid=metadata.get("uid", ""),
            host=_resolved(spec.get("host") or "", key.namespace, mesh),
            exports=frozenset(["."] if selective else spec.get("exportTo") or ()),
            selective=selective,
            policy=spec.get("trafficPolicy"),
            subsets=spec.get("subsets") or (),
            managed=(metadata.get("labels") or {}).get(MANAGED_BY) == MANAGER,
            owners=frozenset(owner["uid"] for owner in metadata.get("ownerReferences") or ()),
            item=item,
        )

    @property
    def is_local(self) -> bool:
        """Whether it is for proxies of its own namespace."""
        return not self.exports or not self.exports.isdisjoint({"*", ".", self.key.namespace})

    @property
    def is_private(self) -> bool:
        """Whether it is for those only."""
        return self.exports in ({"."}, {self.key.namespace})

    @property
    def is_public(self) -> bool:
        """Whether it is for proxies of all namespaces."""
        return not self.exports or "*" in self.exports

    def matches(self, host: str) -> bool:
        """Whether it is for a host."""
        if self.host.startswith("*"):
            return host.endswith(self.host[1:])
        return self.host == host

    def is_for(self, namespace: str) -> bool:
        """Whether it is exported to the proxies of a namespace."""
        return self.is_public or namespace in self.exports


def seen_from(
    namespace: str, service_namespace: str, rules: Iterable[Rule], mesh: Mesh
) -> list[list[Rule]]:
    """Return the rules that istiod merges for the proxies of a namespace, the oldest first.

    Args:
        namespace: that of the proxies.
        service_namespace: that of the Service whose host it is about.
        rules: all that match that host.
        mesh: the mesh.
    """
    rules = list(rules)
    local = [each for each in rules if each.key.namespace == namespace and each.is_local]
    if namespace == mesh.root_namespace:
        local = [each for each in local if each.is_private]
    if found := _most_specific(local):
        return _merged(found)
    for owning in (service_namespace, mesh.root_namespace):
        exported = _most_specific(
            [each for each in rules if each.key.namespace == owning and not each.is_private]
        )
        if found := [each for each in exported if each.is_for(namespace)]:
            return _merged(found)
    return []


def by_host(mesh: Mesh, item: Object) -> Iterable[Hashable]:
    """Index a DestinationRule by its host; all those with a wildcard by one value."""
    host = Rule.read(item, mesh).host
    return [WILDCARDS if host.startswith("*") else host]


def _most_specific(rules: Sequence[Rule]) -> list[Rule]:
    def rank(rule: Rule) -> tuple[bool, int]:
        return not rule.host.startswith("*"), len(rule.host)

    best = max((rank(rule) for rule in rules), default=None)
    return sorted(
        (rule for rule in rules if rank(rule) == best), key=lambda rule: (rule.created, rule.key)
    )


def _merged(rules: Iterable[Rule]) -> list[list[Rule]]:
    """Group rules that become one. Those with a selector are taken to select different proxies."""
    groups: dict[Hashable, list[Rule]] = {}
    for rule in rules:
        groups.setdefault(rule.key if rule.selective else rule.exports, []).append(rule)
    return list(groups.values())


def _resolved(host: str, namespace: str, mesh: Mesh) -> str:
    if host == "*" or "." in host:
        return host
    return mesh.host(host, namespace)
