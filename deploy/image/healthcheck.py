# ruff: noqa: INP001 - a file of the image, not a module
"""Docker's HEALTHCHECK: asks the service that the container runs, by gRPC or HTTP.

Owns which service is asked where; what it was told is printed, for `docker inspect` to show. Must
not know what makes one healthy.
"""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

SECONDS = 4.0
EXTPROC, CONTROLLER = "extproc", "controller"


def extproc() -> bool:
    """Ask a hold server, as an Envoy or a kubelet would."""
    import grpc  # noqa: PLC0415 - 0.2 s that the controller's check need not wait for
    from grpc_health.v1 import health_pb2  # noqa: PLC0415

    address = reachable(os.environ.get("LAYBY_EXTPROC_LISTEN", "0.0.0.0:9002"))
    states = health_pb2.HealthCheckResponse
    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=states.FromString,
        )
        try:
            status = ask(health_pb2.HealthCheckRequest(), timeout=SECONDS).status
        except grpc.RpcError as error:
            return told(address, error.code().name, healthy=False)
    return told(address, states.ServingStatus.Name(status), healthy=status == states.SERVING)


def controller() -> bool:
    """Ask a controller, as a kubelet would."""
    host = os.environ.get("LAYBY_CONTROLLER_HEALTH_HOST", "0.0.0.0")  # noqa: S104 - not bound here
    port = os.environ.get("LAYBY_CONTROLLER_HEALTH_PORT", "8081")
    url = f"http://{reachable(f'{host}:{port}')}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return told(url, answer.status, healthy=True)
    except urllib.error.HTTPError as error:
        return told(url, error.code, healthy=False)
    except OSError as error:
        return told(url, error, healthy=False)


def told(asked: str, answer: object, *, healthy: bool) -> bool:
    """Print what was answered, and return whether that is healthy."""
    sys.stdout.write(f"{asked}: {answer}\n")
    return healthy


def reachable(address: str) -> str:
    """Return where one connects to for what listens at `address`."""
    host, _, port = address.rpartition(":")
    anywhere = {"0.0.0.0", "[::]", "::", ""}  # noqa: S104 - not bound here
    return f"127.0.0.1:{port}" if host in anywhere else address


def main() -> int:
    """Return an exit code; what is no service is healthy for as long as it runs.

    The command is that of process 1, if none is given as arguments.
    """
    words = sys.argv[1:] or Path("/proc/1/cmdline").read_text().split("\0")
    if EXTPROC in words:
        return 0 if extproc() else 1
    if CONTROLLER in words:
        return 0 if controller() else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
