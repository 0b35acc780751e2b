"""`layby status`: which workloads are held, and how they are doing."""

import asyncio
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from cli.cluster import ask, cluster_options
from crds.v1alpha1 import TrafficHold
from kube.client import Kube
from kube.resource import TRAFFIC_HOLDS, Selection

WATCH_SECONDS = 1.0


@click.command(short_help="Show which workloads are held, and how they are doing.")
@click.argument("name", required=False)
@click.option("-A", "--all-namespaces", is_flag=True, help="Of all namespaces.")
@click.option("-w", "--watch", is_flag=True, help="Go on until Ctrl-C.")
@cluster_options
def status(  # noqa: PLR0913 - click's parameters
    *,
    name: str | None,
    all_namespaces: bool,
    watch: bool,
    kubeconfig: Path | None,
    context: str | None,
    namespace: str,
) -> None:
    """Show phase, parked requests and last wake of the TrafficHolds of a namespace, or of one."""
    selection = Selection(
        TRAFFIC_HOLDS,
        "" if all_namespaces else namespace,
        fields=f"metadata.name={name}" if name else "",
    )

    async def question(kube: Kube) -> None:
        console = Console()
        if not watch:
            console.print(await _table(kube, selection))
            return
        with Live(await _table(kube, selection), console=console, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(WATCH_SECONDS)
                live.update(await _table(kube, selection), refresh=True)

    ask(kubeconfig, context, question)


async def _table(kube: Kube, selection: Selection) -> Table:
    items = (await kube.list(selection)).items
    table = Table("namespace", "name", "phase", "parked", "last wake", "ready")
    for item in items:
        hold = TrafficHold.parse(item, unknown="ignore")
        table.add_row(hold.metadata.namespace, hold.metadata.name, *_cells(hold))
    return table


def _cells(hold: TrafficHold) -> tuple[str, str, str, str]:
    wake = hold.status.last_wake
    took = f"{wake.outcome} in {wake.duration:.1f} s" if wake else ""
    ready = next((c for c in hold.status.conditions if c.type == "Ready"), None)
    said = "unknown: is the controller running?"
    if ready:
        said = "yes" if ready.status == "True" else f"{ready.reason}: {ready.message}"
    pending = hold.status.pending
    return (hold.status.phase or "", "" if pending is None else str(pending), took, said)
