"""A K3s container's API server, where there is a Docker engine to run it.

Owns the container. It runs no pods of ours: they are local programs.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOCKET = "/var/run/docker.sock"
IMAGE = "rancher/k3s:v1.36.3-k3s1"


class K3sError(Exception):
    """There can be no K3s container; the text says why."""


@contextmanager
def k3s(folder: Path) -> Iterator[Path]:
    """Have an API server while a block runs; the value is its kubeconfig file.

    Raises:
        K3sError: there is no Docker engine, or it does not get or start the image.
    """
    _require_engine()
    try:
        from docker.errors import DockerException  # noqa: PLC0415 - an optional dependency
        from testcontainers.community.k3s import K3SContainer  # noqa: PLC0415
    except ImportError as error:
        raise K3sError(f"no K3s container: {error}") from error
    try:
        container = K3SContainer(IMAGE).start()
    except (DockerException, OSError, TimeoutError) as error:
        raise K3sError(f"no K3s container: {error}") from error
    try:
        kubeconfig = folder / "kubeconfig"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(container.config_yaml())
        yield kubeconfig
    finally:
        container.stop()


def _require_engine() -> None:
    """Look before the Docker client does, which leaves its socket open when there is nobody."""
    if os.environ.get("DOCKER_HOST"):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(SOCKET)
        except OSError as error:
            raise K3sError(f"no K3s container: no Docker engine at {SOCKET}: {error}") from error
