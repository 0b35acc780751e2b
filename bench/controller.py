"""The benchmark of the controller: `python -m bench.controller` prints one line of JSON.

A real API server, thousands of TrafficHolds, and `layby controller` under its own role. Needs the
binaries of the end-to-end stack, and the right to make a network namespace.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from bench.figures import cpu_seconds, exceeded
from e2e.stack import istiod
from e2e.stack.controlplane import ControlPlane, answers
from e2e.stack.namespace import Namespace
from e2e.stack.processes import Child, Children, until

ROOT = Path(__file__).parents[1]
ACCOUNT = ("layby-controller", "layby-system")
READS = frozenset({"get", "list", "watch"})
HEALTH = "http://127.0.0.1:8081"
NAMESPACES = 20
WRITERS = 4
CONVERGED_WITHIN = 300.0
BOUNDS = {"converged_seconds": (0, 60), "steady_writes": (0, 0), "rss_peak_mb": (0, 300)}
"""For 2,000 TrafficHolds on two cores."""
QUIET_SECONDS = 3.0


def main() -> None:
    """Parse the arguments, measure, report."""
    parser = argparse.ArgumentParser(prog="bench.controller", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="TrafficHolds")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the steady state")
    parser.add_argument("--check", action="store_true", help="fail beyond the project's bounds")
    args = parser.parse_args()
    network = Namespace.create()
    try:
        with tempfile.TemporaryDirectory() as folder, network.entered():
            children = Children(Path(folder), network)
            try:
                figures = measure(children, args.count, args.seconds)
            finally:
                children.close()
    finally:
        network.close()
    print(json.dumps(figures))
    if args.check and (said := exceeded(figures, BOUNDS)):
        sys.exit("\n".join(said))


def measure(children: Children, count: int, seconds: float) -> dict[str, Any]:
    """Return how long `count` TrafficHolds take, and what is written once they are settled."""
    plane = ControlPlane(children)
    plane.start()
    # It would make a ReplicaSet for each Deployment, and is not what is measured.
    plane.manager.stop()
    install(plane)
    populate(plane, count)
    sys.stderr.write(f"{count} TrafficHolds are there\n")
    begun = time.time()
    child = start(children, plane)
    assert until(lambda: len(list(statuses(plane))) >= count, CONVERGED_WITHIN), "not converged"
    time.sleep(QUIET_SECONDS)
    figures = {
        "holds": count,
        "converged_seconds": round(max(at(event) for event in writes(plane, begun)) - begun, 1),
        "writes": len(list(writes(plane, begun))),
        "cpu_seconds": round(cpu_seconds(child.pid), 1),
    }
    settled = time.time()
    before = cpu_seconds(child.pid)
    time.sleep(seconds)
    figures |= {
        "steady_seconds": seconds,
        "steady_writes": len(list(writes(plane, settled))),
        "steady_cpu_percent": round((cpu_seconds(child.pid) - before) / seconds * 100, 1),
        "rss_mb": memory(child, "VmRSS"),
        "rss_peak_mb": memory(child, "VmHWM"),
    }
    child.stop()
    restarted = time.time()
    child.start()
    time.sleep(seconds / 2)
    again = list(writes(plane, restarted))
    child.stop()
    for event in again:
        sys.stderr.write(f"after the restart: {event['verb']} {event['requestURI']}\n")
    return figures | {"restart_writes": len(again)}


def install(plane: ControlPlane) -> None:
    """Install Layby, but for what runs."""
    for name in ("layby-system", istiod.NAMESPACE, *spaces()):
        plane.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    istiod.install_crds(plane.api)
    for file in sorted((ROOT / "crds" / "yaml").glob("*.yaml")):
        plane.api.apply(yaml.safe_load(file.read_text()))
    manifest = (ROOT / "deploy" / "manifests" / "controller.yaml").read_text()
    plane.api.apply([d for d in yaml.safe_load_all(manifest) if d["kind"] != "Deployment"])
    time.sleep(2.0)


def populate(plane: ControlPlane, count: int) -> None:
    """Make workloads, the Services before them, and the TrafficHolds on them."""
    places = list(spaces())

    def make(number: int) -> None:
        for item in workload(f"w{number}", places[number % len(places)]):
            plane.api.create(item)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(make, range(count)))


def spaces() -> Iterator[str]:
    """Name the namespaces."""
    return (f"shop-{number}" for number in range(NAMESPACES))


def workload(name: str, namespace: str) -> Iterator[dict[str, Any]]:
    """Return a workload at zero, its Service and its TrafficHold."""
    labels = {"app": name}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    specs: Mapping[str, tuple[str, dict[str, Any]]] = {
        "Deployment": (
            "apps/v1",
            {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod},
        ),
        "Service": ("v1", {"selector": labels, "ports": [{"name": "http", "port": 80}]}),
        "TrafficHold": ("layby.dev/v1alpha1", {"targetRef": {"name": name}}),
    }
    for kind, (version, spec) in specs.items():
        yield {
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }


def start(children: Children, plane: ControlPlane) -> Child:
    """Start a controller."""
    return children.add(
        "controller",
        [sys.executable, "-m", "cli.main", "controller"],
        ready=answers(f"{HEALTH}/healthz"),
        environment={
            "KUBECONFIG": str(plane.kubeconfig_of(*ACCOUNT)),
            "LAYBY_CONTROLLER_HEALTH_HOST": "127.0.0.1",
            "PYTHONPATH": str(ROOT),
        },
    )


def writes(plane: ControlPlane, since: float) -> Iterator[dict[str, Any]]:
    """Return what the controller has written, but for its lease."""
    for event in plane.audited(*ACCOUNT):
        resource = event["objectRef"]["resource"] if "objectRef" in event else ""
        if event["verb"] not in READS and resource != "leases" and at(event) >= since:
            yield event


def statuses(plane: ControlPlane) -> Iterator[dict[str, Any]]:
    """Return the statuses that it has written."""
    return (e for e in writes(plane, 0.0) if e["objectRef"].get("subresource") == "status")


def at(event: Mapping[str, Any]) -> float:
    """Return when a request came."""
    return datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()


def memory(child: Child, field: str) -> int:
    """Return megabytes of memory."""
    text = Path(f"/proc/{child.pid}/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith(field))
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    main()
