"""A controller where KEDA is; of KEDA itself only what it writes."""

from kube.resource import SCALED_OBJECTS
from tests.controller.looking import begin, cart
from tests.controller.objects import definition, hold

OURS = "layby-cart"


def says(cluster, ready="True", name=OURS, message="said", **more):
    """Have KEDA look at a ScaledObject: it labels it, holds on to it, and says what it thinks."""
    item = cluster.find(SCALED_OBJECTS, name)
    conditions = [{"type": "Ready", "status": ready, "message": message}]
    cluster.have({**item, "status": {"conditions": conditions, **more}})


def named(cluster, name=OURS):
    return cluster.find(SCALED_OBJECTS, name)


def direct(**spec):
    return hold(spec={"scaling": {"mode": "Direct"}, **spec})


async def with_keda(running, *items):
    """Begin where there is KEDA, which has looked at all that there is."""
    await begin(running, definition(), *(items or cart()))
    if named(running.cluster):
        says(running.cluster)
        await running.settle()
        running.cluster.writes.clear()
