"""All hold servers behind a Service, and the sum of what they say.

Must not know what the sum decides.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping

from feed.board import Board, HoldName, Share
from feed.listener import Listener
from feed.tokens import Tokens
from kube.client import Kube
from kube.informer import Informer
from kube.resource import ENDPOINT_SLICES, SERVICE_LABEL, Selection

PORT_NAME = "grpc-feed"
"""Of the port of the Service on which the feed is served."""
DEFAULT_PORT = 9003
RECHECK_SECONDS = 1.0
"""A report that does not come changes what is known, and nothing tells of it."""


class HoldServers:
    """Listens to every hold server behind a Service.

    Args:
        kube: the API.
        namespace: of the Service.
        service: its name.
        tokens: what hold servers are shown, if anything.
    """

    def __init__(
        self,
        kube: Kube,
        namespace: str,
        service: str,
        *,
        tokens: Tokens | None = None,
    ) -> None:
        labels = f"{SERVICE_LABEL}={service}"
        self._slices = Informer(kube, Selection(ENDPOINT_SLICES, namespace, labels=labels))
        self._board = Board()
        self._feed = Listener(self._board, self._look, tokens)
        self._listeners: list[Callable[[HoldName], None]] = []
        self._watched: set[HoldName] = set()
        self._told: dict[HoldName, object] = {}
        self._complete = False

    def total(self, hold: HoldName) -> Share:
        """The sum for one hold, as last heard."""
        return self._board.total(hold)

    def complete(self) -> bool:
        """Whether the sum is the whole: every hold server has been heard, and for long enough."""
        return self._board.complete(_now())

    @property
    def reported(self) -> bool:
        """False if each hold server says that no Envoy has ever told it of a request."""
        return self._board.reported

    @property
    def heard(self) -> bool:
        """True once a hold server says that an Envoy has told it of requests."""
        return self._board.heard

    @property
    def refusal(self) -> str:
        """What a hold server says that does not take the token; empty if all do."""
        return self._feed.refusal

    def unbroken(self) -> float:
        """Seconds since an account was last lost, with what it knew and had not told."""
        return self._board.unbroken(_now())

    def settled(self) -> float:
        """Seconds since a hold server came or went, or an Envoy's first report."""
        return self._board.settled(_now())

    def forget(self, hold: HoldName) -> None:
        """Forget a hold that is gone, and do not watch it any more."""
        self._watched.discard(hold)
        self._board.forget(hold)

    def silence(self) -> float:
        """Seconds since the one silent longest was heard; infinite if one never was."""
        return self._board.silence(_now())

    def youngest(self) -> float | None:
        """The age of the youngest account; None if no hold server has been heard."""
        return self._board.youngest(_now())

    def ready(self) -> set[str]:
        """Return the addresses, as `host:port`, of those that requests are sent to."""
        return {address for address, is_ in self._known() if is_.get("ready") is not False}

    def subscribe(self, listener: Callable[[HoldName], None]) -> None:
        """Have a listener told of what has begun or ended for a hold; not of each request."""
        self._listeners.append(listener)

    def watch(self, hold: HoldName, *, on: bool) -> None:
        """Have listeners told of a hold's requests too, or no longer: only of one that is quiet."""
        (self._watched.add if on else self._watched.discard)(hold)

    async def run(self) -> None:
        """Listen until cancelled."""
        self._slices.subscribe(lambda _: self._expect())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._feed.run(), name="demand feed")
            tasks.create_task(self._slices.run(), name="hold servers")
            while True:
                await asyncio.sleep(RECHECK_SECONDS)
                self._look()

    def _expect(self) -> None:
        # One that is not ready, or ending, may still hold requests: it is heard all the same. One
        # that never came up has none, and would leave everybody in doubt for as long as it tries.
        self._feed.expect(
            {
                address
                for address, is_ in self._known()
                if is_.get("serving") is not False or self._board.knows(address)
            }
        )

    def _known(self) -> Iterator[tuple[str, Mapping[str, object]]]:
        """Yield the address of each there is, as `host:port`, and its endpoint's conditions."""
        for item in self._slices.store.snapshot().values():
            ports = [p["port"] for p in item.get("ports") or () if p.get("name") == PORT_NAME]
            # Pods that have no such port hold requests all the same. They are not heard, and while
            # they are there nothing sleeps.
            ports = ports or [DEFAULT_PORT]
            for endpoint in item.get("endpoints") or ():
                for address in endpoint.get("addresses") or ():
                    host = f"[{address}]" if ":" in address else address
                    for port in ports:
                        yield f"{host}:{port}", endpoint.get("conditions") or {}

    def _look(self) -> None:
        """Tell of what has begun or ended, and of the account's wholeness."""
        complete = self.complete()
        holds = self._board.holds()
        for hold in holds | self._told.keys():
            total = self._board.total(hold)
            over = total.start if total.start and total.start.ending else None
            state = (
                *(total.pending > 0, total.in_flight > 0, total.waking, total.last_wake, over),
                *(total.sheds, total.requests if hold in self._watched else None),
            )
            if self._told.get(hold) != state or complete != self._complete:
                self._told[hold] = state
                for listener in self._listeners:
                    listener(hold)
        for hold in self._told.keys() - holds:
            del self._told[hold]
        self._complete = complete


def _now() -> float:
    return asyncio.get_running_loop().time()
