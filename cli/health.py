"""`layby health`: whether a hold server would be sent requests, as an Envoy or a kubelet asks."""

import os

import click
import grpc
from grpc_health.v1 import health_pb2

from cli.examples import examples

ENVIRONMENT = "LAYBY_EXTPROC_LISTEN"
DEFAULT = "127.0.0.1:9002"
ANY_HOST = frozenset({"0.0.0.0", "[::]", "::", ""})  # noqa: S104 - not bound here

_CHECK = "/grpc.health.v1.Health/Check"


def reachable(address: str) -> str:
    """Return where one connects to for what listens at `address`."""
    host, _, port = address.rpartition(":")
    return f"127.0.0.1:{port}" if host in ANY_HOST else address


@click.command(
    short_help="Ask a hold server whether it serves.",
    epilog=examples(
        "layby health",
        "layby health layby-extproc.layby-system:9002",
        "layby health --service liveness --timeout 1",
    ),
)
@click.argument("address", metavar="[HOST:PORT]", required=False)
@click.option(
    "--service",
    default="",
    metavar="NAME",
    help="What of it: nothing for all of it, or `liveness` for the process alone.",
)
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=5.0,
    show_default=True,
    help="How many seconds to wait.",
)
def health(address: str | None, service: str, seconds: float) -> None:
    """Ask a hold server by gRPC's health protocol; the exit code is 0 if it serves.

    Without an address, the one that this environment's hold server listens on:
    LAYBY_EXTPROC_LISTEN or 127.0.0.1:9002. A hold server that is starting, or handing over what it
    holds, does not serve.
    """
    where = address or reachable(os.environ.get(ENVIRONMENT, DEFAULT))
    with grpc.insecure_channel(where) as channel:
        ask = channel.unary_unary(
            _CHECK,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = ask(health_pb2.HealthCheckRequest(service=service), timeout=seconds)
        except grpc.RpcError as error:
            raise click.ClickException(
                f"{where}: {error.code().name}: {error.details()}"
            ) from error
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    click.echo(f"{where}: {name}")
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise SystemExit(1)
