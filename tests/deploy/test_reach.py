"""Who reaches which port of an install by the chart, and how it is found."""

import pytest

from extproc.settings import Settings as ExtprocSettings
from feed.hold_servers import PORT_NAME
from tests.deploy.charts import ENVOYS, EVERYTHING, SETTINGS, environment, only, pods


def test_network_policies_let_in_what_is_named(render):
    """All pods may be Envoys, unless somebody knows better."""
    policy = only(render(), "NetworkPolicy", "layby-extproc")
    assert [{"namespaceSelector": {}}] == policy["spec"]["ingress"][0]["from"]
    closed = render({"networkPolicy": {"metrics": []}})
    assert [] == only(closed, "NetworkPolicy", "layby-controller")["spec"]["ingress"]
    policy = only(render(EVERYTHING), "NetworkPolicy", "hold-extproc")
    assert ENVOYS == policy["spec"]["ingress"][0]["from"]


@pytest.mark.parametrize("controllers", [True, False])
def test_network_policies_leave_the_demand_to_hold_servers_and_controllers(render, controllers):
    """Not even an Envoy may listen, whoever is one."""
    objects = render({"controller": {"enabled": controllers}})
    rules = only(objects, "NetworkPolicy", "layby-extproc")["spec"]["ingress"]
    [rule] = [each for each in rules if {"port": "feed", "protocol": "TCP"} in each["ports"]]
    assert 1 == len(rule["ports"])
    names = ["layby-extproc", "layby-controller"] if controllers else ["layby-extproc"]
    wanted = [{"matchLabels": {"app.kubernetes.io/name": name}} for name in names]
    assert [{"podSelector": each} for each in wanted] == rule["from"]
    for name, selector in zip(names, wanted, strict=True):
        assert selector["matchLabels"].items() <= pods(objects)[name]["metadata"]["labels"].items()


def test_the_feed_is_where_listeners_look_for_it(render):
    """They find it by the name of a port of the Service; another one is silence."""
    objects = render()
    ports = {p["name"]: p for p in only(objects, "Service", "layby-extproc")["spec"]["ports"]}
    [container] = pods(objects)["layby-extproc"]["spec"]["containers"]
    listens = environment(objects, "extproc")["LAYBY_EXTPROC_FEED_LISTEN"].rpartition(":")[2]
    assert listens == ExtprocSettings().feed_listen.rpartition(":")[2]
    target = ports[PORT_NAME]["targetPort"]
    assert {"name": target, "containerPort": int(listens)} in container["ports"]


@pytest.mark.parametrize("mode", ["STRICT", "PERMISSIVE"])
def test_mtls_of_the_mesh_is_not_asked_for_by_the_feed_and_kedas_port(render, mode):
    """Listeners dial addresses, and KEDA has no sidecar: nothing would ever sleep."""
    asked = {"inject": "stable", "peerAuthentication": {"enabled": True, "mode": mode}}
    objects = render({"istio": asked})
    spec = only(objects, "PeerAuthentication")["spec"]
    assert {"mode": mode} == spec["mtls"]
    # Istio counts ports of the container, and only those that a Service has.
    told = environment(objects, "extproc")
    listens = [
        told[f"LAYBY_EXTPROC_{each}_LISTEN"].rpartition(":")[2] for each in ("FEED", "SCALER")
    ]
    assert {int(each): {"mode": "PERMISSIVE"} for each in listens} == spec["portLevelMtls"]


@pytest.mark.parametrize("part", SETTINGS)
def test_prometheus_finds_the_metrics(render, part):
    """At the pod's own address: a port by name, and a way to it for Prometheus' namespace alone."""
    objects = render()
    [container] = pods(objects)[f"layby-{part}"]["spec"]["containers"]
    assert {"name": "metrics", "containerPort": 9464} in container["ports"]
    assert "$(POD_IP)" == environment(objects, part)["OTEL_EXPORTER_PROMETHEUS_HOST"]
    rules = only(objects, "NetworkPolicy", f"layby-{part}")["spec"]["ingress"]
    where = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    way = {
        "from": [{"namespaceSelector": where}],
        "ports": [{"port": "metrics", "protocol": "TCP"}],
    }
    assert way in rules


def test_the_page_is_off_unless_it_is_asked_for(render):
    """It is for people, and tells more than the metrics do."""
    objects = render()
    assert "LAYBY_CONTROLLER_PAGE_PORT" not in environment(objects, "controller")
    ports = pods(objects)["layby-controller"]["spec"]["containers"][0]["ports"]
    assert ["health", "metrics"] == [each["name"] for each in ports]


def test_the_page_is_reached_by_a_forwarded_port_and_by_whoever_is_named(render):
    """A forwarded port comes from within the pod, which no NetworkPolicy sees."""
    on = {"page": {"enabled": True, "port": 8090}}
    objects = render(on)
    assert "8090" == environment(objects, "controller")["LAYBY_CONTROLLER_PAGE_PORT"]
    policy = only(objects, "NetworkPolicy", "layby-controller")["spec"]["ingress"]
    assert ["metrics"] == [port["port"] for rule in policy for port in rule["ports"]]
    peers = [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]
    named = render({**on, "networkPolicy": {"metrics": [], "page": peers}})
    [rule] = only(named, "NetworkPolicy", "layby-controller")["spec"]["ingress"]
    assert (peers, "page") == (rule["from"], rule["ports"][0]["port"])
