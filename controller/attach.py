"""Whether the proxies of the mesh have the gate, from what istiod tells of them.

Owns what counts as evidence, and the words of the condition. Must not know how istiod is asked. No
I/O, no clock.

From istiod's sources (2026-08, pilot/pkg/xds/debug.go):
* /debug/syncz lists the proxies connected to that one istiod: `proxy` (name.namespace),
  `proxy_type` (router, sidecar, waypoint, ztunnel), `istio_version`, and the nonces `listener_sent`
  and `listener_acked`, which are equal when Envoy has taken the last listeners; a refusal stands
  in `resources` as `lastError` until the next acknowledgement.
* /debug/config_dump?proxyID=P&types=lds is made anew for each request from what that proxy was
  pushed last, not fetched from it. Only together the two say what Envoy has. Without `types` all
  resource types are made, which costs istiod a full push.
* Requests from other hosts need a token of audience istio-ca. syncz answers callers from istiod's
  root namespace and from DEBUG_ENDPOINT_AUTH_ALLOWED_NAMESPACES, others get 403. config_dump gives
  a caller from any other than the root namespace its own namespace's proxies only, and 404 for the
  rest, even if that namespace is an allowed one. With ENABLE_DEBUG_ENDPOINT_AUTH false, namespaces
  do not matter.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from controller.facts import Gate
from controller.versions import ISTIO
from crds.condition import Attached

KINDS = frozenset({"router", "sidecar"})
LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
_HOLD = b'"layby.hold.1"'
_BY_ROUTES = re.compile(rb'"(?:routeConfigName|route_config_name)"')
_NAMES = 5


class Found(Enum):
    """What a proxy's listeners hold."""

    GATE = auto()
    NO_GATE = auto()
    NOTHING_TO_HOLD = auto()
    """It has no listener that routes HTTP requests to services."""
    HIDDEN = auto()
    """The gate, but not the cluster of the hold servers: a Sidecar resource hides it."""
    UNSEEN = auto()
    """istiod does not show them, or not any more."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that is connected to istiod."""

    name: str
    kind: str
    version: str
    pushed: str
    """The nonce of the listeners that it was sent last, which changes with each push."""
    acked: str
    """That of those that it has taken; empty if it has only just connected."""
    refusal: str = ""

    @property
    def is_settled(self) -> bool:
        """Whether it has what it was sent."""
        return self.pushed == self.acked

    @property
    def is_too_old(self) -> bool:
        """Whether its Envoy lacks what the gate needs. A version that says nothing is taken."""
        return ISTIO.is_too_old(self.version)


def read_proxies(answer: Sequence[Mapping[str, Any]]) -> list[Proxy]:
    """Read the answer of syncz: the proxies that can have a gate and do serve requests.

    One that has taken no listeners yet gets the gate with its first ones.
    """
    proxies = (_proxy(entry) for entry in answer if entry.get("proxy_type") in KINDS)
    return [proxy for proxy in proxies if proxy.acked or proxy.refusal]


def read_listeners(dump: bytes) -> Found:
    """Read the answer of config_dump for listeners, which may have megabytes."""
    if _HOLD in dump:
        return Found.GATE
    # A listener for incoming requests has its routes inline, and is not for the gate.
    return Found.NO_GATE if _BY_ROUTES.search(dump) else Found.NOTHING_TO_HOLD


def has_cluster(dump: bytes, name: str) -> bool:
    """Tell from the answer of config_dump for clusters whether one of them is there."""
    return re.search(rb'"name":\s*"' + re.escape(name.encode()) + b'"', dump) is not None


def judge_proxies(found: Mapping[Proxy, Found], *, everywhere: bool) -> Gate:
    """Judge what was found.

    Args:
        found: what each proxy has that istiod told of.
        everywhere: whether all of them shall have the gate, or only those of some selector.
    """
    left_out = {Found.NOTHING_TO_HOLD} if everywhere else {Found.NOTHING_TO_HOLD, Found.NO_GATE}
    meant = {proxy: what for proxy, what in found.items() if what not in left_out}
    if not meant:
        text = "no gateway and no sidecar that would hold requests is connected to istiod"
        return Gate(Attached.NO_PROXIES, text)
    if old := [proxy for proxy in meant if proxy.is_too_old]:
        text = f"of an Istio before {ISTIO.since}, whose Envoy would reject the gate: "
        return Gate(Attached.PROXY_TOO_OLD, text + _names(old))
    lacking = [
        proxy
        for proxy, what in meant.items()
        if what is Found.NO_GATE or (what is Found.GATE and not proxy.is_settled)
    ]
    if lacking:
        refusals = "".join(f"; {each.name}: {each.refusal}" for each in lacking if each.refusal)
        text = f"{len(lacking)} of {len(meant)} gateways and sidecars lack the gate: "
        return Gate(Attached.PENDING, text + _names(lacking) + refusals)
    if hidden := [proxy for proxy, what in meant.items() if what is Found.HIDDEN]:
        text = "list the namespace of Layby in spec.egress.hosts of the Sidecar resources for "
        return Gate(Attached.HOLD_SERVER_HIDDEN, text + _names(hidden))
    if unseen := [proxy for proxy, what in meant.items() if what is Found.UNSEEN]:
        text = f"istiod does not show the listeners of {_names(unseen)}: unless its "
        text += "ENABLE_DEBUG_ENDPOINT_AUTH is false it shows all to its root namespace only"
        return Gate(Attached.UNVERIFIED, text)
    known = len(meant) + sum(what is Found.NO_GATE for what in found.values())
    text = f"{len(meant)} of {known} gateways and sidecars have the gate, by istiod's "
    text += "config dump and their own acknowledgement"
    if len(meant) < known:
        # istiod does not tell what labels they have.
        text += "; the others are to be those that its selector does not mean"
    return Gate(Attached.ATTACHED, text)


def _proxy(entry: Mapping[str, Any]) -> Proxy:
    sent, acked = entry.get("listener_sent", ""), entry.get("listener_acked", "")
    listeners = (entry.get("resources") or {}).get(LISTENER) or {}
    return Proxy(
        name=entry.get("proxy", ""),
        kind=entry["proxy_type"],
        version=entry.get("istio_version", ""),
        pushed=sent,
        acked=acked,
        refusal=listeners.get("lastError", ""),
    )


def _names(proxies: Sequence[Proxy]) -> str:
    names = sorted(proxy.name for proxy in proxies)
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
