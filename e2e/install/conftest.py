"""A Helm and a Docker engine, each a real one, and what the tests make with them."""

import os
import shutil
import subprocess

import pytest
import yaml

from e2e import layby
from e2e.install.docker_build import DOCKERFILE, context, index
from e2e.install.docker_engine import RELEASE, SOCKET, accepts, make_system, own_engine
from e2e.install.remains import forget, remains
from e2e.stack.processes import until
from e2e.stack.releases import cache

WITHIN = 30.0


@pytest.fixture(scope="module")
def helm(stack, helm):
    """Run helm against the stack; return what it prints, and what it says if it fails."""

    def run(*words, values=None):
        given = ("--values", "-") if values is not None else ()
        done = subprocess.run(
            [
                *(helm, *words, *given, "--namespace", layby.NAMESPACE),
                *("--kubeconfig", stack.kubeconfig),
            ],
            input=yaml.safe_dump(values),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert not done.returncode, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def empty(stack):
    """No Layby, whatever another test has installed."""
    forget(stack.api)
    assert until(lambda: not remains(stack.api), WITHIN), remains(stack.api)


@pytest.fixture(scope="module")
def required(request):
    """Fail where there is no Docker engine to be had, or skip."""
    return pytest.fail if request.config.option.image_required else pytest.skip


@pytest.fixture(scope="module")
def engine(required):
    """A client of a Docker engine: the one that runs, or one of the test's own."""
    docker = pytest.importorskip("docker")
    if os.environ.get("DOCKER_HOST"):
        client = docker.from_env(timeout=600)
    elif accepts(SOCKET):
        client = docker.DockerClient(f"unix://{SOCKET}", timeout=600)
    else:
        if os.geteuid() or not shutil.which("dockerd"):
            required(f"no Docker engine at {SOCKET}, and no dockerd that could be started as root")
        with own_engine() as address:
            client = docker.DockerClient(f"unix://{address}", timeout=600)
            yield client
            client.close()
        return
    yield client
    client.close()


@pytest.fixture(scope="module")
def bases(engine, required):
    """The images to build on and to run on; the system is made once and kept."""
    kept = {name: cache() / f"base-{RELEASE}-{name}.tar" for name in ("build", "run")}
    if not all(path.exists() for path in kept.values()):
        if os.geteuid() or not shutil.which("debootstrap"):
            required("no base image: install debootstrap, and run the tests as root")
        make_system(kept)
    names = {}
    for name, path in kept.items():
        names[name] = f"layby-test-{name}:{RELEASE}"
        done = engine.api.import_image_from_file(str(path), *names[name].split(":"))
        assert "sha256:" in done, done
    return names


@pytest.fixture(scope="module")
def build(engine, bases):
    """Build the image; return it."""
    made = []

    def do(tag, extras="", **options):
        arguments = {**index(), "BASE_BUILD": bases["build"], "BASE_RUN": bases["run"]}
        arguments |= {"EXTRAS": extras, "VERSION": "0", "REVISION": "test"}
        lines = engine.api.build(
            fileobj=context(),
            custom_context=True,
            dockerfile=DOCKERFILE,
            tag=tag,
            buildargs=arguments,
            network_mode="host",
            rm=True,
            forcerm=True,
            decode=True,
            **options,
        )
        log = [line for line in lines if "stream" in line or "error" in line]
        errors = [line["error"] for line in log if "error" in line]
        said = "".join(line.get("stream", "") for line in log)
        assert not errors, said[-3000:] + errors[0]
        made.append(tag)
        return engine.images.get(tag)

    yield do
    for tag in made:
        engine.images.remove(tag, force=True)
