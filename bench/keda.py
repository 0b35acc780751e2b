"""The benchmark of many workloads with KEDA: `python -m bench.keda` prints one line of JSON.

The end-to-end stack with KEDA, Layby by its own manifests, and hundreds of TrafficHolds on sleeping
Deployments. Needs the binaries of that stack, and the right to make a network namespace.
"""

import argparse
import json
import re
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench.controller import READS, at, populate, spaces
from bench.figures import cpu_seconds
from e2e import layby
from e2e.stack.processes import until
from e2e.stack.whole import Stack, running

CONVERGED_WITHIN = 900.0
LOOK_SECONDS = 1.0
QUIET_SECONDS = 15.0
CALM_WITHIN = 300.0
METRICS_PORT = 9464
ACCOUNTS = (
    ("layby-controller", "layby-system"),
    ("layby-extproc", "layby-system"),
    ("keda-operator", "keda"),
)
_SERIES = re.compile(
    r'^layby_keda_(streams|calls_total)(?:\{method="(\w+)",result="(\w+)"\})? (\S+)$'
)


class State(NamedTuple):
    """What has been used and counted up to a moment."""

    at: float
    cpu: Mapping[str, float]
    calls: Counter[str]


def main() -> None:
    """Parse the arguments, measure, report."""
    parser = argparse.ArgumentParser(prog="bench.keda", description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="TrafficHolds")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each steady state")
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder), keda=True) as stack,
    ):
        print(json.dumps(measure(stack, args.count, args.seconds)))


def measure(stack: Stack, count: int, seconds: float) -> dict[str, Any]:
    """Return what `count` sleeping workloads cost Layby and KEDA, beside none at all."""
    stack.api.apply([_namespace(name) for name in spaces()])
    layby.install(stack.api)
    time.sleep(QUIET_SECONDS)
    figures: dict[str, Any] = {"holds": count, "without": watch(stack, seconds)}
    begun = time.monotonic()
    populate(stack.control_plane, count)
    made = time.monotonic()
    sys.stderr.write(f"{count} TrafficHolds are there\n")
    converged = until(lambda: settled(stack) >= count, CONVERGED_WITHIN, LOOK_SECONDS)
    assert converged, f"{settled(stack)} of {count} are settled"
    figures |= {
        "made_seconds": round(made - begun, 1),
        "converged_seconds": round(time.monotonic() - made, 1),
    }
    # KEDA limits what it writes, and is late with it.
    since = time.time()
    is_quiet = until(lambda: not writes_lately(stack), CALM_WITHIN, LOOK_SECONDS)
    quiet = round(time.time() - since - QUIET_SECONDS, 1) if is_quiet else None
    return figures | {"quiet_seconds_later": quiet, "with": watch(stack, seconds)}


def writes_lately(stack: Stack) -> list[str]:
    """Return what has just been written."""
    return [each for each in writes(stack, time.time() - QUIET_SECONDS) if "reviews" not in each]


def settled(stack: Stack) -> int:
    """Count the TrafficHolds that are Ready, and whose ScaledObjects KEDA says are Ready."""
    paths = ("keda.sh/v1alpha1/scaledobjects", "layby.dev/v1alpha1/trafficholds")
    ready = [sum(map(_is_ready, stack.api.request("GET", f"/apis/{p}")["items"])) for p in paths]
    sys.stderr.write(f"ready: {ready[0]} ScaledObjects, {ready[1]} TrafficHolds\n")
    return min(ready)


def watch(stack: Stack, seconds: float) -> dict[str, Any]:
    """Return what a steady state costs each process in a minute, and what is asked and written."""
    since = time.time()
    before = look(stack)
    time.sleep(seconds)
    after = look(stack)
    took = after.at - before.at
    pids = processes(stack)
    return {
        "cpu_seconds_per_minute": {
            name: round((after.cpu[name] - before.cpu[name]) / took * 60, 2) for name in pids
        },
        "rss_mb": {name: memory(pid) for name, pid in pids.items()},
        "streams": [s for s, _ in map(told, addresses(stack))],
        "calls_per_second": {
            name: round((number - before.calls[name]) / took, 1)
            for name, number in sorted(after.calls.items())
        },
        "writes": dict(Counter(writes(stack, since))),
    }


def look(stack: Stack) -> State:
    """See what has been used and asked so far."""
    calls = sum((calls for _, calls in map(told, addresses(stack))), Counter[str]())
    cpu = {name: cpu_seconds(pid) for name, pid in processes(stack).items()}
    return State(time.monotonic(), cpu, calls)


def processes(stack: Stack) -> dict[str, int]:
    """Return the processes that matter."""
    pids = {
        f"{command} {number}": pid
        for command in ("extproc", "controller")
        for number, pid in enumerate(sorted(layby.processes(command)))
    }
    return pids | {
        "keda-operator": stack.keda.operator.pid,
        "keda-adapter": stack.keda.adapter.pid,
        "kube-apiserver": stack.control_plane.apiserver.pid,
    }


def addresses(stack: Stack) -> list[str]:
    """Return the addresses of the hold servers."""
    pods = stack.api.items("v1", "Pod", layby.NAMESPACE)
    return [
        pod["status"]["podIP"]
        for pod in sorted(pods, key=lambda pod: pod["metadata"]["name"])
        if pod["metadata"]["name"].startswith("layby-extproc")
    ]


def told(address: str) -> tuple[int, Counter[str]]:
    """Read off one hold server how many of KEDA's streams are open, and what it has asked."""
    with urllib.request.urlopen(f"http://{address}:{METRICS_PORT}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    streams, calls = 0, Counter[str]()
    for name, method, result, value in (m.groups() for m in map(_SERIES.match, lines) if m):
        if name == "streams":
            streams = int(float(value))
        else:
            calls[f"{method} {result}"] += int(float(value))
    return streams, calls


def writes(stack: Stack, since: float) -> Iterator[str]:
    """Return who has written what since a moment, but for leases."""
    for account in ACCOUNTS:
        for event in stack.control_plane.audited(*account):
            reference = event.get("objectRef", {})
            resource = "/".join(filter(None, map(reference.get, ("resource", "subresource"))))
            if event["verb"] not in READS and resource != "leases" and at(event) >= since:
                yield f"{account[0]} {event['verb']} {resource}"


def memory(pid: int) -> int:
    """Return megabytes of resident memory."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) // 1024


def _is_ready(item: Mapping[str, Any]) -> bool:
    conditions = item.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


if __name__ == "__main__":
    main()
