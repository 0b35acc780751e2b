"""The cost of the gate to a warm request: Envoys with and without it, interleaved in one run."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from bench.figures import cpu_seconds, quantile
from bench.rig import Rig

CONNECTIONS = 16
REQUEST = b"GET /warm HTTP/1.1\r\nhost: bench\r\n\r\n"


async def measure(rounds: int, seconds: float) -> dict[str, Any]:
    """Load each Envoy in turn, `rounds` times for `seconds`; report medians and ratios."""
    variants = {"no_gate": Rig(gated=False), **{f"chances_{n}": Rig(chances=n) for n in (1, 2, 3)}}
    costs: dict[str, list[float]] = {name: [] for name in variants}
    waits: dict[str, list[float]] = {name: [] for name in variants}
    async with AsyncExitStack() as stack:
        for rig in variants.values():
            await stack.enter_async_context(rig)
        for _ in range(rounds):
            for name, rig in variants.items():
                before = cpu_seconds(rig.envoy.pid)
                answered = await load(rig.port, seconds)
                costs[name].append((cpu_seconds(rig.envoy.pid) - before) / len(answered))
                waits[name] += answered
    plain = quantile(costs["no_gate"], 0.5)
    return {
        name: {
            "requests": len(waits[name]),
            "cpu_us_per_request": round(quantile(costs[name], 0.5) * 1e6, 2),
            "requests_per_cpu_second": round(1 / quantile(costs[name], 0.5)),
            "cpu_ratio": round(quantile(costs[name], 0.5) / plain, 3),
            "latency_ms_p50": round(quantile(waits[name], 0.5) * 1000, 3),
            "latency_ms_p99": round(quantile(waits[name], 0.99) * 1000, 3),
        }
        for name in variants
    }


async def load(port: int, seconds: float) -> list[float]:
    """Send requests in a closed loop over kept-alive connections; return their latencies."""
    until = asyncio.get_running_loop().time() + seconds
    runs = (_one_after_another(port, until) for _ in range(CONNECTIONS))
    return [latency for run in await asyncio.gather(*runs) for latency in run]


async def _one_after_another(port: int, until: float) -> list[float]:
    clock = asyncio.get_running_loop().time
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies: list[float] = []
    while (sent := clock()) < until:
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        await reader.readexactly(2)
        latencies.append(clock() - sent)
    writer.close()
    return latencies
