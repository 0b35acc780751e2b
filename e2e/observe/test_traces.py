"""Why a request waited, asked of a real Jaeger: a trace of the request, and one of the cold start.

Layby's sampling is as it is by default; besides it keeps what has failed, as a person may ask.
"""

import json
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import inject
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind

from deploy.generate import CHART
from e2e import layby
from e2e.stack import jaeger as jaegers
from e2e.stack.kubelet import FAILURE
from e2e.stack.processes import until
from e2e.stack.whole import GATEWAY_LABELS
from e2e.workloads import manifests
from e2e.workloads.held import PROBE, is_known

WITHIN = 20.0
SETTINGS = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": jaegers.OTLP,
    "OTEL_EXPORTER_OTLP_INSECURE": "true",
    # Instead of five seconds, for the test waits for it.
    "OTEL_BSP_SCHEDULE_DELAY": "500",
    "LAYBY_TRACES_KEEP": "shed,expired,hopeless",
}
STORY = [
    *("parked", "wake requested", "replicas patched", "pod scheduled", "container started"),
    *("ready", "endpoint seen", "released"),
]
STAGES = ["scale", "schedule", "start", "readiness", "eds"]
WORKLOAD = CHART / "files" / "dashboards" / "layby-workload.json"
PANES = re.compile(r'panes=([^"]+)')
"""Where an address of Grafana's says what is searched for."""
CONDITION = re.compile(r'(name|span\.[\w.]+)( =~? )"([^"]*)"')
CROWD = 20
"""Requests that meet both hold servers, with all likelihood."""


@pytest.fixture(scope="module", autouse=True)
def installed(stack, jaeger):
    """Layby, as somebody installs it who has a place for traces."""
    assert jaeger.child.alive
    layby.install(stack.api, SETTINGS)


@pytest.fixture
def asleep(stack, apply, namespace, host):
    """Deploy `web` at zero with a TrafficHold; on return all hold servers know it."""

    def deploy(*arguments, **fields):
        apply(
            [
                manifests.deployment("web", *arguments, **fields),
                manifests.service("web"),
                manifests.gateway("web", [host], GATEWAY_LABELS, stack.gateway.address),
                manifests.route("web", host, f"web.{namespace}.svc.cluster.local", "web"),
                {
                    "apiVersion": "layby.dev/v1alpha1",
                    "kind": "TrafficHold",
                    "metadata": {"name": "web"},
                    "spec": {"targetRef": {"name": "web"}, "probes": [PROBE]},
                },
            ]
        )
        assert until(lambda: is_known(stack.gateway, host), WITHIN)

    return deploy


@pytest.fixture(scope="module")
def shop():
    """A client that traces what it does, to the same Jaeger."""
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=jaegers.OTLP, insecure=True)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider.get_tracer("shop")
    provider.shutdown()


