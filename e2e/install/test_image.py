"""The image, built and run by a real Docker engine, on a base that is made here."""

import json
import socket
import sys
import time

import pytest

from e2e.stack.processes import until

HARDENED = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "network_mode": "host",
}
WITHIN = 60.0
MANY = 1 << 20
SIZE_LIMIT = 110 * MANY
"""Of what is Layby's in it, without the base."""
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def image(build):
    """The image as it is shipped."""
    return build("layby-test:plain")


@pytest.fixture
def run(engine):
    """Start a container; it goes with the test."""
    started = []

    def do(image, *words, **options):
        container = engine.containers.run(
            image.id, list(words), detach=True, **{**HARDENED, **options}
        )
        started.append(container)
        return container

    yield do
    for container in started:
        container.remove(force=True)


def own_layers(image, engine, base):
    """The layers that are not the base's."""
    below = engine.images.get(base).attrs["RootFS"]["Layers"]
    layers = image.attrs["RootFS"]["Layers"]
    assert below == layers[: len(below)]
    return layers[len(below) :]


def finished(container):
    """Return the exit code and what was said."""
    code = container.wait(timeout=WITHIN)["StatusCode"]
    return code, container.logs().decode()


def test_it_is_small_and_says_what_it_is(image, engine, bases):
    """Each node pulls it, the first time while somebody waits."""
    base = engine.images.get(bases["run"]).attrs["Size"]
    own = image.attrs["Size"] - base
    sys.stderr.write(f"image: {own / MANY:.0f} MiB on a base of {base / MANY:.0f} MiB\n")
    assert own < SIZE_LIMIT
    config = image.attrs["Config"]
    assert "65532:65532" == config["User"]
    assert ["/opt/layby/bin/layby"] == config["Entrypoint"]
    labels = config["Labels"]
    assert ("Layby", "Apache-2.0", "0", "test") == tuple(
        labels[f"org.opencontainers.image.{name}"]
        for name in ("title", "licenses", "version", "revision")
    )


def test_it_is_one_layer_and_the_same_whenever_it_is_built(image, build, engine, bases):
    """Who does not trust it can build it, and compare."""
    again = build("layby-test:again", nocache=True)
    assert 1 == len(own_layers(image, engine, bases["run"]))
    assert own_layers(image, engine, bases["run"]) == own_layers(again, engine, bases["run"])


def test_it_has_no_shell(run, image, engine):
    """What somebody who gets in would look for first."""
    errors = pytest.importorskip("docker.errors")
    with pytest.raises(errors.APIError, match="executable file not found"):
        run(image, "-c", "true", entrypoint="sh")
    for container in engine.containers.list(all=True, filters={"status": "created"}):
        container.remove(force=True)


def test_it_runs_hardened(run, image):
    """As Kubernetes' "restricted" wants it: not root, nothing to write to, no rights."""
    code, said = finished(run(image, "--version"))
    assert (0, "layby, version") == (code, said[:14])
    code, said = finished(run(image, "extproc", "--log-level", "loud"))
    assert (2, True) == (code, "'loud' is not one of" in said)


@pytest.fixture
def kubeconfig(tmp_path):
    """A way to an API server that does not answer."""
    user = {"name": "u", "user": {"token": "t"}}
    server = {"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}
    here = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    document = {"apiVersion": "v1", "kind": "Config", "current-context": "x"}
    document |= {"users": [user], "clusters": [server], "contexts": [here]}
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(document))
    tmp_path.chmod(0o755)
    return {str(file): {"bind": "/kubeconfig", "mode": "ro"}}


@pytest.mark.parametrize("service", ["extproc", "controller"])
def test_a_service_ends_when_told_to_and_says_how_it_is(run, image, kubeconfig, service):
    """It is process 1, to which the kernel gives no default for any signal."""
    port = {"extproc": "19002", "controller": "18081"}[service]
    environment = {
        "KUBECONFIG": "/kubeconfig",
        "LAYBY_EXTPROC_LISTEN": f"127.0.0.1:{port}",
        "LAYBY_EXTPROC_FEED_LISTEN": "127.0.0.1:19003",
        "LAYBY_EXTPROC_SCALER_LISTEN": "127.0.0.1:19091",
        "LAYBY_EXTPROC_DRAIN_SECONDS": "0",
        "LAYBY_CONTROLLER_HEALTH_HOST": "127.0.0.1",
        "LAYBY_CONTROLLER_HEALTH_PORT": port,
        "LAYBY_CONTROLLER_STOP_SECONDS": "1",
    }
    container = run(image, service, environment=environment, volumes=kubeconfig)
    assert until(lambda: listens(int(port)), WITHIN), container.logs().decode()
    # Nothing is known yet, and that is no reason to be sent requests.
    checked = container.exec_run(["/opt/layby/bin/python", "/opt/layby/healthcheck.py"])
    expected = {
        "extproc": "127.0.0.1:19002: NOT_SERVING\n",
        "controller": "http://127.0.0.1:18081/readyz: 503\n",
    }[service]
    assert (1, expected) == (checked.exit_code, checked.output.decode())
    begun = time.monotonic()
    container.stop(timeout=30)
    took = time.monotonic() - begun
    code, said = finished(container)
    assert (0, True) == (code, took < 15), (took, said)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_with_an_envoy_it_holds_and_releases_requests(build, run):
    """The whole of it in one container: parked in Envoy, woken, let go."""
    local = build("layby-test:local", extras="local")
    sys.stderr.write(f"with Envoy: {local.attrs['Size'] / MANY:.0f} MiB\n")
    container = run(local, "demo", tmpfs={"/tmp": ""}, mem_limit="512m")
    code, said = finished(container)
    assert 0 == code, said
    assert "Every request was answered as promised." in said
