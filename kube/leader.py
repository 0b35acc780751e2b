"""One of several processes acts at a time, and the next one soon after it is gone.

Owns the Lease while it is ours. Must not know what the leader does.

Not `kubernetes.aio.leaderelection`: there a lost connection ends the election while the leader
acts on, a request may outlast the lease, and a lease is never released.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from kube.backoff import Backoff
from kube.client import Kube
from kube.errors import ConflictError, KubeError, NotFoundError
from kube.lease import Claim, Deed, Observer
from kube.resource import LEASES, Key, Object, Selection
from kube.watch import Event, Kind, Pace, watch

RELEASE_SECONDS = 2.0
"""A process that ends does not wait longer than this for a server that does not answer."""
_STAGGER_SECONDS = 0.1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Term:
    """How long one leads without being heard of."""

    lease_seconds: float = 15.0
    """After a leader is gone without a word, the next one acts so much later."""
    act_seconds: float = 10.0
    """So long after it last renewed its lease a leader stops; what is left of the lease is for
    the stopping."""
    renew_seconds: float = 2.0

    @property
    def request_seconds(self) -> float:
        """The longest that a request may take: there is time for a second one."""
        return self.act_seconds / 2


class Leader:
    """A candidate, which leads now and then."""

    def __init__(self, kube: Kube, key: Key, identity: str, term: Term | None = None) -> None:
        """Be a candidate for the Lease `key`. `identity` must be this process's alone."""
        self._kube = kube
        self._key = key
        self._term = term or Term()
        self._deed = Deed(key, identity, self._term.lease_seconds)
        self._observer = Observer(identity)
        self._claim: Claim | None = None
        self._until = 0.0

    def __repr__(self) -> str:
        return f"<Leader {self._deed.identity} of {self._key}: {self._claim}>"

    @property
    def leading(self) -> bool:
        """Whether nobody else can be acting."""
        return self._claim is not None and _now() < self._until

    @property
    def holder(self) -> str:
        """Who else led when this one last looked; empty if nobody did."""
        holder = self._observer.holder
        return "" if holder == self._deed.identity else holder

    async def lead(self, body: Callable[[], Awaitable[None]]) -> None:
        """Run `body` while leading, each time anew, until it returns or this is cancelled.

        It is cancelled when the lease cannot be renewed, so much before another may take it that
        it has time to end. When this ends the lease is released, and the next acts at once. An
        error of the body comes in an exception group.
        """
        ended = False
        while not ended:
            await self._take()
            log.info("%s leads", self._deed.identity)
            try:
                ended = await self._act(body)
            finally:
                log.info("%s leads no longer", self._deed.identity)
                await self._release()

    async def _act(self, body: Callable[[], Awaitable[None]]) -> bool:
        """Tell whether the body came to its end before the lease did."""
        lease = asyncio.timeout_at(self._until)
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(self._renew(lease), name=f"lease {self._key.name}")
            try:
                async with lease:
                    await body()
            except TimeoutError:
                if not lease.expired():
                    raise
            finally:
                renewing.cancel()
        return not lease.expired()

    async def _take(self) -> None:
        """Wait until the lease is free, and take it."""
        backoff = Backoff(limit=self._term.renew_seconds)
        while True:
            try:
                async with asyncio.timeout(self._term.request_seconds):
                    claim = await self._look()
                    if claim is None or self._free_at(claim) <= _now():
                        await self._write(claim)
                        return
                await self._wait(claim)
            except ConflictError:
                log.debug("%s was late", self._deed.identity)
            except (KubeError, TimeoutError) as error:
                self._complain("cannot get at", error, backoff)
                await asyncio.sleep(backoff.next())
            else:
                backoff.reset()
            # Several may be waiting for the same moment.
            await asyncio.sleep(random.uniform(0, _STAGGER_SECONDS))  # noqa: S311

    async def _wait(self, claim: Claim) -> None:
        """Wait until the lease may be free."""
        free_at = self._free_at(claim)
        selection = Selection(LEASES, self._key.namespace, fields=f"metadata.name={self._key.name}")
        with suppress(TimeoutError):
            async with (
                asyncio.timeout_at(free_at) as expiry,
                aclosing(watch(self._kube, selection, claim.version, Pace())) as events,
            ):
                async for event in events:
                    free_at = self._free_after(event, free_at)
                    if free_at <= _now():
                        return
                    expiry.reschedule(free_at)

    def _free_at(self, claim: Claim) -> float:
        return self._observer.free_at(claim, _now())

    def _free_after(self, event: Event, free_at: float) -> float:
        match event.kind:
            case Kind.ADDED | Kind.MODIFIED:
                return self._free_at(Claim.read(event.item))
            case Kind.DELETED:
                return _now()
            case _:
                return free_at

    async def _renew(self, lease: asyncio.Timeout) -> None:
        """Put off the end of the lease again and again, until it is another's."""
        backoff = Backoff(limit=self._term.renew_seconds)
        delay = self._term.renew_seconds
        while True:
            await asyncio.sleep(delay)
            try:
                async with asyncio.timeout(self._term.request_seconds):
                    ours = await self._write_again()
            except (KubeError, TimeoutError) as error:
                self._complain("cannot renew", error, backoff)
                delay = backoff.next()
                continue
            if lease.expired():
                return
            lease.reschedule(self._until)
            if not ours:
                return
            backoff.reset()
            delay = self._term.renew_seconds

    async def _write_again(self) -> bool:
        """Write down that the lease is still ours; tell whether it is."""
        try:
            await self._write(self._claim)
        except (ConflictError, NotFoundError):
            claim = await self._look()
            if claim is None or claim.holder != self._deed.identity:
                self._claim, self._until = None, _now()
                return False
            # Our own write that we had no answer to, or somebody's annotation.
            await self._write(claim)
        return True

    async def _look(self) -> Claim | None:
        try:
            return Claim.read(await self._kube.get(LEASES, self._key))
        except NotFoundError:
            return None

    async def _write(self, before: Claim | None) -> None:
        # From before the request on: others count from when they see it.
        until = _now() + self._term.act_seconds
        lease = self._deed.taken(datetime.now(UTC), before)
        self._claim = Claim.read(await self._put(lease, before))
        self._until = until

    async def _put(self, lease: Object, before: Claim | None) -> Object:
        if before is None:
            return await self._kube.create(LEASES, lease)
        return await self._kube.replace(LEASES, lease)

    async def _release(self) -> None:
        claim, self._claim = self._claim, None
        if claim is None:
            return
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await self._write_released(claim)
        except (KubeError, TimeoutError) as error:
            self._complain("cannot release", error, Backoff())

    async def _write_released(self, claim: Claim) -> None:
        try:
            await self._kube.replace(LEASES, self._deed.released(datetime.now(UTC), claim))
        except ConflictError:
            # A renewal that was cut off may have been carried out.
            latest = await self._look()
            if latest and latest.holder == self._deed.identity:
                await self._kube.replace(LEASES, self._deed.released(datetime.now(UTC), latest))

    def _complain(self, what: str, error: Exception, backoff: Backoff) -> None:
        # An outage is one thing that happens, however often we try.
        level = logging.DEBUG if backoff.failures else logging.WARNING
        log.log(level, "%s %s %s: %r", self._deed.identity, what, self._key, error)


def _now() -> float:
    return asyncio.get_running_loop().time()
