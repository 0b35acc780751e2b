"""`layby status`: which workloads are held, and how they are doing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from cli.cluster import ask, cluster_options
from crds.resource import InvalidResourceError
from crds.v1alpha1 import TrafficHold
from crds.v1alpha1.traffichold import LastWake
from kube.client import Kube
from kube.errors import KubeError
from kube.resource import TRAFFIC_HOLDS, Object, Selection, key_of

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
    where = "" if all_namespaces else namespace
    fields = f"metadata.name={name}" if name else ""
    selection = Selection(TRAFFIC_HOLDS, where, fields=fields)

    async def question(kube: Kube) -> None:
        console = Console()
        first = await table(kube, selection)
        if name and not first.row_count:
            raise click.ClickException(missing(name, where))
        if not watch:
            console.print(first)
            return
        with Live(first, console=console, auto_refresh=False) as live:
            async for shown in tables(kube, selection, first):
                live.update(shown, refresh=True)

    ask(kubeconfig, context, question)


def missing(name: str, namespace: str) -> str:
    """Say that there is no such TrafficHold."""
    where = f"namespace {namespace}" if namespace else "any namespace"
    return f"there is no TrafficHold {name} in {where}: `layby status -A` lists all there are"


async def tables(kube: Kube, selection: Selection, last: Table) -> AsyncIterator[Table]:
    """A table every second; while none is to be had, the last one, and why."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            last = await table(kube, selection)
        except KubeError as error:
            last.caption = escape(f"as it was; the API server does not answer: {error}")
        yield last


async def table(kube: Kube, selection: Selection) -> Table:
    """What there is of a selection now.

    Raises:
        KubeError: that cannot be told.
    """
    items = (await kube.list(selection)).items
    made = Table("namespace", "name", "phase", "parked", "last wake", "ready")
    for item in items:
        # What is said of a workload is not markup.
        made.add_row(*map(escape, (*key_of(item), *_cells(item))))
    return made


def woken(wake: LastWake) -> str:
    """Say how the last wake ended, how long it took, and when it began."""
    return f"{wake.outcome} in {wake.duration:.1f} s, from {wake.at:%Y-%m-%d %H:%M} UTC"


def _cells(item: Object) -> tuple[str, str, str, str]:
    try:
        hold = TrafficHold.parse(item, unknown="ignore")
    except InvalidResourceError as error:
        return "", "", "", f"unreadable: {'; '.join(map(str, error.problems))}"
    wake = hold.status.last_wake
    took = woken(wake) if wake else ""
    ready = next((c for c in hold.status.conditions if c.type == "Ready"), None)
    said = "unknown: is the controller running?"
    if ready:
        said = "yes" if ready.status == "True" else f"{ready.reason}: {ready.message}"
    pending = hold.status.pending
    return (hold.status.phase or "", "" if pending is None else str(pending), took, said)
