"""`layby extproc`: a hold server in a mesh."""

import click

from cli.examples import examples
from cli.logs import log_options
from cli.service import serve
from cli.settings import variables
from extproc.mesh.app import run
from extproc.settings import Settings
from telemetry import logs
from telemetry.settings import OtelSettings, TraceSettings


@click.command(
    short_help="Run a hold server in a mesh.",
    epilog=examples("LAYBY_EXTPROC_FEED_LISTEN=127.0.0.1:9003 layby extproc --log-level debug")
    + "\n\n"
    + variables(Settings, OtelSettings, TraceSettings),
)
@log_options
def extproc(log_level: str, log_format: str) -> None:
    """Serve Envoy's hold filters: park requests for workloads at zero, and wake them.

    Settings come from environment variables named LAYBY_EXTPROC_*. The API server is found as
    kubectl finds it, or from within a pod. SIGTERM hands over what is parked and ends.
    """
    logs.set_up(log_level, log_format)
    serve("layby-extproc", Settings, run)
