"""`layby local`: run the workloads of a file on demand."""

from contextlib import AsyncExitStack
from pathlib import Path

import click
from rich.console import Console

from cli import session
from cli.logs import log_options
from cli.table import show
from local.app import LocalMesh
from local.loader import ConfigError, load
from local.showing import Showing
from page.serving import serve as serve_page
from telemetry import logs


@click.command(short_help="Run local processes on demand, behind a real Envoy.")
@click.option(
    "-f",
    "--file",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default="layby.yaml",
    show_default=True,
    help="The workloads to run.",
)
@click.option(
    "--page-port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Serve the live page on this port of 127.0.0.1 (0: any free).",
)
@click.option("--no-page", is_flag=True, help="Serve no live page.")
@click.option("--check", is_flag=True, help="Only say whether the file is valid.")
@log_options
def local(  # noqa: PLR0913 - click's parameters
    path: Path, *, page_port: int, no_page: bool, check: bool, log_level: str, log_format: str
) -> None:
    """Run the workloads of a file: each starts on its first request, and stops when idle.

    A real Envoy listens on one address and routes by host and path. Requests for a workload that
    is not running wait in Envoy until it is. On a terminal, a live table shows what is parked.
    Ctrl-C lets running requests finish and ends all that was started.
    """
    try:
        config = load(path)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    if check:
        count = len(config.workloads)
        click.echo(f"{path}: valid, {count} workload{'s' if count > 1 else ''}")
        return
    logs.set_up(log_level, log_format)

    async def body(mesh: LocalMesh) -> int:
        click.echo(f"listening on http://{config.listen}; Ctrl-C stops")
        async with AsyncExitStack() as stack:
            if not no_page:
                shown = serve_page("127.0.0.1", page_port, Showing(mesh).look, only_here=True)
                port = await stack.enter_async_context(shown)
                click.echo(f"live page: http://127.0.0.1:{port}/")
            await show(mesh, Console())
        return 0

    raise SystemExit(session.run(config, body))
