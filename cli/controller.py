"""`layby controller`: keeps what TrafficHolds and HoldPolicies ask for."""

import click

from cli.service import serve
from cli.session import LEVELS, set_up_logging
from controller.app import run
from controller.settings import Settings


@click.command(short_help="Run the controller.")
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="info",
    show_default=True,
    help="How much to log on standard error.",
)
def controller(log_level: str) -> None:
    """Make TrafficHolds and HoldPolicies true: the gate, DestinationRules, status, idle to zero.

    Several may run; one leads. Settings come from environment variables named
    LAYBY_CONTROLLER_*. The API server is found as kubectl finds it, or from within a pod.
    """
    set_up_logging(log_level)
    serve(Settings, run)
