import os
import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import certifi
import pytest
import yaml
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import incluster_config

from kube.client import Kube
from kube.connection import ConfigError, Connection
from kube.request import Request
from kube.resource import PODS, Key

CART = Key("shop", "cart")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """No file or variable of the machine says where an API server is."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def kubeconfig(path: Path, server: str, **user: object) -> Path:
    """Write a kubeconfig file with two contexts, of which the second is chosen."""
    named = [("other", "http://192.0.2.1:1"), ("test", server)]
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url}} for name, url in named],
        "users": [{"name": "user", "user": user}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": "user"}} for name, _ in named
        ],
        "current-context": "test",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.mark.parametrize("how", ["named", "variable", "home"])
async def test_a_kubeconfig_file_is_found_where_kubectl_finds_it(
    server, tmp_path, monkeypatch, how
):
    """And its token is sent."""
    where = {"named": "given", "variable": "listed", "home": ".kube/config"}[how]
    file = kubeconfig(tmp_path / where, server.url, token="secret")
    if how == "variable":
        monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/missing{os.pathsep}{file}")
    given = file if how == "named" else None
    async with await Connection.open(kubeconfig=given, user_agent="x") as connection:
        await Kube(connection).get(PODS, CART)
    assert "Bearer secret" == server.requests[0].headers["Authorization"]


async def test_a_context_can_be_chosen(tmp_path):
    """People have many clusters in one file."""
    file = kubeconfig(tmp_path / "config", "http://192.0.2.2:2")
    opened = await Connection.open(kubeconfig=file, context="other", user_agent="x")
    async with opened as connection:
        assert "http://192.0.2.1:1" == connection.host


# The loader asks for the time in a way that Python 3.12 and later warn of.
@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
async def test_a_token_that_a_program_gives_is_asked_for_again_before_it_expires(server, tmp_path):
    """Cloud providers' tokens live for minutes, a controller for months."""
    script = tmp_path / "login"
    script.write_text(
        f"#!{sys.executable} -IS\n"
        "import json, pathlib\n"
        f"count = pathlib.Path({str(tmp_path / 'count')!r})\n"
        "count.write_text(count.read_text() + 'x' if count.exists() else 'x')\n"
        "print(json.dumps({'apiVersion': 'client.authentication.k8s.io/v1',"
        " 'kind': 'ExecCredential', 'status': {'token': count.read_text(),"
        " 'expirationTimestamp': '2020-01-01T00:00:00Z'}}))\n"
    )
    script.chmod(0o755)
    login = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}
    file = kubeconfig(tmp_path / "config", server.url, exec=login)
    async with await Connection.open(kubeconfig=file, user_agent="x") as connection:
        for _ in range(2):
            await Kube(connection).get(PODS, CART)
    sent = [request.headers["Authorization"] for request in server.requests]
    assert ["Bearer xx", "Bearer xxx"] == sent


async def test_in_a_pod_the_service_account_is_used_and_its_token_read_again(tmp_path, monkeypatch):
    """The kubelet puts a new one there every hour, and the old one stops working."""
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("first")
    shutil.copyfile(certifi.where(), authority)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority))
    now = datetime(2026, 1, 1)  # noqa: DTZ001 - as the loader does
    clock = SimpleNamespace(timedelta=timedelta, datetime=SimpleNamespace(now=lambda: now))
    monkeypatch.setattr(incluster_config, "datetime", clock)
    async with await Connection.open(user_agent="x") as connection:
        assert "https://[fd00::1]:443" == connection.host
        request = Request("get", "GET", "/")
        assert "bearer first" == (await connection._headers(request))["Authorization"]
        token.write_text("second")
        assert "bearer first" == (await connection._headers(request))["Authorization"]
        now += timedelta(seconds=60)
        assert "bearer second" == (await connection._headers(request))["Authorization"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("{}", "context"),
        ("a: [", "while parsing"),
        ("apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts: []", "x"),
    ],
)
async def test_an_unusable_file_is_a_configuration_error(tmp_path, content, message):
    """Said in a sentence, before anything is started."""
    file = tmp_path / "config"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=message):
        await Connection.open(kubeconfig=file, user_agent="x")


async def test_nothing_to_go_by_is_a_configuration_error():
    """On a machine without a cluster; each of the ways out is named."""
    with pytest.raises(ConfigError) as caught:
        await Connection.open(user_agent="x")
    for way in ("KUBECONFIG", "~/.kube/config", "--kubeconfig", "pod"):
        assert way in str(caught.value)


async def test_a_variable_that_leads_nowhere_is_named(monkeypatch, tmp_path):
    """A typo there must not look like a file that is broken."""
    named = f"{tmp_path}/a{os.pathsep}{tmp_path}/b"
    monkeypatch.setenv("KUBECONFIG", named)
    with pytest.raises(ConfigError, match=f"^KUBECONFIG: no such file: {named}$"):
        await Connection.open(user_agent="x")


@pytest.mark.parametrize(
    ("exempt", "expected"), [("", "http://192.0.2.7:3128"), ("api.example,x", None)]
)
async def test_a_proxy_is_used_as_by_everything_else_on_the_machine(monkeypatch, exempt, expected):
    """It is looked up once: aiohttp would do it in a thread, before every request."""
    monkeypatch.setenv("http_proxy", "http://192.0.2.7:3128")
    monkeypatch.setenv("no_proxy", exempt)
    configuration = Configuration(host="http://api.example:80")
    async with Connection(configuration):
        assert expected == configuration.proxy
