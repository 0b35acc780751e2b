"""`layby wake` and `layby sleep`: do by hand what requests and their absence do."""

from pathlib import Path

import click

from cli.cluster import ask, cluster_options, hold_named
from kube.client import Kube
from kube.discovery import Discovery
from kube.resource import Key


@click.command(short_help="Wake a workload, as a request would.")
@click.argument("name")
@cluster_options
def wake(*, name: str, kubeconfig: Path | None, context: str | None, namespace: str) -> None:
    """Scale the workload of a TrafficHold from zero to its wake.replicas."""

    async def question(kube: Kube) -> None:
        hold = await hold_named(kube, namespace, name)
        await _scale(kube, namespace, name, to=hold.spec.wake.replicas)

    ask(kubeconfig, context, question)


@click.command(short_help="Put a workload to sleep now.")
@click.argument("name")
@cluster_options
def sleep(*, name: str, kubeconfig: Path | None, context: str | None, namespace: str) -> None:
    """Scale the workload of a TrafficHold to zero, without waiting for it to be idle.

    Requests that its pods are at are cut if the pods cut them; new ones are parked, and wake it.
    """

    async def question(kube: Kube) -> None:
        await _scale(kube, namespace, name, to=0)

    ask(kubeconfig, context, question)


async def _scale(kube: Kube, namespace: str, name: str, *, to: int) -> None:
    ref = (await hold_named(kube, namespace, name)).spec.target_ref
    found = await Discovery(kube).find(ref.api_version, ref.kind)
    if found is None or not found.has_scale:
        raise click.ClickException(f"{ref.api_version} {ref.kind} cannot be scaled in this cluster")
    target = Key(namespace, ref.name)
    scale = await kube.get_scale(found.resource, target)
    if (scale.desired > 0) == (to > 0):
        click.echo(f"{ref.kind} {ref.name} has {scale.desired} replicas already")
        return
    await kube.patch_scale(found.resource, target, current=scale.desired, desired=to)
    click.echo(f"{ref.kind} {ref.name}: {scale.desired} -> {to} replicas")
