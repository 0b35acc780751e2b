"""`layby wake` and `layby sleep`: do by hand what requests and their absence do."""

from pathlib import Path

import click

from cli.cluster import ask, cluster_options, hold_named
from cli.examples import examples
from cli.leaving import Leaving
from cli.workloads import Workloads
from crds.v1alpha1 import TrafficHold
from kube.client import Kube


@click.command(
    short_help="Wake a workload, as a request would; or all of them.",
    epilog=examples(
        "layby wake cart -n shop",
        "layby wake --all -n shop",
        "layby wake --all --all-namespaces",
    ),
)
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="All that are held in the namespace.")
@click.option("-A", "--all-namespaces", is_flag=True, help="With --all: in all namespaces.")
@cluster_options
def wake(  # noqa: PLR0913 - click's parameters
    *,
    name: str | None,
    everything: bool,
    all_namespaces: bool,
    kubeconfig: Path | None,
    context: str | None,
    namespace: str,
) -> None:
    """Scale the workload of a TrafficHold from zero to its wake.replicas.

    Nothing is waited for. What nobody asks for goes back to sleep when it has been idle.
    """
    if (name is None) is not everything:
        raise click.UsageError("give the name of a TrafficHold, or --all")
    if all_namespaces and not everything:
        raise click.UsageError("--all-namespaces goes with --all")
    where = () if all_namespaces else (namespace,)

    async def question(kube: Kube) -> None:
        if name is not None:
            click.echo(await Workloads(kube).wake(await hold_named(kube, namespace, name)))
        elif failed := await Leaving(kube, click.echo, where).wake():
            raise click.ClickException(f"{failed} of them cannot be woken")

    ask(kubeconfig, context, question)


@click.command(
    short_help="Put a workload to sleep now.",
    epilog=examples(
        "layby sleep cart -n shop",
    ),
)
@click.argument("name")
@cluster_options
def sleep(*, name: str, kubeconfig: Path | None, context: str | None, namespace: str) -> None:
    """Scale the workload of a TrafficHold to zero, without waiting for it to be idle.

    Requests that its pods are at are cut if the pods cut them; new ones are parked, and wake it.
    """

    async def question(kube: Kube) -> None:
        click.echo(await put_to_sleep(kube, await hold_named(kube, namespace, name)))

    ask(kubeconfig, context, question)


async def put_to_sleep(kube: Kube, hold: TrafficHold) -> str:
    """Scale the workload of a TrafficHold to zero; say what was done.

    Raises:
        click.ClickException: it would not stay there.
        KubeError: that is refused.
    """
    if least := hold.spec.scaling.min_replicas:
        raise click.ClickException(
            f"{hold.metadata.name} never sleeps, for its spec.scaling.minReplicas is {least}: "
            "set that to 0 first"
        )
    return await Workloads(kube).sleep(hold)
