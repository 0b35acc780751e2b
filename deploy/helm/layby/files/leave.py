# ruff: noqa: INP001, T201 - it is passed to Python as a text, and what it prints is the pod's log
"""Take Layby out of a cluster before it is uninstalled: `leave.py ROOT_NAMESPACE GATE SECONDS`.

Run by the chart's pre-delete hook, in Layby's image. Must not know what undoing a TrafficHold
takes: the controller does that, so it has to be there still.
"""

import asyncio
import sys
from contextlib import suppress

from crds.resource import InvalidResourceError
from crds.v1alpha1 import TrafficHold
from kube.client import Kube
from kube.connection import Connection
from kube.discovery import Discovery
from kube.errors import KubeError, MismatchError, NotFoundError
from kube.resource import (
    ENVOY_FILTERS,
    HOLD_POLICIES,
    TRAFFIC_HOLDS,
    Key,
    Object,
    Resource,
    Selection,
    key_of,
)

LOOK_SECONDS = 0.5
SETTLE_SECONDS = 1.0
"""Envoys hear of an endpoint later than Layby does."""
ASLEEP = ("Zero", "Waking")
UNKNOWN = "the controller has not looked at it; is it running?"


async def leave(kube: Kube, gate: Key, patience: float) -> None:
    """Wake what sleeps, delete policies and TrafficHolds, wait for these, and delete the gate.

    Raises:
        SystemExit: some TrafficHolds are still there; the text says which, and why.
    """
    deadline = asyncio.get_running_loop().time() + patience
    # A policy would make its TrafficHolds again.
    await delete_all(kube, HOLD_POLICIES)
    await wake_all(kube, deadline - patience / 2)
    left = await delete_all(kube, TRAFFIC_HOLDS)
    print(f"{len(left)} TrafficHolds deleted", flush=True)
    while left := await delete_all(kube, TRAFFIC_HOLDS):
        if asyncio.get_running_loop().time() > deadline:
            raise SystemExit("\n".join(["not uninstalled, for there are still:", *map(said, left)]))
        await asyncio.sleep(LOOK_SECONDS)
    # Without TrafficHolds the controller does not put it back.
    with suppress(NotFoundError):
        await kube.delete(ENVOY_FILTERS, gate)
    print("no TrafficHold is left, and the gate is out of the mesh", flush=True)


async def wake_all(kube: Kube, deadline: float) -> None:
    """Have every workload that is held up: behind a TrafficHold it may sleep, without one not.

    The controller wakes what it put to sleep itself, when a TrafficHold goes; but not what somebody
    else did. What does not come up in time is said, and left to its fate.
    """
    discovery = Discovery(kube)
    awaited = await list_all(kube, TRAFFIC_HOLDS)
    for item in awaited:
        try:
            await wake(kube, discovery, TrafficHold.parse(item, unknown="ignore"))
        except (KubeError, InvalidResourceError) as error:
            print("cannot wake {}/{}: {}".format(*key_of(item), error), flush=True)
    # A second look: what was written of it before may be of another time.
    await asyncio.sleep(SETTLE_SECONDS)
    while awaited := [each for each in await list_all(kube, TRAFFIC_HOLDS) if not is_up(each)]:
        if asyncio.get_running_loop().time() > deadline:
            print("\n".join(["not up, but not waited for any longer:", *map(said, awaited)]))
            return
        await asyncio.sleep(LOOK_SECONDS)
    await asyncio.sleep(SETTLE_SECONDS)


async def wake(kube: Kube, discovery: Discovery, hold: TrafficHold) -> None:
    """Have one workload not sleep.

    Raises:
        KubeError: that is refused.
    """
    ref, namespace = hold.spec.target_ref, hold.metadata.namespace
    found = await discovery.find(ref.api_version, ref.kind)
    if found is None or not found.has_scale or hold.spec.dry_run:
        return
    target = Key(namespace, ref.name)
    with suppress(NotFoundError, MismatchError):  # there is none, or somebody was faster
        if (await kube.get_scale(found.resource, target)).desired == 0:
            wanted = hold.spec.wake.replicas
            await kube.patch_scale(found.resource, target, current=0, desired=wanted)
            print(f"woken: {ref.kind} {namespace}/{ref.name}", flush=True)


async def list_all(kube: Kube, resource: Resource) -> list[Object]:
    """Return all objects of a resource."""
    try:
        return list((await kube.list(Selection(resource))).items)
    except NotFoundError:
        return []  # the definition has gone, and they with it


async def delete_all(kube: Kube, resource: Resource) -> list[Object]:
    """Have all objects of a resource deleted; return those that were there."""
    found = await list_all(kube, resource)
    for item in found:
        if "deletionTimestamp" not in item["metadata"]:
            with suppress(NotFoundError):
                await kube.delete(resource, key_of(item))
    return found


def is_up(hold: Object) -> bool:
    """Whether a workload has endpoints, or is none of Layby's."""
    return hold.get("status", {}).get("phase") not in ASLEEP or bool(hold["spec"].get("dryRun"))


def said(hold: Object) -> str:
    """Return what the controller says of a TrafficHold."""
    conditions = hold.get("status", {}).get("conditions", ())
    why = [c.get("message", "") for c in conditions if c["type"] == "Ready"]
    namespace, name = key_of(hold)
    return f"  {namespace}/{name}: {(why or [UNKNOWN])[0]}"


async def main(root_namespace: str, gate: str, seconds: str) -> None:
    """Leave the cluster whose pod this runs in."""
    async with await Connection.open(user_agent="layby-uninstall") as connection:
        await leave(Kube(connection), Key(root_namespace, gate), float(seconds))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
