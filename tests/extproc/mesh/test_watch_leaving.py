import asyncio

import pytest

from extproc.core.hold import RELEASED, UNMANAGED
from extproc.core.probe import Request
from extproc.core.workload import Chance
from feed.board import HoldName
from kube.resource import ENDPOINT_SLICES, SERVICES, TRAFFIC_HOLDS
from tests.extproc.mesh.objects import REFUSED, endpoints, hold, service
from tests.extproc.mesh.watching import A_MOMENT, CART, CLUSTER, watching

pytestmark = pytest.mark.looptime

HOLD, TILL = HoldName("shop", "cart"), HoldName("shop", "till")


async def test_a_hold_that_goes_is_let_go_of():
    """Its requests are Envoy's own again."""
    async with watching(hold(), services=[service()]) as rig:
        rig.api.remove(TRAFFIC_HOLDS, hold())
        await asyncio.sleep(A_MOMENT)
        assert set() == rig.told[-1]
        assert rig.watch.find(CLUSTER) is None
        told = len(rig.told)
        await asyncio.sleep(60)
        assert told == len(rig.told)


async def test_whoever_waits_for_a_hold_that_goes_gets_the_workload_all_the_same():
    """It is starting already, and to let the request go now is to lose it."""
    async with watching(hold(), services=[service()]) as rig:
        request = rig.ask()
        await asyncio.sleep(A_MOMENT)
        rig.api.remove(TRAFFIC_HOLDS, hold())
        await asyncio.sleep(10)
        assert not request.done()
        assert {CART} == rig.told[-1]
        rig.api.put(ENDPOINT_SLICES, endpoints("cart", True))
        await asyncio.sleep(A_MOMENT)
        assert RELEASED == request.result()
        await asyncio.sleep(2)
        assert set() == rig.told[-1]
        told = len(rig.told)
        await asyncio.sleep(60)
        assert told == len(rig.told), "nobody looks again"


async def test_what_happens_while_a_hold_lingers_makes_no_more_work():
    """Each event would otherwise leave a timer behind that goes on for as long as it lingers."""
    async with watching(hold(), services=[service()]) as rig:
        request = rig.ask()
        await asyncio.sleep(A_MOMENT)
        rig.api.remove(TRAFFIC_HOLDS, hold())
        for n in range(20):
            rig.api.put(SERVICES, service(f"other-{n}"))
            await asyncio.sleep(A_MOMENT)
        told = len(rig.told)
        await asyncio.sleep(10)
        assert 9 <= len(rig.told) - told <= 11
        request.cancel()


async def test_what_hold_servers_had_counted_goes_with_their_hold():
    """They are gone too, and nobody else would ever forget it."""
    async with watching(hold(), hold("till"), services=[service()]) as rig:
        for each in (HOLD, TILL):
            rig.lose(each, requests=3)
        rig.api.remove(TRAFFIC_HOLDS, hold())
        await asyncio.sleep(A_MOMENT)
        counted = [rig.hold_servers.total(each).requests for each in (HOLD, TILL)]
        assert [0, 3] == counted


async def test_what_is_counted_while_a_hold_lingers_goes_with_it():
    """A hold server may be lost then too, and has that hold in its account."""
    async with watching(hold(), services=[service()]) as rig:
        request = rig.ask()
        await asyncio.sleep(A_MOMENT)
        rig.api.remove(TRAFFIC_HOLDS, hold())
        await asyncio.sleep(2)
        rig.lose(HOLD, requests=3)
        assert 3 == rig.hold_servers.total(HOLD).requests
        request.cancel()
        await asyncio.sleep(2)
        assert 0 == rig.hold_servers.total(HOLD).requests


async def test_a_hold_that_only_rehearses_is_not_gone():
    """Its requests are counted all the same."""
    async with watching(hold(), services=[service()]) as rig:
        rig.lose(HOLD, requests=3)
        rig.api.put(TRAFFIC_HOLDS, hold(dryRun=True))
        await asyncio.sleep(A_MOMENT)
        assert not rig.watch.directory.holds
        assert 3 == rig.hold_servers.total(HOLD).requests


async def test_a_hold_that_is_refused_lets_its_requests_go():
    """They are not lingering: the hold is there, and says no."""
    async with watching(hold(status=REFUSED), services=[service()]) as rig:
        assert rig.watch.find(CLUSTER) is None
        verdict = await rig.server.throttler.hold(CART, Request(), Chance())
        assert UNMANAGED == verdict