def unsampled() -> tuple[str, dict[str, str]]:
    """Return a trace that its caller does not keep, and the header that says so."""
    trace = secrets.token_hex(16)
    return trace, {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-00"}


def parked(stack) -> int:
    """Return how many requests the gateway's Envoy has ever taken to hold servers."""
    return sum(stack.gateway.stats("ext_proc.*streams_started").values())


def ask_as(shop, stack, host):
    """Send a request as a client that keeps its trace; return the trace, its span, the status."""
    with shop.start_as_current_span("GET", kind=SpanKind.CLIENT) as span:
        headers = {}
        inject(headers)
        status = stack.gateway.get(host, headers=headers).status
        context = span.get_span_context()
        return f"{context.trace_id:032x}", f"{context.span_id:016x}", status


def hold_of(jaeger, trace):
    """Return the span of the hold in a trace, once Jaeger has it."""

    def found():
        return [span for span in jaeger.trace(trace) if span.name == "layby.hold"]

    assert until(found, WITHIN, 0.2), jaeger.trace(trace)
    return found()[0]


def test_why_a_request_waited_is_one_trace(stack, jaeger, shop, asleep, namespace, host):
    """One click from the client's own span to what it waited for."""
    asleep("--delay", "1")
    trace, client, status = ask_as(shop, stack, host)
    assert status == 200
    hold = hold_of(jaeger, trace)
    assert {"shop", "layby-extproc"} == {span.service for span in jaeger.trace(trace)}
    assert client == hold.parent
    told = {name: hold.tags.get(f"layby.{name}") for name in ("outcome", "chance", "position")}
    assert {"outcome": "released", "chance": 1, "position": 1} == told
    assert (namespace, "web") == (hold.tags["k8s.namespace.name"], hold.tags["layby.hold.name"])
    assert STORY == list(hold.events)


def test_it_leads_to_the_cold_start_that_it_waited_for(stack, jaeger, shop, asleep, host):
    """A crowd waits for one start, which is told once; each of its stages is a span."""
    asleep("--delay", "1")
    with ThreadPoolExecutor(CROWD) as pool:
        asked = list(pool.map(lambda _: ask_as(shop, stack, host), range(CROWD)))
    assert {200} == {status for _, _, status in asked}
    holds = [hold_of(jaeger, trace) for trace, _, _ in asked]
    # One for each hold server: each saw it with its own eyes.
    starts = {hold.links for hold in holds}
    assert len(starts) == 2
    for links in starts:
        start = start_span(jaeger, links)
        assert ("ready", "") == (start.tags["layby.outcome"], start.parent)
        stages = [span for span in jaeger.trace(start.trace_id) if span.parent == start.span_id]
        assert sorted(f"layby.cold_start.{name}" for name in STAGES) == sorted(
            span.name for span in stages
        )


def start_span(jaeger, links):
    """Return the span of the cold start to which a hold is linked, once Jaeger has it."""
    ((trace, span),) = links

    def found():
        return [each for each in jaeger.trace(trace) if each.span_id == span]

    assert until(found, WITHIN, 0.2), jaeger.trace(trace)
    return found()[0]


def test_what_the_caller_does_not_keep_is_not_kept_unless_it_failed(
    stack, jaeger, shop, asleep, host
):
    """Traces cost money where they are kept, and the caller has decided."""
    asleep("--delay", "2")
    trace, headers = unsampled()
    before = parked(stack)
    with ThreadPoolExecutor(CROWD + 1) as pool:
        first = pool.submit(stack.gateway.get, host, headers=headers)
        # It is let go before all who come later to the same hold server.
        assert until(lambda: parked(stack) > before, WITHIN)
        rest = list(pool.map(lambda _: ask_as(shop, stack, host), range(CROWD)))
    assert first.result().status == 200
    # All of these are there: each hold server has sent what it had before them, too.
    holds = [hold_of(jaeger, kept) for kept, _, _ in rest]
    assert len({hold.links for hold in holds}) == 2
    assert [] == jaeger.trace(trace)


def searches():
    """Return the TraceQL of all links in the workload's dashboard."""
    found = {unquote(each) for each in PANES.findall(WORKLOAD.read_text())}
    return sorted({json.loads(each)["layby"]["queries"][0]["query"] for each in found})


@pytest.mark.parametrize("query", searches())
def test_what_a_dashboard_searches_for_is_there(stack, jaeger, asleep, namespace, host, query):
    """It asks a Tempo; what spans and their attributes are called, a Jaeger knows as well."""
    asleep(annotations={FAILURE: "ImagePullBackOff"})
    assert "cannot-start" == stack.gateway.get(host).headers.get("x-layby-reason")
    wanted = {"$namespace": namespace, "$name": "web", "shed|expired|hopeless": "hopeless"}
    conditions = CONDITION.findall(query)
    assert (
        query == "{ " + " && ".join(f'{key}{op}"{value}"' for key, op, value in conditions) + " }"
    )
    (_, _, name), *attributes = conditions
    tags = {key.removeprefix("span."): wanted[value] for key, _, value in attributes}
    assert until(lambda: jaeger.search("layby-extproc", name, tags), WITHIN, 0.2), tags


def test_a_failure_is_kept_though_the_caller_does_not_keep_it(stack, jaeger, asleep, host):
    """Whoever asks why a request failed must find it."""
    asleep(annotations={FAILURE: "ImagePullBackOff"})
    trace, headers = unsampled()
    reply = stack.gateway.get(host, headers=headers)
    assert "cannot-start" == reply.headers.get("x-layby-reason"), reply
    hold = hold_of(jaeger, trace)
    told = {name: hold.tags.get(f"layby.{name}") for name in ("outcome", "notable")}
    assert {"outcome": "hopeless", "notable": "hopeless"} == told
    assert hold.tags["error"] is True
