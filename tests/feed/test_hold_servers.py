import asyncio

from feed.hold_servers import PORT_NAME, HoldServers
from kube.resource import ENDPOINT_SLICES, SERVICE_LABEL
from tests.kube.fake_api import FakeApi


def slice_of(name, port, *conditions, port_name=PORT_NAME):
    """Make an EndpointSlice with an address for each of these conditions."""
    labels = {SERVICE_LABEL: "layby"}
    return {
        "metadata": {"name": name, "namespace": "layby-system", "uid": name, "labels": labels},
        "ports": [{"name": port_name, "port": port}],
        "endpoints": [
            {"addresses": [f"127.0.0.{n}"], "conditions": each}
            for n, each in enumerate(conditions, 1)
        ],
    }


async def test_only_those_that_are_ready_are_sent_requests(eventually):
    """Who leaves hands over to none but these; of one that says nothing the best is thought."""
    leaving = {"ready": False, "serving": True, "terminating": True}
    api = FakeApi()
    api.put(ENDPOINT_SLICES, slice_of("a", 1, {"ready": True}, {"ready": False}, leaving, {}))
    api.put(ENDPOINT_SLICES, slice_of("b", 2, None))
    portless = slice_of("c", 3, {"ready": True}, port_name="grpc")
    api.put(ENDPOINT_SLICES, portless)
    hold_servers = HoldServers(api.kube, "layby-system", "layby")
    assert set() == hold_servers.ready()
    task = asyncio.create_task(hold_servers.run(), name="run")
    try:
        await eventually(lambda: hold_servers.ready() and api.watches)
        # One that has no port for the feed is there none the less, and takes requests.
        unheard = "127.0.0.1:9003"
        assert {"127.0.0.1:1", "127.0.0.4:1", "127.0.0.1:2", unheard} == hold_servers.ready()
        assert not hold_servers.complete()
        api.remove(ENDPOINT_SLICES, portless)
        api.put(ENDPOINT_SLICES, slice_of("a", 1, leaving, leaving, leaving, {"ready": False}))
        await eventually(lambda: {"127.0.0.1:2"} == hold_servers.ready())
    finally:
        task.cancel()
        await asyncio.wait([task])
