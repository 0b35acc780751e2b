"""`layby controller`: keeps what TrafficHolds and HoldPolicies ask for."""

import click

from cli.examples import examples
from cli.logs import log_options
from cli.service import serve
from cli.settings import variables
from controller.app import run
from controller.settings import Settings
from telemetry import logs
from telemetry.settings import OtelSettings, TraceSettings


@click.command(
    short_help="Run the controller.",
    epilog=examples("LAYBY_CONTROLLER_GATE_ATTACH=gateways layby controller --log-format json")
    + "\n\n"
    + variables(Settings, OtelSettings, TraceSettings),
)
@log_options
def controller(log_level: str, log_format: str) -> None:
    """Do what TrafficHolds and HoldPolicies ask for.

    It puts the gate into Envoys, keeps DestinationRules and status, and puts idle workloads to
    sleep.

    Several may run; one leads. Settings come from environment variables named
    LAYBY_CONTROLLER_*. The API server is found as kubectl finds it, or from within a pod.
    """
    logs.set_up(log_level, log_format)
    serve("layby-controller", Settings, run)
