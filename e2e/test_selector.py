"""The gate for the gateways only, by their labels: sidecars hold nothing, and tell all the same."""

import json
import time

import pytest

from e2e import layby
from e2e.stack.processes import until
from e2e.stack.whole import GATEWAY_LABELS
from e2e.workloads.sleeping import WITHIN, Sleeping

IDLE_SECONDS = 3
LOG = {
    "apiVersion": "networking.istio.io/v1alpha3",
    "kind": "EnvoyFilter",
    "metadata": {"name": "layby-log", "namespace": "istio-system"},
}


@pytest.fixture(scope="module", autouse=True)
def installed(stack):
    """Layby with a gate for some."""
    layby.install(stack.api, {"LAYBY_CONTROLLER_GATE_SELECTOR": json.dumps(GATEWAY_LABELS)})


@pytest.fixture
def web(stack, apply, namespace, host):
    return Sleeping(stack, apply, namespace, host)


def test_requests_through_an_envoy_without_the_gate_keep_a_workload_up(
    stack, web, namespace, host, service
):
    """It would be put to sleep under their traffic, and they would have no answer but 503."""
    web(spec={"idle": {"after": f"{IDLE_SECONDS}s"}})
    assert 200 == stack.gateway.get(host, patience=WITHIN).status
    assert until(lambda: 200 == stack.caller.get(service).status, WITHIN)
    end = time.monotonic() + 4 * IDLE_SECONDS
    while time.monotonic() < end:
        assert 200 == stack.caller.get(service).status
        # The load, and not a wait: a request or two within what counts as idle.
        time.sleep(IDLE_SECONDS / 2)
    assert until(lambda: not stack.api.items("v1", "Pod", namespace), 2 * WITHIN)
    assert 503 == stack.caller.get(service).status
    assert 200 == stack.gateway.get(host, patience=WITHIN).status


def test_the_log_goes_with_the_selector(stack, web):
    """Beside that of a gate for all, each request would count twice."""
    web()
    assert stack.api.exists(LOG)
    layby.install(stack.api)
    assert until(lambda: not stack.api.exists(LOG), WITHIN)
