import pytest
import yaml

from tests.extproc.mesh.http_api import serving_api


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
