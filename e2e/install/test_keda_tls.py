"""KEDA and the hold servers know one another by the certificates that the chart makes."""

import subprocess
from base64 import b64decode

import pytest

from deploy.generate import CHART
from e2e import layby
from e2e.install.charts import VALUES
from e2e.keda import scene
from e2e.stack.processes import until

WITHIN = 60.0
SERVER, CLIENT = "layby-keda-server", "layby-keda-client"
WAITING = ("--wait", "--timeout", "60s")


@pytest.fixture
def install(keda, empty, helm):  # noqa: ARG001 - in this order
    """Install the chart beside KEDA; it goes with the test."""
    helm("install", "layby", CHART, "--create-namespace", *WAITING, values=VALUES)
    yield
    helm("uninstall", "layby", *WAITING)


@pytest.fixture
def address(stack):
    """Where a hold server answers KEDA."""
    return next(iter(hold_servers(stack.api).values()))["status"]["podIP"]


def data(api, name, namespace):
    found = api.get("v1", "Secret", name, namespace)["data"]
    return {key: b64decode(value) for key, value in found.items()}


def asked(address, *words):
    """Shake hands with a hold server; return whether it went on with us."""
    command = ["openssl", "s_client", "-connect", f"{address}:9091", "-alpn", "h2", *words]
    # TLS 1.2 tells of a certificate that is missing within the handshake.
    done = subprocess.run(
        [*command, "-tls1_2"], input=b"", capture_output=True, timeout=20, check=False
    )
    return not done.returncode and b"alert" not in done.stderr


@pytest.mark.usefixtures("install")
def test_keda_scales_by_the_certificates_that_the_chart_has_made(
    stack, apply, namespace, helm, address, tmp_path
):
    """On by default: the whole round, and nobody else is answered; an upgrade changes nothing."""
    web = scene.Web(stack, namespace)
    web.deploy(apply)
    assert until(lambda: web.replicas == 0, WITHIN)
    assert web.get().status == 200
    trigger = stack.api.items(scene.KEDA, "ScaledObject", namespace)[0]["spec"]["triggers"][0]
    assert {"kind": "ClusterTriggerAuthentication", "name": "layby-keda"} == trigger[
        "authenticationRef"
    ]
    assert until(lambda: web.replicas == 0, WITHIN)

    mine = data(stack.api, CLIENT, "keda")
    for name, value in mine.items():
        (tmp_path / name).write_bytes(value)
    shown = ("-cert", tmp_path / "tls.crt", "-key", tmp_path / "tls.key")
    assert asked(address, *shown)
    assert not asked(address)

    before = data(stack.api, SERVER, layby.NAMESPACE)
    helm("upgrade", "layby", CHART, *WAITING, values=VALUES)
    assert before == data(stack.api, SERVER, layby.NAMESPACE)
    assert mine == data(stack.api, CLIENT, "keda")


@pytest.mark.usefixtures("install")
def test_new_certificates_are_taken_by_both_sides(stack, apply, namespace, helm):
    """They are made when two thirds of the old ones' life are over, or when those are deleted."""
    web = scene.Web(stack, namespace)
    web.deploy(apply)
    made = [data(stack.api, CLIENT, "keda")]
    server = {"apiVersion": "v1", "kind": "Secret", "metadata": named(SERVER)}
    stack.api.patch(server, {"metadata": {"annotations": {"layby.dev/renew-after": "1"}}})
    helm("upgrade", "layby", CHART, *WAITING, values=VALUES)
    made.append(data(stack.api, CLIENT, "keda"))
    stack.api.delete([server])
    helm("upgrade", "layby", CHART, *WAITING, values=VALUES)
    made.append(data(stack.api, CLIENT, "keda"))
    assert 3 == len({each["ca.crt"] for each in made})
    assert made[-1]["ca.crt"] == data(stack.api, SERVER, layby.NAMESPACE)["ca.crt"]

    # The stack's kubelet gives a Secret to new pods only.
    before = hold_servers(stack.api)
    stack.api.delete(list(before.values()))
    assert until(lambda: before.keys().isdisjoint(hold_servers(stack.api)), WITHIN)
    assert until(lambda: web.get(patience=5).status == 200, WITHIN)
    assert until(lambda: web.replicas == 0, WITHIN)


def hold_servers(api):
    """The pods of the hold servers, by name."""
    return {
        name: {"apiVersion": "v1", "kind": "Pod", **pod}
        for pod in api.items("v1", "Pod", layby.NAMESPACE)
        if "-extproc-" in (name := pod["metadata"]["name"])
    }


def named(name):
    return {"name": name, "namespace": layby.NAMESPACE}
