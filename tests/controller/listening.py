"""A controller that listens to hold servers, which say what a test has them say."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

from controller.hold_servers import FeedDemand
from feed.hold_servers import PORT_NAME, HoldServers
from kube.resource import ENDPOINT_SLICES, SERVICE_LABEL, Key
from tests.controller.objects import meta
from tests.feed.feeds import ScriptedFeed, serving
from tests.kube.fake_api import FakeApi

CART = Key("shop", "cart")


def endpoints(port, *addresses, name="layby-1", port_name=PORT_NAME, conditions=None):
    """Make an EndpointSlice of the hold servers' Service."""
    return {
        "metadata": meta(name, "layby-system", labels={SERVICE_LABEL: "layby"}),
        "ports": [{"name": port_name, "port": port}],
        "endpoints": [
            {"addresses": [address], "conditions": conditions or {"ready": True}}
            for address in addresses
        ],
    }


class Rig:
    """What a controller knows of hold servers, and whom it told to look again."""

    def __init__(self, *slices) -> None:
        self.api = FakeApi()
        for item in slices:
            self.api.put(ENDPOINT_SLICES, item)
        self.told: list[Key] = []
        self.hold_servers = FeedDemand(HoldServers(self.api.kube, "layby-system", "layby"))
        self.hold_servers.subscribe(self.told.append)

    def demand(self, key=CART):
        """What is known of `cart`, which is something."""
        demand = self.hold_servers.demand(key)
        assert demand
        return demand

    @property
    def is_complete(self):
        """Whether all hold servers have been heard."""
        demand = self.hold_servers.demand(CART)
        return bool(demand and demand.complete)

    @property
    def heard_from(self):
        """The addresses that it listens to."""
        names = (task.get_name().split() for task in asyncio.all_tasks())
        return {name[1] for name in names if name[0] == "feed"}


@asynccontextmanager
async def listening(*slices):
    """Hold servers that are listened to, and in the end no longer."""
    rig = Rig(*slices)
    task = asyncio.create_task(rig.hold_servers.run(), name="run")
    try:
        yield rig
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert set() == rig.heard_from


@asynccontextmanager
async def two():
    """Two hold servers with nothing to tell, and a controller that has heard of both."""
    feeds = ScriptedFeed(), ScriptedFeed()
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(serving(feed)) for feed in feeds]
        slices = [endpoints(port, "127.0.0.1", name=f"layby-{port}") for port in ports]
        rig = await stack.enter_async_context(listening(*slices))
        async with asyncio.timeout(5):
            while not rig.is_complete:
                await asyncio.sleep(0)
        yield rig, feeds, slices
