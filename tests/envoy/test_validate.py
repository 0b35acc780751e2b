import json
import shutil
import subprocess
from dataclasses import replace

import pytest

from istio.cluster import TcpAddress, UnixAddress
from istio.gate import GateOptions
from local.bootstrap import HOLD_CLUSTER, BootstrapOptions, Protocol, Workload, bootstrap
from local.routes import Route

ENVOY = shutil.which("envoy")

pytestmark = [
    pytest.mark.envoy,
    pytest.mark.skipif(ENVOY is None, reason="no `envoy` on the path (the `local` extra has it)"),
]

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
    path = tmp_path / "envoy.json"
    path.write_text(json.dumps(bootstrap(options)))
    assert ENVOY is not None
    done = subprocess.run(
        [ENVOY, "--mode", "validate", "-c", path, "-l", "error"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
