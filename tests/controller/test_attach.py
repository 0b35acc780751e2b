from typing import Any

import pytest

from controller.attach import (
    LISTENER,
    Found,
    Proxy,
    has_cluster,
    judge_proxies,
    read_listeners,
    read_proxies,
)
from crds.condition import Attached


def proxy(name="gw.istio-system", *, version="1.31.0", acked="7", refusal=""):
    return Proxy(name, "router", version, "7", acked, refusal)


GW, OLD, LATE = proxy(), proxy("old.shop", version="1.28.3"), proxy("late.shop", acked="6")
SIDE = proxy("side.shop")


@pytest.mark.parametrize(
    ("found", "everywhere", "expected"),
    [
        ({GW: Found.GATE, SIDE: Found.GATE}, True, Attached.ATTACHED),
        ({}, True, Attached.NO_PROXIES),
        ({SIDE: Found.NOTHING_TO_HOLD}, True, Attached.NO_PROXIES),
        ({GW: Found.GATE, SIDE: Found.NOTHING_TO_HOLD}, True, Attached.ATTACHED),
        ({GW: Found.GATE, SIDE: Found.NO_GATE}, True, Attached.PENDING),
        ({GW: Found.GATE, SIDE: Found.NO_GATE}, False, Attached.ATTACHED),
        ({GW: Found.NO_GATE}, False, Attached.NO_PROXIES),
        ({GW: Found.GATE, LATE: Found.GATE}, True, Attached.PENDING),
        ({GW: Found.GATE, LATE: Found.NO_GATE}, False, Attached.ATTACHED),
        ({GW: Found.GATE, OLD: Found.GATE}, True, Attached.PROXY_TOO_OLD),
        ({GW: Found.GATE, OLD: Found.NO_GATE}, False, Attached.ATTACHED),
        ({GW: Found.GATE, SIDE: Found.HIDDEN}, True, Attached.HOLD_SERVER_HIDDEN),
        ({GW: Found.GATE, SIDE: Found.UNSEEN}, True, Attached.UNVERIFIED),
        ({GW: Found.NO_GATE, SIDE: Found.UNSEEN}, True, Attached.PENDING),
    ],
)
def test_all_proxies_that_are_meant_must_have_the_gate(found, everywhere, expected):
    """One that has not answers 503 for every workload that sleeps."""
    gate = judge_proxies(found, everywhere=everywhere)
    assert expected == gate.reason
    assert gate.message


def test_the_message_says_how_it_is_known_and_who_lacks_what():
    """A condition that is only True or False helps nobody."""
    assert (
        "2 of 2 gateways and sidecars have the gate, by istiod's config dump and their own "
        "acknowledgement"
    ) == judge_proxies({GW: Found.GATE, SIDE: Found.GATE}, everywhere=True).message
    refusing = proxy("late.shop", acked="6", refusal="unknown filter")
    gate = judge_proxies({GW: Found.GATE, refusing: Found.GATE}, everywhere=True)
    assert (
        "1 of 2 gateways and sidecars lack the gate: late.shop; late.shop: unknown filter"
    ) == gate.message
    many = {proxy(f"p{n}.shop"): Found.NO_GATE for n in range(9)}
    assert "p4.shop and 4 more" in judge_proxies(many, everywhere=True).message
    assert (
        "istiod does not show the listeners of side.shop: unless its ENABLE_DEBUG_ENDPOINT_AUTH is "
        "false it shows all to its root namespace only"
    ) == judge_proxies({GW: Found.GATE, SIDE: Found.UNSEEN}, everywhere=True).message


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.28.3", True),
        ("1.29.0", False),
        ("1.29-alpha.abc", False),
        ("2.0.0", False),
        ("", False),
        ("dev", False),
    ],
)
def test_an_envoy_that_cannot_count_endpoints_is_too_old(version, expected):
    """A version of one's own build says nothing, and is taken."""
    assert expected is proxy(version=version).is_too_old


def test_only_proxies_that_serve_and_could_hold_are_read():
    """One that has only just connected gets the gate with all else."""
    answer: list[dict[str, Any]] = [
        {"proxy": "a.shop", "proxy_type": "sidecar", "listener_sent": "7", "listener_acked": "7"},
        {"proxy": "b.shop", "proxy_type": "sidecar", "listener_sent": "7"},
        {
            "proxy": "c.shop",
            "proxy_type": "router",
            "listener_sent": "7",
            "istio_version": "1.31.0",
            "resources": {LISTENER: {"lastError": "unknown filter"}},
        },
        {"proxy": "d.shop", "proxy_type": "waypoint", "listener_acked": "7"},
        {"proxy": "e.shop", "proxy_type": "ztunnel"},
    ]
    first, second = read_proxies(answer)
    assert ("a.shop", True, "") == (first.name, first.is_settled, first.refusal)
    assert ("c.shop", False, "unknown filter") == (second.name, second.is_settled, second.refusal)


@pytest.mark.parametrize(
    ("dump", "expected"),
    [
        (b'{"name":"layby.hold.1"}', Found.GATE),
        (b'{"rds":{"routeConfigName":"80"}}', Found.NO_GATE),
        (b'{"rds":{"route_config_name":"80"}}', Found.NO_GATE),
        (b'{"routeConfig":{"name":"inbound|80||"}}', Found.NOTHING_TO_HOLD),
        (b"{}", Found.NOTHING_TO_HOLD),
    ],
)
def test_listeners_are_looked_through_for_the_gate(dump, expected):
    """Those for incoming requests have their routes inline, and no gate."""
    assert expected == read_listeners(dump)


def test_the_cluster_of_the_hold_servers_is_looked_for_by_its_name():
    """A Sidecar resource may hide it, and then every cold request gets 503."""
    name = "outbound|9002||layby-extproc.layby-system.svc.cluster.local"
    assert has_cluster(b'{"name": "' + name.encode() + b'"}', name)
    assert has_cluster(b'{"name":"' + name.encode() + b'"}', name)
    assert not has_cluster(b'{"clusterName":"' + name.encode() + b'"}', name)
    assert not has_cluster(b'{"name":"outbound|9002||layby-extprocXlayby-system"}', name)
