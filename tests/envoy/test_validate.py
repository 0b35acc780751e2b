from dataclasses import replace
from typing import Any

import pytest
import yaml

from istio.address import TcpAddress, UnixAddress
from istio.gate import GateOptions
from istio.generate import GOLDEN, MESH
from local.bootstrap import HOLD_CLUSTER, BootstrapOptions, Workload, bootstrap
from local.config import Protocol
from local.routes import Route
from tests.envoy.validation import NEEDS_ENVOY, validate

pytestmark = [*NEEDS_ENVOY]

OPTIONS = BootstrapOptions(
    listen=TcpAddress("127.0.0.1", 8080),
    workloads=(Workload("web"), Workload("rpc", Protocol.HTTP2)),
    routes=(Route("web"), Route("rpc", hosts=("rpc.localhost", "*.rpc.localhost"), prefix="/a")),
    hold_endpoints=(TcpAddress("127.0.0.1", 9001), UnixAddress("/tmp/hold.sock")),
)


@pytest.mark.parametrize(
    "options",
    [
        OPTIONS,
        replace(OPTIONS, gated=False),
        replace(OPTIONS, gate=GateOptions(cluster_name=HOLD_CLUSTER, chances=1)),
        replace(OPTIONS, gate=GateOptions(cluster_name=HOLD_CLUSTER, chances=5)),
        replace(OPTIONS, control_endpoint=TcpAddress("127.0.0.1", 9000)),
        replace(OPTIONS, admin=UnixAddress("/tmp/admin.sock")),
        replace(OPTIONS, workloads=(), routes=()),
    ],
    ids=["default", "ungated", "one chance", "five chances", "control", "admin", "no workload"],
)
def test_envoy_accepts_the_bootstrap(tmp_path, options):
    """The types say which fields exist; only Envoy says which values go together."""
    assert (0, "") == validate(tmp_path, bootstrap(options))


def test_envoy_accepts_the_golden_gate(tmp_path):
    """It is what a mesh's proxies get, and no API server checks it."""
    document: Any = bootstrap(replace(OPTIONS, gate=MESH, gated=False))
    (listener,) = document["static_resources"]["listeners"]
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"][:0] = yaml.safe_load((GOLDEN / "gate.yaml").read_text())
    assert (0, "") == validate(tmp_path, document)
