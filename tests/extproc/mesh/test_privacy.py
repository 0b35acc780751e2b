"""What of a request is written down: nothing that its client has said, or is."""

import asyncio
import logging

import grpc
import pytest
from envoy_data_plane.envoy.config.core.v3 import Address, SocketAddress
from envoy_data_plane.envoy.data.accesslog.v3 import AccessLogType
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from extproc.core.outcome import Outcome
from feed.board import HoldName
from istio.contract import ForwardedHeader
from kube.resource import DEPLOYMENTS, ENDPOINT_SLICES, SERVICES, TRAFFIC_HOLDS
from telemetry.app import Telemetry
from telemetry.catalogue.holding import IN_FLIGHT, PARKED, REQUESTS
from telemetry.logs import JsonFormatter
from telemetry.settings import TraceSettings
from telemetry.tracing import Tracing
from tests.extproc.fake_envoy import connected, failure, goes_on, passes, refused, request_headers
from tests.extproc.log_entries import entry, message
from tests.extproc.mesh.objects import deployment, endpoints, hold, service
from tests.extproc.mesh.running import Running

CART = HoldName("shop", "cart")
TELLTALE, STATE = "tell-tale", "some-vendors"
CLIENT = "203.0.113.77"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
HEADERS = {
    **{str(header): TELLTALE for header in ForwardedHeader},
    ":path": f"/{TELLTALE}?{TELLTALE}",
    ":authority": f"{TELLTALE}.example",
    "authorization": f"Bearer {TELLTALE}",
    "cookie": f"session={TELLTALE}",
    "x-request-id": TELLTALE,
    "x-forwarded-for": CLIENT,
    # The trace's own are for traces, and the first one leads from a line to its trace.
    "traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01",
    "tracestate": f"vendor={STATE}",
}


@pytest.fixture
def spans():
    """Where all spans go."""
    return InMemorySpanExporter()


@pytest.fixture
async def tracing(spans):
    """Traces of each request."""
    now = asyncio.get_running_loop().time
    tracing = Tracing(
        spans, Resource({}), version="1", keep_per_second=9.0, now=now, sampler=ALWAYS_ON
    )
    yield tracing
    tracing.end()


@pytest.fixture
async def running(api, caplog, eventually, tracing):
    """A hold server for `cart`, which sleeps, that logs all there is."""
    api.put(DEPLOYMENTS, deployment())
    api.put(TRAFFIC_HOLDS, hold(hold={"maxPending": 1}))
    api.put(SERVICES, service())
    running = Running(caplog, Telemetry(tracing, TraceSettings()))
    for name in ("", "extproc.mesh.app"):
        caplog.set_level(logging.DEBUG, name)
    await eventually(lambda: running.port is not None and running.is_ready)
    yield running
    await running.stop()


def lines(caplog):
    """Each record as a line, and whatever was given to it."""
    written = [JsonFormatter().format(record) for record in caplog.records]
    return [*written, *(repr(record.args) for record in caplog.records)]


async def test_nothing_that_is_written_down_has_anything_of_a_request(
    api, running, tracing, spans, caplog, capfd, eventually
):
    """Logs, traces and metrics go to many hands; paths and headers have people's secrets."""
    value = running.reports.store.value
    asked = request_headers(**HEADERS)
    async with connected(running.port) as envoy:
        left = await envoy.ask(asked)
        await eventually(lambda: value(PARKED, CART) == 1)
        assert "layby_queue-full" == (await refused(await envoy.ask(asked))).details
        left.cancel()
        await eventually(lambda: value(REQUESTS, (*CART, Outcome.ABANDONED)))
        parked = await envoy.ask(asked)
        assert await passes(await envoy.ask(request_headers("of-nobody", **HEADERS)))
        assert grpc.StatusCode.INVALID_ARGUMENT == await failure(await envoy.ask(asked[:-9]))
        api.put(ENDPOINT_SLICES, endpoints("cart", True))
        assert await goes_on(parked)
        log = await envoy.log(message(served()), TELLTALE.encode())
        await eventually(lambda: in_flight(running) == 1)
        log.cancel()
    await running.stop()
    tracing.flush()
    logged = [*lines(caplog), *capfd.readouterr()]
    traced = [span.to_json() for span in spans.get_finished_spans()]
    measured = repr(running.reports.read())
    assert any("shop/cart woke in" in line for line in logged)
    assert any("bad ext_proc stream" in line for line in logged)
    assert 2 <= sum(TRACE_ID in line for line in traced), "of what was refused, and of what was not"
    for word in (TELLTALE, CLIENT):
        assert [] == [line for line in (*logged, *traced, measured) if word in line]
    assert [] == [line for line in (*logged, measured) if STATE in line]


def served():
    """The entry of Envoy's access log for such a request."""
    found = entry(AccessLogType.UpstreamPoolReady, TELLTALE, user_agent=TELLTALE)
    assert found.common_properties is not None
    assert found.request is not None
    found.request.path = f"/{TELLTALE}"
    found.request.forwarded_for = CLIENT
    found.common_properties.downstream_remote_address = Address(
        socket_address=SocketAddress(address=CLIENT, port_value=77)
    )
    return found


def in_flight(running):
    """How many requests for `cart` are open."""
    return {each.metric: each.values for each in running.reports.read()}[IN_FLIGHT][CART]
