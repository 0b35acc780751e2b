"""Hold servers and controllers know one another by the token that the chart makes."""

import os
import subprocess
from base64 import b64decode

import grpc
import pytest

from deploy.generate import CHART
from e2e import layby
from e2e.install.charts import VALUES
from e2e.stack.processes import until
from e2e.workloads.sleeping import Sleeping
from feed.feed_pb2 import Report, WatchRequest
from feed.service import SERVICE
from tests.docs.pages import ROOT, blocks

WITHIN = 60.0
WAITING = ("--wait", "--timeout", "60s")
NAME = "layby-feed"


@pytest.fixture
def installed(empty, helm):  # noqa: ARG001 - in this order
    """Install the chart; it goes with the test."""
    helm("install", "layby", CHART, "--create-namespace", *WAITING, values=VALUES)
    yield
    helm("uninstall", "layby", *WAITING)


def lines(api):
    """The tokens in the Secret."""
    return b64decode(api.get("v1", "Secret", NAME, layby.NAMESPACE)["data"]["token"]).split()


def asked(api, *metadata):
    """Ask a hold server for its demand; return how that went."""
    [slices] = api.items("discovery.k8s.io/v1", "EndpointSlice", layby.NAMESPACE)
    address = next(e["addresses"][0] for e in slices["endpoints"] if e["conditions"]["ready"])
    with grpc.insecure_channel(f"{address}:9003") as channel:
        watch = channel.unary_stream(
            f"/{SERVICE}/Watch",
            request_serializer=WatchRequest.SerializeToString,
            response_deserializer=Report.FromString,
        )
        call = watch(WatchRequest(), metadata=metadata, timeout=10)
        try:
            next(call)
        except grpc.RpcError:
            return call.code()
        call.cancel()
        return grpc.StatusCode.OK


def with_token(token):
    return ("authorization", f"Bearer {token.decode()}")


def replicas(api, namespace):
    return api.get("apps/v1", "Deployment", "web", namespace)["spec"]["replicas"]


@pytest.mark.usefixtures("installed")
def test_demand_is_told_by_the_charts_token_which_is_changed_as_the_pages_say(
    stack, helm, kubectl, apply, namespace
):
    """On by default: a stranger is refused, and workloads are put to sleep, for the controller is
    not; an upgrade keeps the token, and what somebody has added to it.
    """
    api = stack.api
    [token] = lines(api)
    assert grpc.StatusCode.UNAUTHENTICATED == asked(api)
    assert grpc.StatusCode.UNAUTHENTICATED == asked(api, with_token(b"of-somebody-else"))
    assert grpc.StatusCode.OK == asked(api, with_token(token))

    web = Sleeping(stack, apply, namespace, f"web.{namespace}.example")
    web(spec={"idle": {"after": "2s"}})
    assert stack.gateway.get(f"web.{namespace}.example", patience=20).status == 200
    assert until(lambda: replicas(api, namespace) == 0, WITHIN)

    helm("upgrade", "layby", CHART, *WAITING, values=VALUES)
    assert [token] == lines(api)

    [script] = [each for each in blocks(ROOT / "docs/security.md", "sh") if NAME in each]
    path = f"{kubectl.parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "KUBECONFIG": str(stack.kubeconfig)}
    subprocess.run(["bash", "-euc", script], env=environment, check=True, timeout=60)
    [new] = lines(api)
    assert token != new
    helm("upgrade", "layby", CHART, *WAITING, values=VALUES)
    assert [new] == lines(api)
    # The stack's kubelet gives a Secret to new pods only.
    for part in ("layby-extproc", "layby-controller"):
        layby.renew(api, part)
    assert grpc.StatusCode.OK == asked(api, with_token(new))
    assert grpc.StatusCode.UNAUTHENTICATED == asked(api, with_token(token))
    assert stack.gateway.get(f"web.{namespace}.example", patience=20).status == 200
    assert until(lambda: replicas(api, namespace) == 0, WITHIN)
