"""The edge to the network: a real server on a real socket, which behaves as badly as told."""

import asyncio
import json
import os
import socket
import sys
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import incluster_config

from kube.client import Kube
from kube.connection import ConfigError, Connection
from kube.errors import NotFoundError, UnreachableError
from kube.informer import Informer
from kube.request import Request
from kube.resource import PODS, Key, Selection
from kube.watch import Pace
from tests.kube.fake_api import status

CART = Key("shop", "cart")
QUICK = Pace(first_retry_seconds=0.01, longest_retry_seconds=0.02)


class Server:
    """An HTTP server whose handler is the test's to choose."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.bodies: list[str] = []
        self.peers: set[object] = set()
        self.url = ""
        self.handler = self.answer(200, {})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note a request, and answer it."""
        self.requests.append(request)
        self.bodies.append(await request.text())
        assert request.transport
        self.peers.add(request.transport.get_extra_info("peername"))
        return await self.handler(request)

    @staticmethod
    def answer(code, body):
        """Make a handler that always says the same."""

        async def handler(_: web.Request) -> web.StreamResponse:
            return web.json_response(body, status=code)

        return handler


@pytest.fixture
async def server():
    """A server that answers with an empty object."""
    server = Server()
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=0.1)
    await site.start()
    host, port = runner.addresses[0]
    server.url = f"http://{host}:{port}"
    yield server
    await runner.cleanup()


@pytest.fixture
async def connection(server):
    """A connection to that server, without credentials."""
    async with Connection(Configuration(host=server.url), "layby/test") as connection:
        yield connection


@pytest.fixture
def kube(connection):
    return Kube(connection, timeout_seconds=2.0)


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


async def test_a_request_is_what_was_asked_for(server, kube):
    """Method, path, query, body and type, and who asks."""
    await kube.patch_json(PODS, CART, [{"op": "test", "path": "/a", "value": "ü"}])
    (request,) = server.requests
    assert ("PATCH", "/api/v1/namespaces/shop/pods/cart") == (request.method, request.path)
    assert {"fieldManager": "layby"} == dict(request.query)
    assert [{"op": "test", "path": "/a", "value": "ü"}] == json.loads(server.bodies[0])
    assert "application/json-patch+json" == request.headers["Content-Type"]
    assert "layby/test" == request.headers["User-Agent"]
    assert "Authorization" not in request.headers


async def test_selectors_arrive_as_they_were_written(server, kube):
    """They are full of characters that mean something in a query."""
    server.handler = server.answer(200, {"items": [], "metadata": {"resourceVersion": "1"}})
    labels = "app in (a,b),tier!=x&y=z+1,a/b"
    await kube.list(Selection(PODS, labels=labels, fields="metadata.name=%2F"))
    query = server.requests[0].query
    assert (labels, "metadata.name=%2F") == (query["labelSelector"], query["fieldSelector"])


async def test_one_connection_carries_many_requests(server, kube):
    """Refused ones too: a handshake costs more than the request."""
    await kube.get(PODS, CART)
    server.handler = server.answer(404, status(404, "NotFound"))
    for _ in range(3):
        with pytest.raises(NotFoundError):
            await kube.get(PODS, CART)
    assert 4 == len(server.requests)
    assert 1 == len(server.peers)


async def test_nobody_listening_is_an_error_of_ours(connection):
    """Whoever asks must not need to know the HTTP library's."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        async with Connection(Configuration(host=url)) as lost:
            with pytest.raises(UnreachableError) as caught:
                await Kube(lost).get(PODS, CART)
    assert (0, "Unreachable") == (caught.value.status, caught.value.reason)
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize("place", ["head", "body"])
async def test_a_server_that_hangs_up_is_one_too(server, kube, place):
    """Before its answer, or in the middle of it."""

    async def hang_up(request):
        if place == "body":
            response = web.StreamResponse()
            response.enable_chunked_encoding()
            await response.prepare(request)
            await response.write(b'{"kind": ')
        request.transport.abort()
        return web.Response()

    server.handler = hang_up
    with pytest.raises(UnreachableError):
        await kube.create(PODS, {"metadata": {"name": "a"}})


@pytest.mark.parametrize("place", ["head", "body"])
async def test_a_server_that_does_not_answer_is_not_waited_for_for_ever(server, connection, place):
    """A worker would be stuck on that key until the process is started anew."""

    async def dawdle(request):
        if place == "body":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b'{"kind": ')
        await asyncio.sleep(60)
        return web.Response()

    server.handler = dawdle
    with pytest.raises(UnreachableError) as caught:
        await Kube(connection, timeout_seconds=0.05).get(PODS, CART)
    assert "Timeout" == caught.value.reason


async def test_a_silent_stream_is_given_up(server, connection):
    """A watch has no time limit worth the name, but its silence has one."""

    async def fall_silent(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{}\n")
        await asyncio.sleep(60)
        return response

    server.handler = fall_silent
    request = Request("watch", "GET", PODS.path(), timeout_seconds=60, silence_seconds=0.05)
    pieces = []

    async def read() -> None:
        async with Kube(connection).opened(request) as answer:
            pieces.extend([piece async for piece in answer.chunks()])

    with pytest.raises(UnreachableError):
        await read()


async def test_an_informer_gets_over_a_cut_in_the_middle_of_a_line(server, kube):
    """All of it together: sockets, chunks, lines, versions."""
    pods = [
        {"metadata": {"name": name, "resourceVersion": str(number)}}
        for number, name in enumerate("abc")
    ]
    lines = [json.dumps({"type": "ADDED", "object": pod}).encode() + b"\n" for pod in pods]
    versions: list[str] = []

    async def serve(request):
        if "watch" not in request.query:
            return web.json_response({"items": pods[:1], "metadata": {"resourceVersion": "0"}})
        versions.append(request.query["resourceVersion"])
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        if len(versions) == 1:
            await response.write(lines[1] + lines[2][:20])
            request.transport.abort()
            return response
        await response.write(lines[2])
        await asyncio.sleep(60)
        return response

    server.handler = serve
    informer = Informer(kube, Selection(PODS), pace=QUICK)
    third = asyncio.Event()
    informer.subscribe(lambda change: third.set() if change.key.name == "c" else None)
    task = asyncio.create_task(informer.run())
    await asyncio.wait_for(third.wait(), 5)
    assert {"a", "b", "c"} == {key.name for key in informer.store.snapshot()}
    assert ["0", "1"] == versions
    task.cancel()
    await asyncio.wait([task])


async def test_a_peer_that_is_gone_is_noticed_by_the_kernel(server, kube, monkeypatch):
    """A node that loses its power sends no goodbye."""
    made = []
    original = socket.socket

    def note(*arguments, **options):
        made.append(original(*arguments, **options))
        return made[-1]

    monkeypatch.setattr("kube.connection.socket.socket", note)
    await kube.get(PODS, CART)
    (used,) = made
    assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert 10 == used.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    assert 25_000 == used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)


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


async def test_a_token_that_a_program_gives_is_asked_for_again_before_it_expires(
    server, tmp_path, monkeypatch
):
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
    authority.write_text(Path(pytest.importorskip("certifi").where()).read_text())
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority))
    async with await Connection.open(user_agent="x") as connection:
        assert "https://[fd00::1]:443" == connection.host
        request = Request("get", "GET", "/")
        assert "bearer first" == (await connection._headers(request))["Authorization"]
        token.write_text("second")
        loader = connection._configuration.refresh_api_key_hook.__closure__[0].cell_contents
        loader.token_expires_at -= loader._token_refresh_period
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
    """On a machine without a cluster."""
    with pytest.raises(ConfigError):
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
