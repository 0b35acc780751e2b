"""`layby controller`: keeps what TrafficHolds and HoldPolicies ask for."""

import click

from cli.service import serve, variables
from cli.session import LEVELS, set_up_logging
from controller.app import run
from controller.settings import Settings


@click.command(short_help="Run the controller.", epilog=variables(Settings))
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="info",
    show_default=True,
    help="How much to log on standard error.",
)
def controller(log_level: str) -> None:
    """Do what TrafficHolds and HoldPolicies ask for.

    It puts the gate into Envoys, keeps DestinationRules and status, and puts idle workloads to
    sleep.

    Several may run; one leads. Settings come from environment variables named
    LAYBY_CONTROLLER_*. The API server is found as kubectl finds it, or from within a pod.
    """
    set_up_logging(log_level)
    serve(Settings, run)
