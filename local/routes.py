"""Which requests are for which workload, in Envoy's terms.

Owns the order in which routes are tried and the names of the workloads' clusters.
Must not know listeners, endpoints or processes.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from envoy_data_plane.envoy.config.route.v3 import (
    RetryPolicy,
    RouteAction,
    RouteMatch,
    VirtualHost,
)
from envoy_data_plane.envoy.config.route.v3 import (
    Route as EnvoyRoute,
)


@dataclass(frozen=True, slots=True)
class Route:
    """Which requests are for a workload.

    A host that any route names has only its own routes: those of `*` do not add to it. The prefix
    is one of characters, not of path elements: `/api` takes `/apiary` too.
    """

    workload: str
    hosts: tuple[str, ...] = ("*",)
    prefix: str = "/"


def cluster_name(workload: str) -> str:
    """Return the cluster of a workload, named the way istiod names a service's."""
    return f"outbound|80||{workload}.local"


def virtual_hosts(routes: Iterable[Route]) -> list[VirtualHost]:
    """Return a virtual host per set of hosts with the same routes, the longest prefix first."""
    by_host: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for route in sorted(routes, key=lambda route: -len(route.prefix)):
        for host in route.hosts:
            if by_host[host].setdefault(route.prefix, route.workload) != route.workload:
                raise ValueError(f"two routes for host {host!r} and prefix {route.prefix!r}")
    hosts_by_targets: defaultdict[tuple[tuple[str, str], ...], list[str]] = defaultdict(list)
    for host, targets in by_host.items():
        hosts_by_targets[tuple(targets.items())].append(host)
    return [
        VirtualHost(
            name=hosts[0],
            domains=hosts,
            routes=[_route(prefix, workload) for prefix, workload in targets],
        )
        for targets, hosts in hosts_by_targets.items()
    ]


def _route(prefix: str, workload: str) -> EnvoyRoute:
    """Route without a time limit; try again only what no workload can have seen."""
    return EnvoyRoute(
        name=workload,
        match=RouteMatch(prefix=prefix),
        route=RouteAction(
            cluster=cluster_name(workload),
            timeout=timedelta(0),
            retry_policy=RetryPolicy(
                retry_on="connect-failure,refused-stream,reset-before-request", num_retries=2
            ),
        ),
    )
