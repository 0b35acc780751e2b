import asyncio
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from extproc.scaler.gauges import watch
from extproc.scaler.service import SERVICE
from feed.board import HoldName, Share
from telemetry.catalogue import METRICS
from telemetry.catalogue.scaling import KEDA_CALLS, KEDA_STREAMS
from telemetry.store import Store
from tests.extproc.scaler.keda import (
    AWAITED,
    QUIET,
    Keda,
    ScriptedDemand,
    asking,
    pushed,
    scaler,
    serving,
)


def lately(seconds: float) -> Share:
    """A request that is over, and came so long ago."""
    return Share(last_request=asyncio.get_running_loop().time() - seconds)


@asynccontextmanager
async def refused(code: grpc.StatusCode, said: str):
    """KEDA is given an error, with words for its log."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        yield
    assert code == raised.value.code()
    assert said in (raised.value.details() or "")


async def test_the_workload_is_wanted_while_there_is_demand():
    """This is what keeps it awake."""
    demand = ScriptedDemand()
    async with asking(demand) as keda:
        for share in (AWAITED, Share(in_flight=1), Share(waking=True), lately(29)):
            demand.say(share)
            assert await keda.is_active()
        for share in (QUIET, lately(33)):
            demand.say(share)
            assert not await keda.is_active()


async def test_it_is_not_put_to_sleep_while_a_hold_server_has_not_been_heard():
    """What it has in flight would be cut off."""
    demand = ScriptedDemand()
    demand.whole = False
    async with asking(demand) as keda:
        async with refused(grpc.StatusCode.UNAVAILABLE, "shop/cart"):
            await keda.is_active()
        async with refused(grpc.StatusCode.UNAVAILABLE, "not every hold server"):
            await keda.metric("layby-concurrency")
        demand.say(Share(in_flight=3))
        assert await keda.is_active()
        assert 3 == (await keda.metric("layby-concurrency")).metricValueFloat


async def test_it_is_not_put_to_sleep_for_a_hold_that_nobody_knows():
    """It is misspelt, or gone: then its requests are not parked, and a sleep would lose them."""
    async with asking(ScriptedDemand(), concurrency="1", trafficHold="crat") as keda:
        async with refused(grpc.StatusCode.NOT_FOUND, "no TrafficHold shop/crat"):
            await keda.is_active()
        async with refused(grpc.StatusCode.NOT_FOUND, "no TrafficHold shop/crat"):
            await keda.metric("layby-concurrency")


async def test_a_trigger_that_makes_no_sense_is_refused_with_words():
    """They are in KEDA's log, and in the ScaledObject's events."""
    async with asking(ScriptedDemand(), concurrency="ten") as keda:
        for ask in (keda.is_active, keda.metric_spec, lambda: keda.metric("layby-rate")):
            async with refused(grpc.StatusCode.INVALID_ARGUMENT, "'ten'"):
                await ask()


async def test_the_metric_is_the_one_that_the_hold_is_scaled_by():
    """Its name must stay what it is: KEDA asks for it by this name."""
    async with asking(ScriptedDemand(), concurrency="100") as keda:
        spec = await keda.metric_spec()
        assert ("layby-concurrency", 100.0, 100) == (
            spec.metricName,
            spec.targetSizeFloat,
            spec.targetSize,
        )
    async with asking(ScriptedDemand(), requestsPerSecond="2.5") as keda:
        spec = await keda.metric_spec()
        assert ("layby-rate", 2.5, 3) == (spec.metricName, spec.targetSizeFloat, spec.targetSize)


async def test_what_to_scale_by_is_said_of_a_hold_that_is_not_known_yet():
    """KEDA asks while the hold is being made, and makes no autoscaler without an answer."""
    demand = ScriptedDemand()
    demand.whole = False
    async with asking(demand, concurrency="1", trafficHold="new") as keda:
        assert "layby-concurrency" == (await keda.metric_spec()).metricName


async def test_the_load_is_that_of_all_hold_servers():
    """The autoscaler divides it by the target."""
    demand = ScriptedDemand()
    demand.say(Share(pending=3, in_flight=12, rate=0.25))
    async with asking(demand) as keda:
        value = await keda.metric("layby-concurrency")
        assert ("layby-concurrency", 12.0, 12) == (
            value.metricName,
            value.metricValueFloat,
            value.metricValue,
        )
        demand.say(QUIET)
        assert 0.0 == (await keda.metric("layby-concurrency")).metricValueFloat


async def test_the_value_is_that_of_the_metric_that_was_asked_for():
    """Just after the target has changed, the autoscaler still goes by the other."""
    demand = ScriptedDemand()
    demand.say(Share(in_flight=12, rate=0.25))
    async with asking(demand, concurrency="10") as keda:
        value = await keda.metric("layby-rate")
        assert ("layby-rate", 0.25, 1) == (
            value.metricName,
            value.metricValueFloat,
            value.metricValue,
        )
        assert 12.0 == (await keda.metric("")).metricValueFloat


async def test_keda_is_told_when_a_request_is_parked():
    """The stream is open long before."""
    demand = ScriptedDemand()
    async with asking(demand) as keda:
        call = keda.follow()
        await call.wait_for_connection()
        demand.say(AWAITED)
        assert await pushed(call)
        demand.say(QUIET)
        assert not await pushed(call)
        demand.say(AWAITED)
        assert await pushed(call)
        call.cancel()


async def test_keda_is_told_again_while_somebody_waits():
    """It drops what comes before its autoscaler is there."""
    demand = ScriptedDemand()
    demand.say(AWAITED)
    async with asking(demand) as keda:
        call = keda.follow()
        clock = asyncio.get_running_loop().time
        assert await pushed(call)
        first = clock()
        assert await pushed(call)
        assert 0.5 < clock() - first < 4
        call.cancel()


async def test_a_hold_that_is_not_known_yet_can_be_followed():
    """KEDA comes back later and later after an error, up to a minute."""
    demand = ScriptedDemand()
    async with asking(demand, trafficHold="new") as keda:
        call = keda.follow()
        await call.wait_for_connection()
        demand.say(AWAITED, HoldName("shop", "new"))
        assert await pushed(call)
        call.cancel()


async def test_what_later_releases_of_keda_ask_for_is_not_implemented():
    """They then do as before."""
    demand = ScriptedDemand()
    async with asking(demand) as keda:
        ask: Any = keda._channel.unary_stream(f"/{SERVICE}/StreamMetricSpec")
        call = ask(b"")
        assert grpc.StatusCode.UNIMPLEMENTED == await call.code()


async def test_five_hundred_streams_on_one_connection_are_told_each_its_own():
    """KEDA has one connection to a scaler, and a stream on it for each trigger."""
    demand = ScriptedDemand()
    names = [f"hold-{number}" for number in range(500)]
    async with asking(demand) as keda:
        calls = [Keda(keda._channel, name).follow() for name in names]
        for call in calls:
            await call.wait_for_connection()
        told: dict[str, bool] = {}

        async def read(name: str, call: Any) -> None:
            told[name] = await pushed(call)

        for name in names:
            demand.say(AWAITED, HoldName("shop", name))
        async with asyncio.TaskGroup() as tasks:
            for name, call in zip(names, calls, strict=True):
                tasks.create_task(read(name, call), name=name)
        assert dict.fromkeys(names, True) == told
        for call in calls:
            call.cancel()


def test_what_keda_has_not_asked_is_counted_from_0():
    """Or Prometheus would take its first refusal for the beginning of the count."""
    store = Store(METRICS)
    watch(store, scaler(ScriptedDemand()))
    [calls] = [each.values for each in store.read() if each.metric is KEDA_CALLS]
    assert (6, {0.0}) == (len(calls), set(calls.values()))


async def test_what_keda_asks_is_counted():
    """That it is there, and whether its `fallback` has something to count, shows in metrics."""
    demand = ScriptedDemand()
    service = scaler(demand)
    store = Store(METRICS)
    watch(store, service)
    async with serving(service) as port, grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        keda = Keda(channel)
        call = keda.follow()
        await call.wait_for_connection()
        await keda.is_active()
        await keda.metric_spec()
        demand.whole = False
        async with refused(grpc.StatusCode.UNAVAILABLE, "shop/cart"):
            await keda.metric("layby-concurrency")
        # KEDA hears of a refusal before the call has ended here.
        while not service.calls["GetMetrics", "refused"]:
            await asyncio.sleep(0.01)
        read = {each.metric: each.values for each in store.read()}
        assert {(): 1.0} == read[KEDA_STREAMS]
        assert {
            ("IsActive", "answered"): 1.0,
            ("GetMetricSpec", "answered"): 1.0,
            ("GetMetrics", "refused"): 1.0,
        } == {call: times for call, times in read[KEDA_CALLS].items() if times}
    assert 0 == service.streams
