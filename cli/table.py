"""The live table of a local mesh: workloads, what is parked, how long wakes took."""

import asyncio
import sys

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from extproc.core.workload import WorkloadKey
from local.app import LocalMesh
from local.supervisor import Phase, Supervisor

COLOURS = {Phase.ZERO: "dim", Phase.WAKING: "yellow", Phase.WARM: "green", Phase.STOPPING: "cyan"}
REFRESH_SECONDS = 0.1
FRAME_LINES = 6
"""The title, the heading, the rules and the caption."""


def render(mesh: LocalMesh, lines: int) -> Table:
    """Return the table as it is now, in `lines` lines if no failure needs more than one.

    With hundreds of workloads, drawing those that nobody sees would take the hold server's time.
    """
    table = Table(
        title=Text(f"Layby at http://{mesh.config.listen}"),
        title_justify="left",
        caption_justify="left",
    )
    for heading in ("workload", "phase"):
        table.add_column(heading)
    for heading in ("parked", "in flight", "wakes", "last wake"):
        table.add_column(heading, justify="right")
    table.add_column("last failure", overflow="fold")
    shown = _most_telling(mesh, max(1, lines - FRAME_LINES))
    if hidden := len(mesh.supervisors) - len(shown):
        table.caption = f"and {hidden} more"
    for key, supervisor in shown:
        demand = mesh.demand(key)
        took = supervisor.last_wake_seconds
        table.add_row(
            key.name,
            f"[{COLOURS[supervisor.phase]}]{supervisor.phase}",
            str(demand.pending),
            str(demand.in_flight),
            str(supervisor.wakes),
            "" if took is None else f"{took:.2f} s",
            Text(supervisor.last_failure),  # not ours: brackets in it are no markup
        )
    return table


def _most_telling(mesh: LocalMesh, count: int) -> list[tuple[WorkloadKey, Supervisor]]:
    """As many workloads, in their order; those that sleep are left out first, then the last."""
    everything = list(mesh.supervisors.items())
    asleep = [supervisor.phase is Phase.ZERO for _, supervisor in everything]
    chosen = sorted(range(len(everything)), key=lambda index: (asleep[index], index))[:count]
    return [everything[index] for index in sorted(chosen)]


async def show(mesh: LocalMesh, console: Console) -> None:
    """Keep the table on the terminal until cancelled; without a terminal, only wait."""
    if not console.is_terminal:
        await asyncio.Event().wait()
    with Live(
        console=console,
        auto_refresh=False,
        transient=True,
        redirect_stderr=sys.stderr.isatty(),  # a log that goes elsewhere, stays there
    ) as live:
        while True:
            live.update(render(mesh, console.height), refresh=True)
            await asyncio.sleep(REFRESH_SECONDS)
