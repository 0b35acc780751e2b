"""A port that is chosen is free, and one that is taken is seen to be."""

import socket
from pathlib import Path

import pytest

from local.address import free_port, in_use


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_port_with_a_listener_is_in_use(host: str):
    """Otherwise a stranger on a workload's port would pass for the workload."""
    with socket.create_server((host, 0)) as listener:
        assert in_use(listener.getsockname()[1])


def test_port_with_old_connections_only_is_not_in_use():
    """A workload that restarts on its own port must not fail on what TIME_WAIT keeps of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = listener.accept()
            accepted.close()  # the side that closes first is the one that waits

    assert not in_use(port)


def first_ephemeral_port() -> int:
    """Read where the range of outgoing connections starts."""
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


@pytest.mark.skipif(first_ephemeral_port() < 20_000, reason="hardly a port is outside of it")
def test_free_port_is_not_one_of_the_kernels_own_choices():
    """Thousands of outgoing connections of a busy Envoy could take it before the workload does."""
    ports = {free_port() for _ in range(20)}

    assert not [port for port in ports if in_use(port)]
    assert first_ephemeral_port() > max(ports)
    assert len(ports) > 1
