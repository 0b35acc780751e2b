"""A cluster asked from a terminal: connection, one TrafficHold, errors in one line.

Shared by the subcommands that ask one. Must not know what they ask for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from crds.resource import InvalidResourceError
from crds.v1alpha1 import TrafficHold
from kube.client import Kube
from kube.connection import ConfigError, Connection
from kube.errors import KubeError, NotFoundError
from kube.resource import TRAFFIC_HOLDS, Key

Command = Callable[..., Any]


def connection_options(command: Command) -> Command:
    """Add the options by which kubectl's users name a cluster."""
    for option in (
        click.option(
            "--kubeconfig", type=click.Path(dir_okay=False, path_type=Path), help="Which cluster."
        ),
        click.option("--context", help="Which context of the kubeconfig."),
    ):
        command = option(command)
    return command


def cluster_options(command: Command) -> Command:
    """Add the options by which kubectl's users name a cluster and a namespace."""
    where = click.option("-n", "--namespace", default="default", show_default=True, help="Where.")
    return where(connection_options(command))


def ask(
    kubeconfig: Path | None, context: str | None, question: Callable[[Kube], Awaitable[None]]
) -> None:
    """Ask a cluster.

    Raises:
        click.ClickException: it cannot be asked, or refuses.
    """

    async def run() -> None:
        connection = await Connection.open(
            kubeconfig=kubeconfig, context=context, user_agent="layby-cli"
        )
        async with connection:
            await question(Kube(connection))

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        return
    except (ConfigError, KubeError, InvalidResourceError) as error:
        raise click.ClickException(str(error)) from error


async def hold_named(kube: Kube, namespace: str, name: str) -> TrafficHold:
    """Return a TrafficHold.

    Raises:
        click.ClickException: there is none.
    """
    try:
        found = await kube.get(TRAFFIC_HOLDS, Key(namespace, name))
    except NotFoundError as error:
        raise click.ClickException(
            f"there is no TrafficHold {name} in namespace {namespace}: "
            "`layby status` lists those there are"
        ) from error
    return TrafficHold.parse(found, unknown="ignore")
