import pytest
import yaml

from kube.resource import DEPLOYMENTS, SERVICES, TRAFFIC_HOLDS
from tests.extproc.mesh.http_api import serving_api
from tests.extproc.mesh.objects import deployment, hold, service
from tests.extproc.mesh.running import Running


@pytest.fixture
async def api(tmp_path, monkeypatch):
    """An API server in memory, to which `$KUBECONFIG` leads."""
    async with serving_api() as http:
        config = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
            "clusters": [{"name": "here", "cluster": {"server": http.server.url}}],
            "users": [{"name": "me", "user": {}}],
        }
        file = tmp_path / "config"
        file.write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(file))
        yield http.api


@pytest.fixture
async def running(api, caplog, eventually, request):
    """A hold server for `cart`, which sleeps; a test may give settings."""
    api.put(DEPLOYMENTS, deployment())
    api.put(TRAFFIC_HOLDS, hold())
    api.put(SERVICES, service())
    running = Running(caplog, **getattr(request, "param", {}))
    await eventually(lambda: running.port is not None)
    yield running
    await running.stop()
