"""`layby explain`: the chain from a TrafficHold to Envoy, and its first broken link."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple

import click

from cli.cluster import ask, cluster_options, hold_named
from cli.endpoints import ready_endpoints
from cli.status import woken
from crds.condition import Condition, Ready, Status
from crds.v1alpha1 import TrafficHold
from crds.v1alpha1.dry_run import DryRun
from kube.client import Kube
from kube.discovery import Discovery
from kube.errors import ForbiddenError, NotFoundError
from kube.resource import SERVICES, Key


class Link(NamedTuple):
    """One fact: whether it is as it should be, what it is, and what to do if it is not."""

    holds: bool | None
    """None if that cannot be told from here, which ends no chain."""
    fact: str
    advice: str = ""


_UNKNOWN = (
    "this is no fault of the TrafficHold: the message says why it is not known; with "
    "istio.istiodUrl in the chart the controller asks istiod"
)
_MARKS: Final = {True: ("ok", None), False: ("NO", "red"), None: ("?", "yellow")}


@click.command(short_help="Explain why a workload is held, or is not.")
@click.argument("name")
@cluster_options
def explain(*, name: str, kubeconfig: Path | None, context: str | None, namespace: str) -> None:
    """Follow a TrafficHold from its spec to Envoy: target, Services, endpoints, gate, scaler.

    Prints each fact; the first one that is not as it should be, with what to do, ends the chain
    and makes the exit code 1. One that begins with a question mark cannot be told from here, and
    does neither.
    """
    whole = True

    async def question(kube: Kube) -> None:
        nonlocal whole
        whole = await follow(kube, await hold_named(kube, namespace, name))

    ask(kubeconfig, context, question)
    if not whole:
        raise SystemExit(1)


async def follow(kube: Kube, hold: TrafficHold) -> bool:
    """Print the chain up to its first broken link; tell whether there is none.

    Raises:
        KubeError: the cluster does not say.
    """
    async for link in _chain(kube, hold):
        mark, colour = _MARKS[link.holds]
        click.secho(f"{mark:3} {link.fact}", fg=colour)
        if not link.holds:
            click.echo(f"    {link.advice}")
        if link.holds is False:
            return False
    return True


async def _chain(kube: Kube, hold: TrafficHold) -> AsyncIterator[Link]:
    async for link in _target(kube, hold):
        yield link
    for service in hold.status.services or hold.spec.services or ():
        yield await _service(kube, hold.metadata.namespace, service.name)
    if not hold.status.conditions:
        yield Link(
            False,
            "no controller has looked at it",
            "see whether layby-controller runs: kubectl -n layby-system get pods; and if it has "
            f"watchNamespaces, whether {hold.metadata.namespace} is among them",
        )
    for condition in hold.status.conditions:
        yield _condition(condition)
    if hold.spec.dry_run:
        yield Link(True, rehearsed(hold.status.dry_run))
    if wake := hold.status.last_wake:
        why = f": {wake.reason}" if wake.reason else ""
        yield Link(True, f"last wake: {woken(wake)}{why}")
    yield Link(True, f"phase {hold.status.phase}, {hold.status.pending or 0} requests parked")


def _condition(condition: Condition) -> Link:
    said = f"{condition.type}: {condition.reason}: {condition.message}"
    if condition.status is Status.UNKNOWN and condition.reason != Ready.DRY_RUN:
        return Link(None, said, _UNKNOWN)
    return Link(condition.status is not Status.FALSE, said, "the message says what to do")


def rehearsed(told: DryRun | None) -> str:
    """Say what would have been, if spec.dryRun were not set."""
    if told is None:
        return "dry run: nothing is known yet"
    asleep = "would be asleep now" if told.asleep else "would be up now"
    return (
        f"dry run since {told.since:%Y-%m-%d %H:%M} UTC: {asleep}; "
        f"would have slept {_counted(told.sleeps, 'time')}, "
        f"{_counted(told.requests, 'request')} would have waited, "
        f"{told.saved / 3600:.1f} replica-hours would have been saved"
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


async def _target(kube: Kube, hold: TrafficHold) -> AsyncIterator[Link]:
    ref = hold.spec.target_ref
    what = f"{ref.kind} {ref.name}"
    found = await Discovery(kube).find(ref.api_version, ref.kind)
    if found is None or not found.has_scale:
        yield Link(
            False,
            f"{ref.api_version} {ref.kind} cannot be scaled here",
            "install the kind, or correct spec.targetRef",
        )
        return
    try:
        scale = await kube.get_scale(found.resource, Key(hold.metadata.namespace, ref.name))
    except NotFoundError:
        yield Link(False, f"there is no {what}", "create it, or correct spec.targetRef.name")
        return
    except ForbiddenError as error:
        yield Link(True, f"{what}: you may not see its scale ({error.message})")
        return
    yield Link(True, f"{what} has {scale.desired} replicas asked for, {scale.current} running")


async def _service(kube: Kube, namespace: str, name: str) -> Link:
    try:
        await kube.get(SERVICES, Key(namespace, name))
    except NotFoundError:
        return Link(False, f"there is no Service {name}", "create it, or correct spec.services")
    ready = await ready_endpoints(kube, Key(namespace, name))
    return Link(True, f"Service {name} has {ready} ready endpoints")
