"""What would be applied to a cluster, as text."""

from importlib.resources import files

import pytest
import yaml

from controller.gate import gate_objects
from controller.settings import Settings
from istio.mesh import MeshGate


def printed(layby, *arguments: str):
    """The documents that are printed."""
    result = layby("envoyfilter", *arguments)
    assert (0, "") == (result.exit_code, result.stderr)
    return [*yaml.safe_load_all(result.stdout)]


def test_the_definitions_are_printed_as_one_document(layby):
    """For `kubectl apply -f -`."""
    result = layby("crds")
    kinds = [item["spec"]["names"]["kind"] for item in yaml.safe_load_all(result.stdout)]
    assert ["HoldPolicy", "TrafficHold"] == kinds
    assert len(kinds) == len(list((files("crds") / "yaml").iterdir()))


def test_the_gate_is_printed_as_the_controller_applies_it(layby):
    """What is shown and is not what is done would be worse than nothing."""
    assert gate_objects(Settings()) == printed(layby)


def test_options_are_set_as_the_controller_is_given_them(layby, monkeypatch):
    """There is one list of them."""
    given = {
        "chances": "2",
        "message_timeout_seconds": "60",
        "root_namespace": "mesh",
        "hold_cluster": "hold",
        "gate_attach": "gateways",
        "gate_selector": '{"istio": "ingressgateway"}',
        "gate_priority": "20",
        "gate_revision": "canary",
        "keepalive_interval_seconds": "5",
    }
    shown = printed(layby, *(word for pair in given.items() for word in ("--set", "=".join(pair))))
    for key, value in given.items():
        monkeypatch.setenv(f"LAYBY_CONTROLLER_{key.upper()}", value)
    assert gate_objects(Settings()) == shown
    assert gate_objects(MeshGate()) != shown


def test_the_environment_of_a_controller_is_none_of_its_business(layby, monkeypatch):
    """What it prints follows from what was typed."""
    monkeypatch.setenv("LAYBY_CONTROLLER_CHANCES", "1")
    assert gate_objects(MeshGate()) == printed(layby)


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("chance=2", f"chance: there is no such key, but {', '.join(MeshGate.model_fields)}"),
        ("chances", "'chances' is not KEY=VALUE"),
        ("chances=many", "chances: Input should be a valid integer"),
        ("chances=9", "chances: Input should be less than or equal to 5"),
        ("gate_attach=here", "gate_attach: Input should be 'all', 'gateways' or 'sidecars'"),
        ("gate_selector=a=b", "gate_selector: Invalid JSON"),
        ("gate_selector=[]", "gate_selector: Input should be a valid dictionary"),
        ("retry_base_seconds=5", "0 < retry_base_seconds <= retry_max_seconds"),
    ],
)
def test_a_mistake_is_named(layby, pair, said):
    """And what there is to choose from, where that helps."""
    result = layby("envoyfilter", "--set", pair)
    assert 2 == result.exit_code
    assert said in result.stderr
    assert "" == result.stdout


def test_help_names_every_key(layby):
    """Nobody reads the source to learn what can be set."""
    said = layby("envoyfilter", "--help").stdout
    assert "\n    gate_attach  all|gateways|sidecars  [all]\n" in said
    for key, field in MeshGate.model_fields.items():
        assert f"\n    {key}" in said
        assert " ".join((field.description or "").split()) in " ".join(said.split())


def test_other_envoys_get_a_snippet_that_says_where_it_goes(layby):
    """It is pasted by hand, so the places stand in it."""
    (document,) = printed(layby, "--format", "envoy", "--hold-servers", "[::1]:9002")
    assert ["http_filters", "router", "clusters"] == list(document)
    said = layby("envoyfilter", "--format", "envoy").stdout
    for key in document:
        assert f"{key}:" in said.partition("http_filters:\n")[0]


def test_envoy_gateway_gets_its_policy(layby):
    """For `kubectl apply -f -`."""
    (document,) = printed(layby, "--format", "envoy-gateway", "--gateway", "eg", "-n", "shop")
    assert "EnvoyPatchPolicy" == document["kind"]
    assert {"name": "layby", "namespace": "shop"} == document["metadata"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "envoy-gateway"), "--gateway is for --format envoy-gateway, which needs it"),
        (("--gateway", "eg"), "--gateway is for --format envoy-gateway, which needs it"),
        (("--hold-servers", "h:1"), "--hold-servers is not for --format istio: set hold_cluster"),
        (("--format", "envoy", "--hold-servers", "h"), "'h' is not HOST:PORT"),
        (("--format", "nginx"), "'nginx' is not one of 'istio', 'envoy', 'envoy-gateway'"),
    ],
)
def test_what_belongs_to_another_format_is_refused(layby, arguments, said):
    """Ignored, it would look as if it had been applied."""
    result = layby("envoyfilter", *arguments)
    assert 2 == result.exit_code
    assert said in result.stderr
