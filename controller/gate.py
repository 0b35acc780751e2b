"""The gate of the whole install: its EnvoyFilter, applied when it differs, and never taken away.

Owns the objects and the verdict on them. Must not know what their filters do, nor any one
TrafficHold.

It is there from the first TrafficHold on. Taking it away and putting it back would have istiod push
listeners to every proxy, and Envoy drain those it has, for each workload that falls asleep.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
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
from istio.envoyfilter import envoy_filters, log_name
from istio.mesh import Context, MeshGate
from kube.backoff import Backoff
from kube.client import Kube
from kube.errors import NotFoundError
from kube.resource import ENVOY_FILTERS, Key, Object, key_of

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


def gate_objects(mesh: MeshGate) -> list[Object]:
    """Return the EnvoyFilters as Layby applies them, the gate's last."""
    return [_ours(body) for body in envoy_filters(mesh)]


class GateKeeper:
    """Keeps the EnvoyFilters, and knows whether the proxies have the gate."""

    def __init__(
        self,
        kube: Kube,
        informers: Informers,
        wanted: Sequence[Object],
        istiod: Proxies | None,
        changed: Callable[[], None],
    ) -> None:
        """Call `changed` when another verdict is true than was.

        What is wanted is what `gate_objects` returns.
        """
        self._kube = kube
        self._informers = informers
        self._wanted = wanted
        gate = wanted[-1]
        self._gate_spec: Mapping[str, Any] = gate["spec"]
        namespace, name = key_of(gate)
        self._log_key = Key(namespace, log_name(name))
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
        if lacking := self._lacking():
            key = key_of(lacking[0])
            text = f"the EnvoyFilter {key.namespace}/{key.name} is not there yet"
            return Gate(Attached.PENDING, text)
        if self._seen is not None:
            return self._seen
        text = "the EnvoyFilter is there; what the proxies have is not looked up"
        return Gate(Attached.UNVERIFIED, text + (" yet" if self._istiod else _NO_ISTIOD))

    async def reconcile(self) -> None:
        """See to it that the EnvoyFilters are there, once there is a TrafficHold.

        Raises:
            KubeError: they could not be.
        """
        if len(self._informers.holds.store):
            for item in self._lacking():
                key = key_of(item)
                seen = version_of(self._stored(key))
                applied = await self._kube.apply(ENVOY_FILTERS, item, force=True)
                self._written.put(key, seen, applied, _now())
                log.info("EnvoyFilter %s/%s applied", *key)
                self._kick.set()
            await self._remove_log_of_its_own()
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
        if self._istiod is None or self._lacking():
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
            spec = self._gate_spec
            kinds = _kinds(spec)
            meant = {proxy: what for proxy, what in found.items() if proxy.kind in kinds}
            self._seen = judge_proxies(meant, everywhere="workloadSelector" not in spec)
            self._seen_at = _now()
        self._tell()

    def _unseen(self, why: str) -> None:
        if self._seen is None or _now() - self._seen_at > KEEP_SECONDS:
            self._seen = Gate(Attached.UNVERIFIED, why)

    async def _remove_log_of_its_own(self) -> None:
        """Take it away where the gate's EnvoyFilter has it again: requests would count twice."""
        if self._log_key not in map(key_of, self._wanted) and self._stored(self._log_key):
            with suppress(NotFoundError):
                await self._kube.delete(ENVOY_FILTERS, self._log_key)
                log.info("EnvoyFilter %s/%s removed", *self._log_key)

    def _lacking(self) -> list[Object]:
        """What is wanted and not there as it should be."""
        return [item for item in self._wanted if not self._is_current(item)]

    def _is_current(self, item: Object) -> bool:
        key = key_of(item)
        stored = self._stored(key)
        written = self._written.get(key, version_of(stored), _now())
        return is_current(item, written or stored)

    def _stored(self, key: Key) -> Object | None:
        return self._informers.gates.store.get(key)

    def _tell(self) -> None:
        verdict = self.verdict
        if self._told is None or verdict.reason is not self._told.reason:
            log.info("the gate is %s: %s", verdict.reason, verdict.message)
            self._told = verdict
            self._changed()


def _ours(body: Mapping[str, Any]) -> Object:
    labels = {**body["metadata"].get("labels", {}), MANAGED_BY: MANAGER}
    return stamped({**body, "metadata": {**body["metadata"], "labels": labels}})


def _kinds(spec: Mapping[str, Any]) -> set[str]:
    """Return the kinds of proxies that hold; all of them report, and are not waited for."""
    return {
        _KINDS[patch["match"]["context"]]
        for patch in spec["configPatches"]
        if patch["patch"]["operation"] == "INSERT_BEFORE"
    }


def _now() -> float:
    return asyncio.get_running_loop().time()
