"""`layby extproc`: a hold server in a mesh."""

import click

from cli.service import serve, variables
from cli.session import LEVELS, set_up_logging
from extproc.mesh.app import run
from extproc.settings import Settings


@click.command(short_help="Run a hold server in a mesh.", epilog=variables(Settings))
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="info",
    show_default=True,
    help="How much to log on standard error.",
)
def extproc(log_level: str) -> None:
    """Serve Envoy's hold filters: park requests for workloads at zero, and wake them.

    Settings come from environment variables named LAYBY_EXTPROC_*. The API server is found as
    kubectl finds it, or from within a pod. SIGTERM hands over what is parked and ends.
    """
    set_up_logging(log_level)
    serve(Settings, run)
