"""One hold server in a process of its own, told about endpoints over its standard input.

`python -m bench.replica` stands where `layby extproc` stands in a mesh, with a parent in place of
the Kubernetes API: for benchmarks and for the tests that kill, freeze and drain a replica.

It reads one JSON object a line and prints one a line. In: `{"ready": 1}` endpoints of the workload
(repeated: the present number), `{"stats": true}`, `{"empty": true}`, `{"fail": "reason"}`. Out:
`{"port": 9002}` once serving; for stats the parked requests, the resident set in kB and the CPU
seconds used; for empty, when nobody was parked any more, in seconds of the monotonic clock. SIGTERM
drains it. With `--reports` it counts, and traces without keeping any; with `--bare` it is no hold
server, but a gRPC server that does no more than park.
"""

import argparse
import asyncio
import json
import os
import resource
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from bench.bare import Bare
from extproc.app import HoldServer
from extproc.core.workload import Hold, Workload, WorkloadKey
from extproc.throttler import Observer
from local.app import SETTLE
from telemetry.app import telemetry
from telemetry.settings import OtelSettings, TraceSettings

KEY = WorkloadKey("bench", "cold")
METRICS = {
    "OTEL_SDK_DISABLED": "false",
    "OTEL_METRICS_EXPORTER": "prometheus",
    "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
    "OTEL_EXPORTER_PROMETHEUS_PORT": "0",
    "OTEL_TRACES_EXPORTER": "none",
}
# With the sampler always_off there would be no tracing at all. Nobody listens at port 9.
UNSAMPLED = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
    "OTEL_TRACES_SAMPLER_ARG": "0",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9",
}
REPORTS = {"metrics": METRICS, "traces": METRICS | UNSAMPLED}
"""The environment for what `--reports` asks for; traces are with metrics."""


class Parent:
    """Starts workloads when it likes, whoever waits."""

    def wake(self, key: WorkloadKey) -> None:
        """Do nothing: what a wake costs is not the hold's, and is the same for one or thousands."""


def say(**fields: object) -> None:
    """Print one line of JSON."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def stats(server: HoldServer | Bare) -> dict[str, float]:
    """What the process holds and has used."""
    status = Path("/proc/self/status").read_text()
    rss = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "pending": server.throttler.pending(),
        "rss_kb": int(rss),
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "now": asyncio.get_running_loop().time(),
    }


async def listen_to_parent(server: HoldServer | Bare) -> None:
    """Act on each line of standard input until it ends."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    while line := await lines.readline():
        order: dict[str, Any] = json.loads(line)
        if "ready" in order:
            begun = asyncio.get_running_loop().time()
            server.throttler.endpoints_changed(KEY, order["ready"])
            if order["ready"]:
                await server.throttler.emptied(60)
                say(released_seconds=asyncio.get_running_loop().time() - begun)
        elif "empty" in order:
            await server.throttler.emptied(60)
            say(empty_at=asyncio.get_running_loop().time())
        elif "fail" in order:
            server.throttler.start_failed(KEY, order["fail"])
        else:
            say(**stats(server))


def hold_server(args: argparse.Namespace, observer: Observer | None) -> HoldServer:
    """Put one together that knows its workload."""
    find = {args.cluster: KEY}.get
    server = HoldServer(
        Parent(), find, max_pending=args.max_pending, settle=args.settle, observer=observer
    )
    hold = Hold(args.timeout, args.max_pending_per_workload, None)
    server.replace({KEY: Workload(KEY, hold)})
    return server


async def serve(args: argparse.Namespace) -> None:
    """Run until SIGTERM, then drain."""
    async with AsyncExitStack() as stack:
        observer = None
        if args.reports:
            os.environ.update(REPORTS[args.reports])
            reporting = telemetry("layby-bench", "0", OtelSettings(), TraceSettings())
            observer = (await stack.enter_async_context(reporting)).holds
        server = Bare() if args.bare else hold_server(args, observer)
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        say(port=await server.start(args.listen))
        await server.ready()
        orders = asyncio.create_task(listen_to_parent(server), name="orders")
        await stopping.wait()
        await server.drain(args.patience, hand_over=args.hand_over)
        orders.cancel()


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(prog="bench.replica", description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--cluster", default="outbound|80||cold.local")
    parser.add_argument("--max-pending", type=int, default=100_000)
    parser.add_argument("--max-pending-per-workload", type=int, default=100_000)
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--settle", type=float, default=SETTLE)
    parser.add_argument("--patience", type=float, default=10.0)
    parser.add_argument("--hand-over", action="store_true")
    parser.add_argument("--reports", choices=REPORTS)
    parser.add_argument("--bare", action="store_true", help="a gRPC server that only parks")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
