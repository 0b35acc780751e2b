"""An upgrade after which fewer namespaces are served: what sleeps in the others is not left so."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import yaml

from deploy.generate import CHART, NAMESPACE

VARIABLE = "LAYBY_CONTROLLER_WATCH_NAMESPACES"
HOLDS = "/apis/layby.dev/v1alpha1"
CONTROLLER = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/layby-controller"
KINDS = {
    "/api/v1": [("secrets", "Secret", True), ("namespaces", "Namespace", False)],
    "/apis/apps/v1": [("deployments", "Deployment", True)],
    HOLDS: [("trafficholds", "TrafficHold", True)],
}
ALL = "all"


class Server(ThreadingHTTPServer):
    """As much of an API server as helm looks things up in."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, dict[str, Any]] = {"/version": {"major": "1", "minor": "31"}}
        for path, kinds in KINDS.items():
            names = ("name", "kind", "namespaced")
            served = [{**dict(zip(names, kind, strict=True)), "verbs": ["list"]} for kind in kinds]
            group = path.removeprefix("/apis/").removeprefix("/api/")
            self.answers[path] = {
                "kind": "APIResourceList",
                "groupVersion": group,
                "resources": served,
            }

    def have_controller(self, watched: str) -> None:
        """Have a controller that watches some namespaces."""
        env = [{"name": "OTHER", "valueFrom": {}}]
        if watched != ALL:
            env.append({"name": VARIABLE, "value": watched})
        pod = {"spec": {"containers": [{"name": "controller", "env": env}]}}
        spec = {"template": pod}
        self.answers[CONTROLLER] = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec}

    def have_holds(self, *holds: tuple[str, str, list[str]]) -> None:
        """Have TrafficHolds, each by its namespace, its name and its finalizers."""
        for namespace in ("", *(hold[0] for hold in holds)):
            items = [
                {"metadata": {"namespace": where, "name": name, "finalizers": finalizers}}
                for where, name, finalizers in holds
                if namespace in {"", where}
            ]
            path = f"{HOLDS}/namespaces/{namespace}" if namespace else HOLDS
            listed = {"kind": "TrafficHoldList", "apiVersion": "layby.dev/v1alpha1", "items": items}
            self.answers[f"{path}/trafficholds"] = listed


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    server: Server

    def do_GET(self) -> None:
        """Answer."""
        found = self.server.answers.get(self.path.partition("?")[0])
        missing = {"kind": "Status", "apiVersion": "v1", "code": 404, "reason": "NotFound"}
        body = json.dumps(found or {**missing, "status": "Failure"}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server():
    """An API server with what the test says."""
    with Server() as server:
        thread = Thread(target=server.serve_forever, name="API server")
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def upgrade(helm, server, tmp_path):
    """Render the chart with a list of namespaces for what the server has; return what is said."""
    config = tmp_path / "config"
    cluster = {"name": "x", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
    context = {"name": "x", "context": {"cluster": "x", "user": "x"}}
    user = {"name": "x", "user": {}}
    clients = {"clusters": [cluster], "contexts": [context], "users": [user]}
    config.write_text(json.dumps({**clients, "current-context": "x"}))

    def do(*namespaces, words=("--dry-run=server",)):
        values = yaml.safe_dump({"watchNamespaces": list(namespaces)})
        command = ("template", "layby", CHART, "--namespace", NAMESPACE, "--values", "-")
        kinds = ("--api-versions", "layby.dev/v1alpha1/TrafficHold")
        done = helm(*command, *kinds, *words, "--kubeconfig", str(config), stdin=values)
        assert bool(done.returncode) == ("watchNamespaces leaves out" in done.stderr), done.stderr
        return done.stderr

    return do


@pytest.mark.parametrize("before", [ALL, "shop,till"])
def test_it_is_refused_while_something_is_held_there(server, upgrade, before):
    """Nobody would wake it; and its finalizer would keep it, and its namespace, for ever."""
    server.have_controller(before)
    server.have_holds(("shop", "cart", ["layby.dev/wake"]), ("till", "desk", ["layby.dev/wake"]))
    said = upgrade("shop")
    assert "leaves out till, where the TrafficHold desk is held" in said
    assert "kubectl -n till delete traffichold desk" in said


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ALL, ["shop", "till"]),
        (ALL, []),
        ("shop,till", []),
        ("shop", ["shop"]),
        ("shop", ["shop", "more"]),
        (None, ["shop"]),
    ],
    ids=str,
)
def test_it_is_not_if_all_that_is_held_is_served_still(server, upgrade, before, after):
    """What was not served before may be another Layby's."""
    if before:
        server.have_controller(before)
    server.have_holds(("shop", "cart", ["layby.dev/wake"]), ("till", "desk", ["layby.dev/wake"]))
    assert not upgrade(*after)


def test_it_is_not_for_what_is_not_held(server, upgrade):
    """A dry run, say: there is nothing to undo."""
    server.have_controller(ALL)
    server.have_holds(("till", "desk", []), ("till", "dry", ["somebody.else/s"]))
    assert not upgrade("shop")


def test_without_a_cluster_nothing_is_known_and_nothing_refused(server, upgrade):
    """Who renders manifests, Argo CD for one, has to know it from the manual."""
    server.have_controller(ALL)
    server.have_holds(("till", "desk", ["layby.dev/wake"]))
    assert not upgrade("shop", words=())
