"""The demand as the hold servers tell it: which there are, and the sum of what they say.

Must not know what demand decides.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator

from controller.demand import Demand
from feed.board import Board, HoldName
from feed.listener import Listener
from kube.client import Kube
from kube.informer import Informer
from kube.resource import ENDPOINT_SLICES, Key, Object, Selection

log = logging.getLogger(__name__)

SERVICE_LABEL = "kubernetes.io/service-name"
RECHECK_SECONDS = 1.0
"""A report that does not come changes what is known, and nothing tells of it."""


class HoldServers:
    """Listens to every hold server behind a Service.

    Args:
        kube: the API.
        namespace: of the Service.
        service: its name.
        port_name: of the port on which the feed is served.
    """

    def __init__(self, kube: Kube, namespace: str, service: str, port_name: str = "grpc") -> None:
        labels = f"{SERVICE_LABEL}={service}"
        self._slices = Informer(kube, Selection(ENDPOINT_SLICES, namespace, labels=labels))
        self._port_name = port_name
        self._board = Board()
        self._feed = Listener(self._board, self._look)
        self._listeners: list[Callable[[Key], None]] = []
        self._told: dict[HoldName, tuple[bool, bool]] = {}
        self._complete = False

    def demand(self, key: Key) -> Demand | None:
        """Return the demand for a TrafficHold; none while nothing is known."""
        now = asyncio.get_running_loop().time()
        youngest = self._board.youngest(now)
        if youngest is None:
            return None
        total = self._board.total(HoldName(*key))
        asked = total.last_request is not None
        quiet = now - total.last_request if total.last_request is not None else youngest
        complete = self._board.complete(now)
        return Demand(total.pending, total.in_flight, quiet, complete, asked)

    def subscribe(self, listener: Callable[[Key], None]) -> None:
        """Have a listener told when to look again at a TrafficHold."""
        self._listeners.append(listener)

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
        slices = self._slices.store.snapshot().values()
        self._feed.expect({address for item in slices for address in self._addresses(item)})

    def _addresses(self, item: Object) -> Iterator[str]:
        ports = [p["port"] for p in item.get("ports") or () if p.get("name") == self._port_name]
        for endpoint in item.get("endpoints") or ():
            # One that is not ready, or ending, may still hold requests.
            for address in endpoint.get("addresses") or ():
                for port in ports:
                    yield f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

    def _look(self) -> None:
        """Tell of what has begun or ended: requests parked or open, and the account's wholeness."""
        now = asyncio.get_running_loop().time()
        complete = self._board.complete(now)
        holds = self._board.holds()
        for hold in holds | self._told.keys():
            total = self._board.total(hold)
            state = (total.pending > 0, total.in_flight > 0)
            if self._told.get(hold) != state or complete != self._complete:
                self._told[hold] = state
                self._tell(Key(*hold))
        for hold in self._told.keys() - holds:
            del self._told[hold]
        self._complete = complete

    def _tell(self, key: Key) -> None:
        for listener in self._listeners:
            listener(key)
