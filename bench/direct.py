"""Raw ext_proc streams against one hold server: what parking costs it, with no Envoy between."""

import asyncio
from statistics import median
from typing import Any

import grpc

from bench.figures import quantile, slope
from bench.rig import Replica
from extproc.wire.ext_proc import ATTRIBUTES, CONTINUE, SERVICE
from extproc.wire.gen.external_processor_pb2 import ProcessingRequest
from istio.contract import ForwardedHeader
from local.guard import Guard

CHANNELS = 8
STEPS = 5
CLUSTER = "outbound|80||cold.local"
HEADERS = {
    ForwardedHeader.METHOD: "GET",
    ForwardedHeader.PATH: "/cart/items?limit=20",
    ForwardedHeader.USER_AGENT: "bench/1.0",
    ForwardedHeader.ACCEPT: "*/*",
    ForwardedHeader.TRACEPARENT: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
}


def message() -> bytes:
    """Encode what the gate sends for an ordinary request."""
    request = ProcessingRequest()
    for name, value in HEADERS.items():
        request.request_headers.headers.headers.add(key=name, raw_value=value.encode())
    request.attributes[ATTRIBUTES].update({"xds.cluster_name": CLUSTER})
    return request.SerializeToString()


async def measure(count: int) -> dict[str, Any]:
    """Park `count` streams, and as many at a gRPC server that does no more; report both."""
    figures = await _measure(count)
    bare = (await _measure(count, "--bare"))["parks_per_cpu_second"]
    share = round(figures["parks_per_cpu_second"] / bare, 2)
    return {**figures, "bare_parks_per_cpu_second": bare, "share_of_bare": share}


async def reports(count: int, rounds: int) -> dict[str, Any]:
    """Park `count` streams with and without metrics and traces, in turns; report medians."""
    arms = {
        "off": (),
        "metrics": ("--reports", "metrics"),
        "metrics_and_unsampled_traces": ("--reports", "traces"),
    }
    parks: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name, arguments in arms.items():
            parks[name].append((await _measure(count, *arguments))["parks_per_cpu_second"])
    off = median(parks["off"])
    return {
        name: {
            "rounds": rounds,
            "parks_per_cpu_second": round(median(each)),
            "ratio_to_off": round(median(each) / off, 3),
        }
        for name, each in parks.items()
    }


async def _measure(count: int, *arguments: str) -> dict[str, Any]:
    """Park `count` streams in steps, release them, and report.

    Args:
        count: how many.
        arguments: for the hold server.
    """
    guard = Guard()
    await guard.start()
    replica = await Replica.start(guard, *arguments)
    target = f"127.0.0.1:{replica.port}"
    # A channel with options of its own has a connection of its own.
    channels = [
        grpc.aio.insecure_channel(target, options=[("layby.channel", i)]) for i in range(CHANNELS)
    ]
    released: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    sent = message()

    async def hold(channel: grpc.aio.Channel) -> float | None:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(
            f"/{SERVICE}/Process"
        )()
        try:
            await call.write(sent)
            answer = await call.read()
        except grpc.aio.AioRpcError:
            return None
        if answer != CONTINUE:
            return None
        return asyncio.get_running_loop().time() - await released

    try:
        before = await replica.stats()
        points = [(0.0, float(before["rss_kb"]))]
        streams: list[asyncio.Task[float | None]] = []
        for step in range(1, STEPS + 1):
            wanted = count * step // STEPS
            streams += [
                asyncio.create_task(hold(channels[i % CHANNELS]))
                for i in range(len(streams), wanted)
            ]
            while (now := await replica.stats())["pending"] < wanted:
                await asyncio.sleep(0.02)
            points.append((float(wanted), float(now["rss_kb"])))
        parked = await replica.stats()
        released.set_result(asyncio.get_running_loop().time())
        replica.order(ready=1)
        took = (await replica.hear("released_seconds"))["released_seconds"]
        latencies = [seconds for seconds in await asyncio.gather(*streams) if seconds is not None]
        after = await replica.stats()
    finally:
        for channel in channels:
            await channel.close()
        await guard.close()
    return {
        "streams": count,
        "lost": count - len(latencies),
        "parks_per_cpu_second": round(count / (parked["cpu_seconds"] - before["cpu_seconds"])),
        "rss_kb_per_parked": round(slope(points), 1),
        "release_seconds": round(took, 3),
        "releases_per_cpu_second": round(count / (after["cpu_seconds"] - parked["cpu_seconds"])),
        "release_latency_ms_p50": round(quantile(latencies, 0.5) * 1000, 1),
        "release_latency_ms_p99": round(quantile(latencies, 0.99) * 1000, 1),
    }
