# ruff: noqa: INP001 - a file of the image, not a module
"""Docker's HEALTHCHECK: asks the service that the container runs, by gRPC or HTTP.

Owns which service is asked where. Must not know what makes one healthy.
"""

import os
import sys
import urllib.request
from pathlib import Path

SECONDS = 4.0
EXTPROC, CONTROLLER = "extproc", "controller"


def extproc() -> bool:
    """Ask a hold server, as an Envoy or a kubelet would."""
    import grpc  # noqa: PLC0415 - 0.2 s that the controller's check need not wait for
    from grpc_health.v1 import health_pb2  # noqa: PLC0415

    address = os.environ.get("LAYBY_EXTPROC_LISTEN", "0.0.0.0:9002")
    with grpc.insecure_channel(reachable(address)) as channel:
        ask = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = ask(health_pb2.HealthCheckRequest(), timeout=SECONDS)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def controller() -> bool:
    """Ask a controller, as a kubelet would."""
    host = os.environ.get("LAYBY_CONTROLLER_HEALTH_HOST", "0.0.0.0")  # noqa: S104 - not bound here
    port = os.environ.get("LAYBY_CONTROLLER_HEALTH_PORT", "8081")
    url = f"http://{reachable(f'{host}:{port}')}/readyz"
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return bool(answer.status == 200)  # noqa: PLR2004 - OK


def reachable(address: str) -> str:
    """Return where one connects to for what listens at `address`."""
    host, _, port = address.rpartition(":")
    return f"127.0.0.1:{port}" if host in {"0.0.0.0", "[::]", "::"} else address  # noqa: S104


def main() -> int:
    """Return an exit code; what is no service is healthy for as long as it runs."""
    words = Path("/proc/1/cmdline").read_text().split("\0")
    try:
        if EXTPROC in words:
            return 0 if extproc() else 1
        if CONTROLLER in words:
            return 0 if controller() else 1
    except Exception as error:  # noqa: BLE001 - whatever it is, Docker is to be told
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
