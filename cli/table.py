"""The live table of a local mesh: workloads, what is parked, how long wakes took."""

import asyncio

from rich.console import Console
from rich.live import Live
from rich.table import Table

from local.app import LocalMesh
from local.supervisor import Phase

COLOURS = {Phase.ZERO: "dim", Phase.WAKING: "yellow", Phase.WARM: "green", Phase.STOPPING: "cyan"}
REFRESH_SECONDS = 0.1


def render(mesh: LocalMesh) -> Table:
    """Return the table as it is now."""
    table = Table(title=f"Layby at http://{mesh.config.listen}", title_justify="left")
    for heading in ("workload", "phase"):
        table.add_column(heading)
    for heading in ("parked", "in flight", "wakes", "last wake"):
        table.add_column(heading, justify="right")
    table.add_column("last failure", overflow="fold")
    for key, supervisor in mesh.supervisors.items():
        demand = mesh.demand(key)
        took = supervisor.last_wake_seconds
        table.add_row(
            key.name,
            f"[{COLOURS[supervisor.phase]}]{supervisor.phase}",
            str(demand.pending),
            str(demand.in_flight),
            str(supervisor.wakes),
            "" if took is None else f"{took:.2f} s",
            supervisor.last_failure,
        )
    return table


async def show(mesh: LocalMesh, console: Console) -> None:
    """Keep the table on the terminal until cancelled; without a terminal, only wait."""
    if not console.is_terminal:
        await asyncio.Event().wait()
    with Live(render(mesh), console=console, auto_refresh=False, transient=True) as live:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            live.update(render(mesh), refresh=True)
