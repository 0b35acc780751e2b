"""Many sleeps and wakes under sparse load, with KEDA taking workloads to zero."""

import sys

import pytest

from bench.window import unexplained, windows
from e2e.keda import scene
from e2e.stack.kubelet import PROBE_PERIOD
from e2e.test_cycles import cycle, tell, wakes

pytestmark = pytest.mark.usefixtures("installed")

WORKLOADS, EACH = 10, 10
GAPS = (3.0, 9.0)
"""Seconds between two requests: KEDA takes a workload to zero 4 to 7 s after the last one."""


@pytest.mark.timeout(300)
async def test_a_hundred_cycles_lose_nothing_and_do_not_flap(stack, apply, namespace):
    """Each cycle is two writes of the scale: one to wake, one to sleep."""
    webs = [scene.Web(stack, namespace, f"web-{number}") for number in range(WORKLOADS)]
    for web in webs:
        web.deploy(apply, "--linger", "3", annotations={PROBE_PERIOD: "20ms"}, idle={"after": "1s"})
    hosts = {web.name: web.host for web in webs}
    before = seen(stack, namespace, webs)
    served, lost = await cycle(stack, namespace, hosts, EACH, GAPS)
    total = sum(wakes(stack, namespace, web.name) for web in webs)
    tell(total, served, lost)
    assert not unexplained(lost)
    assert windows(lost) <= 1, lost
    assert total >= WORKLOADS * EACH
    # Each change is one wake or one sleep. A write that changes nothing is one that came second:
    # KEDA polled, and its cache did not know yet that Layby had started it.
    after = seen(stack, namespace, webs)
    changes, writes = (now - then for now, then in zip(after, before, strict=True))
    sys.stderr.write(f"{writes} writes of the scale for {changes} changes\n")
    assert total <= served, "it was woken for nobody"
    # Of a hundred wakes two have been seen to have one.
    assert writes <= changes + total // 10


def seen(stack, namespace: str, webs: list[scene.Web]) -> tuple[int, int]:
    """How often the workloads were changed, and their scales written."""
    written = [each for each in scene.scale_writes(stack, namespace) if each.endswith(" 200")]
    return sum(web.generation for web in webs), len(written)
