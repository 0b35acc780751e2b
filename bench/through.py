"""Whole requests through a real Envoy: a burst parked and released, and single cold starts."""

import asyncio
from typing import Any

from bench.client import Crowd
from bench.figures import quantile, slope
from bench.rig import Rig

STEPS = 5


async def burst(count: int) -> dict[str, Any]:
    """Park `count` requests in steps behind one hold server, release them once, and report."""
    async with Rig() as rig:
        replica = rig.replicas[0]
        crowd = Crowd()
        before = await replica.stats()
        points = [(0.0, float(before["rss_kb"]))]
        sent = 0
        for step in range(1, STEPS + 1):
            wanted = count * step // STEPS
            await crowd.send(rig.port, wanted - sent)
            sent = wanted
            await rig.parked(sent)
            points.append((float(sent), float((await replica.stats())["rss_kb"])))
        parked = await replica.stats()
        begun = asyncio.get_running_loop().time()
        rig.wake()
        took = (await replica.hear("released_seconds"))["released_seconds"]
        answers = await crowd.answers()
        crowd.close()
    waits = [answer.answered_at - begun for answer in answers]
    return {
        "requests": count,
        "answered_200": sum(answer.status == 200 for answer in answers),
        "lost": sum(answer.status != 200 for answer in answers),
        "parks_per_cpu_second": round(count / (parked["cpu_seconds"] - before["cpu_seconds"])),
        "rss_kb_per_parked": round(slope(points), 1),
        "server_release_seconds": round(took, 3),
        "answer_latency_ms_p50": round(quantile(waits, 0.5) * 1000, 1),
        "answer_latency_ms_p99": round(quantile(waits, 0.99) * 1000, 1),
    }


async def single(runs: int) -> dict[str, Any]:
    """Let one request at a time through a cold start; report how long after the endpoint."""
    waits: list[float] = []
    statuses: list[int] = []
    loop = asyncio.get_running_loop()
    async with Rig() as rig:
        for _ in range(runs):
            crowd = Crowd()
            await crowd.send(rig.port, 1)
            await rig.parked(1)
            version = rig.wake()
            await rig.endpoints.applied(version)
            known = loop.time()
            answer = (await crowd.answers())[0]
            waits.append(max(0.0, answer.answered_at - known))
            statuses.append(answer.status)
            crowd.close()
            await rig.sleep()
    return {
        "runs": runs,
        "answered_200": statuses.count(200),
        "after_endpoint_ms_p50": round(quantile(waits, 0.5) * 1000, 1),
        "after_endpoint_ms_p99": round(quantile(waits, 0.99) * 1000, 1),
    }


async def leave(count: int, runs: int) -> dict[str, Any]:
    """Have `count` clients disconnect at once; report how long their places stay taken."""
    loop = asyncio.get_running_loop()
    freed: list[float] = []
    async with Rig() as rig:
        for _ in range(runs):
            crowd = Crowd()
            await crowd.send(rig.port, count)
            await rig.parked(count)
            # Told beforehand: being asked again and again would cost it more than the leaving.
            rig.replicas[0].order(empty=True)
            left = loop.time()
            crowd.close()
            freed.append((await rig.replicas[0].hear("empty_at"))["empty_at"] - left)
    return {
        "clients": count,
        "runs": runs,
        "freed_ms_p50": round(quantile(freed, 0.5) * 1000, 1),
        "freed_ms_max": round(max(freed) * 1000, 1),
    }
