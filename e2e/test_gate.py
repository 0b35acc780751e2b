"""The gate as istiod and Envoys make it of the EnvoyFilter, and hold servers that freeze."""

import asyncio
import os
import signal
import sys
import time
from collections import Counter

import pytest

from bench.client import Crowd
from e2e import layby
from e2e.stack.processes import until

WITHIN = 20.0
HOLD_CLUSTER = "outbound|9002||layby-extproc.layby-system.svc.cluster.local"
PARKED = 200
COLD_SECONDS = 5
NOTICED_SECONDS = 3
"""The interval of the pings, and how long one may take."""
MARGIN_SECONDS = 3


@pytest.fixture(scope="module", autouse=True)
def installed(stack):
    """Layby, as a platform engineer installs it."""
    layby.install(stack.api)


@pytest.fixture
def hold(stack, apply, namespace):
    """Have `web` held."""

    def do() -> None:
        apply(
            {
                "apiVersion": "layby.dev/v1alpha1",
                "kind": "TrafficHold",
                "metadata": {"name": "web"},
                "spec": {"targetRef": {"name": "web"}},
            }
        )
        for kind in ("Attached", "Ready"):
            assert until(lambda kind=kind: condition(stack, namespace, kind) == "True", WITHIN)

    return do


@pytest.fixture
def frozen():
    """Freeze one of the hold servers until the test ends."""
    pids = []

    def do() -> None:
        pids.append(layby.kill_one("extproc", signal.SIGSTOP))

    yield do
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def condition(stack, namespace: str, kind: str) -> str:
    """Whether it holds, as the controller says in the status of the hold."""
    hold = stack.api.get("layby.dev/v1alpha1", "TrafficHold", "web", namespace)
    found = hold.get("status", {}).get("conditions", ())
    return next((each["status"] for each in found if each["type"] == kind), "")


def http_options(envoy) -> dict[str, object]:
    """How an Envoy speaks to the hold servers."""
    for section in envoy.config()["configs"]:
        for entry in section.get("dynamic_active_clusters", ()):
            if entry["cluster"]["name"] == HOLD_CLUSTER:
                return dict(entry["cluster"].get("typed_extension_protocol_options", {}))
    return {}


def unanswered_pings(stack) -> int:
    """How many connections to hold servers the gateway has given up."""
    return sum(stack.gateway.stats("layby-extproc.*http2.keepalive_timeout").values())


async def parked(stack) -> int:
    """How many requests the gateway has at the hold servers."""
    stats = await asyncio.to_thread(stack.gateway.stats, "layby-extproc.*upstream_rq_active")
    return sum(stats.values())


def test_hold_servers_are_pinged_over_http2(stack, web, hold):
    """Istiod replaces the cluster's options by ours: what ours lack, the cluster has not."""
    web()
    hold()
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    keepalive = {"interval": "2s", "timeout": "1s"}
    wanted = {
        name: {
            "@type": f"type.googleapis.com/{name}",
            "explicit_http_config": {"http2_protocol_options": {"connection_keepalive": keepalive}},
        }
    }
    for envoy in (stack.gateway, stack.caller):
        assert wanted == http_options(envoy)


async def test_a_frozen_hold_server_loses_nobody(stack, web, hold, frozen, host):
    """Its kernel keeps the connections open, so that only an unanswered ping tells."""
    web("--delay", str(COLD_SECONDS))
    hold()
    before = unanswered_pings(stack)
    # The demand logs and the streams of earlier requests are there too.
    open_before = await parked(stack)
    crowd = Crowd()
    await crowd.send(80, PARKED, address=stack.gateway.address, authority=host)
    try:
        async with asyncio.timeout(WITHIN):
            while await parked(stack) < open_before + PARKED:
                await asyncio.sleep(0.05)
        began = time.monotonic()
        frozen()
        async with asyncio.timeout(WITHIN):
            assert Counter({200: PARKED}) == await crowd.statuses()
        took = time.monotonic() - began
    finally:
        crowd.close()
    noticed = unanswered_pings(stack) - before
    sys.stderr.write(f"answered {took:.1f} s after the freeze, {noticed} connections given up\n")
    assert noticed
    assert took < max(COLD_SECONDS, NOTICED_SECONDS) + MARGIN_SECONDS
