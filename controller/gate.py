"""The gate of the whole install: one EnvoyFilter, applied when it differs, and never taken away.

Owns the object and the verdict on it. Must not know what its filters do, nor any one TrafficHold.

It is there from the first TrafficHold on. Taking it away and putting it back would have istiod push
listeners to every proxy, and Envoy drain those it has, for each workload that falls asleep.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from controller.applied import is_current, stamped
from controller.attach import Found, Proxy, judge_proxies
from controller.facts import Gate
from controller.informers import Informers
from controller.istiod import IstiodError
from controller.overlay import Overlay, version_of
from controller.rule import MANAGED_BY, MANAGER
from crds.condition import Attached
from istio.envoyfilter import envoy_filter
from istio.mesh import Context, MeshGate
from kube.backoff import Backoff
from kube.client import Kube
from kube.resource import ENVOY_FILTERS, Object, key_of

FIRST_SECONDS = 1.0
RECHECK_SECONDS = 60.0
"""istiod tells nobody when proxies come or change, and a look costs little if none did."""
KEEP_SECONDS = 300.0
"""How long a verdict outlives an istiod that does not answer: it is restarted now and then."""
_NO_ISTIOD = ": no istiod to ask is set"
_KINDS: Mapping[Context, str] = {"GATEWAY": "router", "SIDECAR_OUTBOUND": "sidecar"}

log = logging.getLogger(__name__)


class Proxies(Protocol):
    """Whoever knows what the proxies of the mesh have."""

    async def look(self) -> Mapping[Proxy, Found]:
        """Return what each of them has.

        Raises:
            IstiodError: that cannot be told.
        """


def gate_object(mesh: MeshGate) -> dict[str, Any]:
    """Return the EnvoyFilter as Layby applies it."""
    body: Mapping[str, Any] = envoy_filter(mesh)
    labels = {**body["metadata"].get("labels", {}), MANAGED_BY: MANAGER}
    return dict(stamped({**body, "metadata": {**body["metadata"], "labels": labels}}))


class GateKeeper:
    """Keeps the EnvoyFilter, and knows whether the proxies have it."""

    def __init__(
        self,
        kube: Kube,
        informers: Informers,
        wanted: Object,
        istiod: Proxies | None,
        changed: Callable[[], None],
    ) -> None:
        """Call `changed` when another verdict is true than was."""
        self._kube = kube
        self._informers = informers
        self._wanted = wanted
        self._istiod = istiod
        self._changed = changed
        self._seen: Gate | None = None
        self._seen_at = 0.0
        self._kick = asyncio.Event()
        self._told: Gate | None = None
        self._written: Overlay[Object] = Overlay()

    @property
    def verdict(self) -> Gate:
        """Whether the proxies hold requests."""
        key = key_of(self._wanted)
        if not self._is_current():
            text = f"the EnvoyFilter {key.namespace}/{key.name} is not there yet"
            return Gate(Attached.PENDING, text)
        if self._seen is not None:
            return self._seen
        text = "the EnvoyFilter is there; what the proxies have is not looked up"
        return Gate(Attached.UNVERIFIED, text + (" yet" if self._istiod else _NO_ISTIOD))

    async def reconcile(self) -> None:
        """See to it that the EnvoyFilter is there, once there is a TrafficHold.

        Raises:
            KubeError: it could not be.
        """
        if not self._is_current() and len(self._informers.holds.store):
            key = key_of(self._wanted)
            seen = version_of(self._stored())
            applied = await self._kube.apply(ENVOY_FILTERS, self._wanted, force=True)
            self._written.put(key, seen, applied, _now())
            log.info("EnvoyFilter %s/%s applied", *key)
            self._kick.set()
        self._tell()

    async def run(self) -> None:
        """Ask istiod again and again until cancelled, sooner while something is wrong."""
        backoff = Backoff(first=FIRST_SECONDS, limit=RECHECK_SECONDS)
        while True:
            before = self.verdict.reason
            await self.look()
            if self.verdict.reason is not before:
                backoff.reset()
            seconds = backoff.next() if self.verdict.is_open else RECHECK_SECONDS
            self._kick.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._kick.wait()

    async def look(self) -> None:
        """Ask istiod what the proxies have."""
        if self._istiod is None or not self._is_current():
            return
        try:
            found = await self._istiod.look()
        except IstiodError as error:
            self._unseen(str(error))
        except Exception as error:
            # What some istiod answers must not end the controller.
            log.exception("istiod's answer cannot be understood")
            self._unseen(f"istiod's answer cannot be understood: {error!r}")
        else:
            spec = self._wanted["spec"]
            kinds = _kinds(spec)
            meant = {proxy: what for proxy, what in found.items() if proxy.kind in kinds}
            self._seen = judge_proxies(meant, everywhere="workloadSelector" not in spec)
            self._seen_at = _now()
        self._tell()

    def _unseen(self, why: str) -> None:
        if self._seen is None or _now() - self._seen_at > KEEP_SECONDS:
            self._seen = Gate(Attached.UNVERIFIED, why)

    def _is_current(self) -> bool:
        stored = self._stored()
        written = self._written.get(key_of(self._wanted), version_of(stored), _now())
        return is_current(self._wanted, written or stored)

    def _stored(self) -> Object | None:
        return self._informers.gate.store.get(key_of(self._wanted))

    def _tell(self) -> None:
        verdict = self.verdict
        if self._told is None or verdict.reason is not self._told.reason:
            log.info("the gate is %s: %s", verdict.reason, verdict.message)
            self._told = verdict
            self._changed()


def _kinds(spec: Mapping[str, Any]) -> set[str]:
    """Return the kinds of proxies that hold; all of them report, and are not waited for."""
    return {
        _KINDS[patch["match"]["context"]]
        for patch in spec["configPatches"]
        if patch["patch"]["operation"] == "INSERT_BEFORE"
    }


def _now() -> float:
    return asyncio.get_running_loop().time()
