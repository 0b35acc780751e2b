"""What is rendered for Envoys that no istiod configures, and whether a real one takes it."""

import re
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonpatch import JsonPatch
from jsonpath_ng.ext.parser import parse

from cli.main import main
from istio.address import TcpAddress
from istio.gate import GateOptions
from local.bootstrap import HOLD_CLUSTER, BootstrapOptions, Workload, bootstrap
from local.routes import Route
from tests.envoy.validation import NEEDS_ENVOY, validate

ROUTER = "envoy.filters.http.router"
MANAGER = "envoy.filters.network.http_connection_manager"

pytestmark = [*NEEDS_ENVOY]


def rendered(*arguments: str) -> Any:
    """What `layby envoyfilter` prints."""
    result = CliRunner().invoke(main, ["envoyfilter", *arguments])
    assert (0, "") == (result.exit_code, result.stderr)
    return yaml.safe_load(result.stdout)


def somebodys() -> Any:
    """A configuration that has nothing of Layby's, with routes of its own."""
    options = BootstrapOptions(
        listen=TcpAddress("127.0.0.1", 8080),
        workloads=(Workload("web"),),
        routes=(Route("web"),),
        hold_endpoints=(TcpAddress("127.0.0.1", 9001),),
        control_endpoint=TcpAddress("127.0.0.1", 9000),
        gate=GateOptions(cluster_name=HOLD_CLUSTER),
    )
    document: Any = bootstrap(replace(options, gated=False))
    for manager in managers(document):
        for field in ("upstream_log", "upstream_log_options"):
            manager["http_filters"][-1]["typed_config"].pop(field)
    clusters = document["static_resources"]["clusters"]
    clusters[:] = [cluster for cluster in clusters if cluster["name"] != HOLD_CLUSTER]
    return document


def managers(document: Any) -> list[Any]:
    """The connection managers of a configuration."""
    return [
        part["typed_config"]
        for listener in document["static_resources"]["listeners"]
        for chain in (*listener.get("filter_chains", ()), listener.get("default_filter_chain"))
        if chain
        for part in chain["filters"]
    ]


@pytest.mark.parametrize("chances", ["1", "3", "5"])
def test_envoy_accepts_the_snippet_where_it_says_that_it_goes(tmp_path, chances):
    """It is pasted into configuration that Layby has never seen."""
    document = somebodys()
    assert (0, "") == validate(tmp_path, document)
    found = rendered("--format", "envoy", "--set", f"chances={chances}")
    (manager,) = managers(document)
    manager["http_filters"][-1:-1] = found["http_filters"]
    manager["http_filters"][-1]["typed_config"].update(found["router"])
    document["static_resources"]["clusters"] += found["clusters"]
    assert (0, "") == validate(tmp_path, document)


def gateways_listener(name: str) -> Any:
    """A listener of the form that Envoy Gateway generates, with routes that are given inline."""
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network"
        ".http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http-10080",
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "http2_protocol_options": {"max_concurrent_streams": 100},
        "access_log": [
            {
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": "type.googleapis.com/"
                    "envoy.extensions.access_loggers.file.v3.FileAccessLog",
                    "path": "/dev/stdout",
                },
            }
        ],
        "http_filters": [
            {
                "name": "envoy.filters.http.health_check",
                "typed_config": {
                    "@type": "type.googleapis.com/"
                    "envoy.extensions.filters.http.health_check.v3.HealthCheck",
                    "pass_through_mode": False,
                    "headers": [{"name": ":path", "string_match": {"exact": "/up"}}],
                },
            },
            {
                "name": ROUTER,
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            },
        ],
        "merge_slashes": True,
        "normalize_path": True,
        "server_header_transformation": "PASS_THROUGH",
        "use_remote_address": True,
        "route_config": {
            "name": name,
            "virtual_hosts": [
                {
                    "name": f"{name}/www_example_com",
                    "domains": ["www.example.com"],
                    "routes": [
                        {
                            "name": "httproute/shop/cart/rule/0/match/0/www_example_com",
                            "match": {"prefix": "/"},
                            "route": {"cluster": "httproute/shop/cart/rule/0"},
                        }
                    ],
                }
            ],
        },
    }
    chain = {"name": name, "filters": [{"name": MANAGER, "typed_config": manager}]}
    return {
        "name": name,
        "address": {"socket_address": {"address": "::", "port_value": 10080}},
        "per_connection_buffer_limit_bytes": 32768,
        "default_filter_chain": deepcopy(chain),
        "filter_chains": [
            {
                **chain,
                "name": "tls",
                "filter_chain_match": {"server_names": ["www.example.com"]},
            }
        ],
    }


CLUSTER = {
    "name": "httproute/shop/cart/rule/0",
    "type": "STATIC",
    "connect_timeout": "10s",
    "outlier_detection": {},
    "load_assignment": {"cluster_name": "httproute/shop/cart/rule/0"},
}


def patched(policy: Any, listeners: dict[str, Any], clusters: list[Any]) -> dict[str, Any]:
    """Apply the patches as Envoy Gateway's internal/utils/jsonpatch does.

    An addition with an empty path and no JSONPath is a whole resource. Else the JSONPath is
    resolved against the resource as the patches before have left it, and `path` is appended to each
    place found.
    """
    for patch in policy["spec"]["jsonPatches"]:
        operation = patch["operation"]
        if not operation.get("path") and "jsonPath" not in operation:
            assert patch["type"].endswith("Cluster")
            clusters.append(operation["value"])
            continue
        resource = listeners[patch["name"]]
        pointers = [
            pointer(str(found.full_path)) for found in parse(operation["jsonPath"]).find(resource)
        ]
        assert pointers
        suffix = "/" + operation["path"] if operation.get("path") else ""
        changes = [
            {"op": operation["op"], "path": place + suffix, "value": operation["value"]}
            for place in pointers
        ]
        listeners[patch["name"]] = JsonPatch(changes).apply(resource)
    return {"static_resources": {"listeners": [*listeners.values()], "clusters": clusters}}


def pointer(path: str) -> str:
    """A place that was found, as JSON patches name it."""
    return "".join("/" + word for word in re.findall(r"[\w@]+", path))


def test_envoy_accepts_what_the_patches_make_of_envoy_gateways_listeners(tmp_path):
    """Envoy Gateway validates types only; a NACK would leave the gateway as it was, in silence."""
    listeners = {"shop/eg/http": gateways_listener("shop/eg/http")}
    before = {"static_resources": {"listeners": [*listeners.values()], "clusters": [CLUSTER]}}
    assert (0, "") == validate(tmp_path, before)
    policy = rendered("--format", "envoy-gateway", "--gateway", "eg", "-n", "shop")
    after = patched(policy, deepcopy(listeners), [CLUSTER])
    assert (0, "") == validate(tmp_path, after)
    assert 2 == len(managers(after))
    for manager in managers(after):
        names = [part["name"] for part in manager["http_filters"]]
        gate = [
            patch["operation"]["value"]["name"]
            for patch in policy["spec"]["jsonPatches"]
            if "jsonPath" in patch["operation"] and "path" not in patch["operation"]
        ]
        assert ["envoy.filters.http.health_check", *gate, ROUTER] == names
        assert 1 == len(manager["access_log"])
        assert 1 == len(manager["http_filters"][-1]["typed_config"]["upstream_log"])
