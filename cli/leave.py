"""`layby leave`: everything woken and held no longer, before Layby is uninstalled."""

import asyncio
from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from cli.cluster import ask, connection_options
from cli.examples import examples
from cli.leaving import Leaving
from istio.mesh import MeshGate
from kube.client import Kube
from kube.resource import Key
from kube.settings import Namespaces

GATE = MeshGate()
_NAMESPACES: TypeAdapter[frozenset[str]] = TypeAdapter(Namespaces)


def _namespaces(_context: click.Context, _parameter: click.Parameter, given: str) -> frozenset[str]:
    try:
        return _NAMESPACES.validate_python(given)
    except ValidationError as error:
        raise click.BadParameter("; ".join(each["msg"] for each in error.errors())) from error


@click.command(
    short_help="Wake and release everything, before Layby is uninstalled.",
    epilog=examples(
        "layby leave --only-wake",
        "layby leave --yes --timeout 600",
        "layby leave --watch-namespaces shop,till",
    ),
)
@click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    help="How many seconds it may take: half of them at most for workloads to be up.",
)
@click.option("--only-wake", is_flag=True, help="Delete nothing: wake, wait, and say what is up.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--root-namespace",
    default=GATE.root_namespace,
    show_default=True,
    help="Istio's.",
)
@click.option(
    "--watch-namespaces",
    callback=_namespaces,
    default="",
    metavar="NAME,...",
    help="Those of an install that watches some namespaces: nothing is done in any other, and "
    "HoldPolicies are left alone.",
)
@click.option(
    "--gate",
    default=GATE.gate_name,
    show_default=True,
    help="The EnvoyFilter's name; empty to leave it where it is.",
)
@connection_options
def leave(  # noqa: PLR0913 - click's parameters
    *,
    seconds: float,
    only_wake: bool,
    yes: bool,
    root_namespace: str,
    watch_namespaces: frozenset[str],
    gate: str,
    kubeconfig: Path | None,
    context: str | None,
) -> None:
    """Leave no workload asleep that nobody would wake any more.

    Wakes all workloads that are held and waits until they are up. Then deletes all HoldPolicies and
    TrafficHolds, waits until the controller has undone what it had changed, and takes the gate out
    of the mesh. The controller has to run, unless Layby is installed without one. What is left to
    do is uninstalling Layby itself.

    The exit code is 0 only if all of it was done. It may be repeated.
    """
    if not only_wake and not yes:
        everything = "HoldPolicies and TrafficHolds of this cluster"
        if watch_namespaces:
            everything = f"TrafficHolds in {', '.join(sorted(watch_namespaces))}"
        click.confirm(f"Delete all {everything}?", abort=True)

    async def question(kube: Kube) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        leaving = Leaving(kube, click.echo, watch_namespaces)
        failed = await leaving.wake()
        late = await leaving.wait(seconds if only_wake else seconds / 2)
        _complain("not up", late)
        if only_wake:
            if failed or late or leaving.passed_over:
                raise click.ClickException("not everything is up")
            click.echo("everything that is held is up")
            return
        left = await leaving.delete(deadline - loop.time())
        if left:
            _complain("not released", left)
            raise click.ClickException("do not uninstall Layby yet")
        if passed_over := ", ".join(sorted(leaving.passed_over)):
            raise click.ClickException(f"done but for the namespaces passed over: {passed_over}")
        if gate:
            await leaving.detach(Key(root_namespace, gate))
        where = "out of the mesh" if gate else "where it was"
        click.echo(f"no TrafficHold is left, and the gate is {where}")

    ask(kubeconfig, context, question)


def _complain(what: str, said: list[str]) -> None:
    for line in said:
        click.echo(f"{what}: {line}", err=True)
