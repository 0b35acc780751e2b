from typing import Any

import pytest

from istio.protojson import to_dict
from local.routes import Route, cluster_name, virtual_hosts


def summary(*routes: Route) -> list[Any]:
    """Each virtual host's domains, and its prefixes with their clusters."""
    hosts: list[Any] = [to_dict(host) for host in virtual_hosts(routes)]
    return [
        (
            tuple(host["domains"]),
            [(route["match"]["prefix"], route["route"]["cluster"]) for route in host["routes"]],
        )
        for host in hosts
    ]


A, B = cluster_name("a"), cluster_name("b")


def test_a_cluster_is_named_like_one_of_istiods():
    """The gate and the hold server tell workloads from other clusters by this form."""
    assert "outbound|80||cart.local" == cluster_name("cart")


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([Route("a")], [(("*",), [("/", A)])]),
        (
            [Route("a"), Route("b", prefix="/b")],
            [(("*",), [("/b", B), ("/", A)])],
        ),
        (
            [Route("a", hosts=("x", "y")), Route("b", hosts=("y",), prefix="/b")],
            [(("y",), [("/b", B), ("/", A)]), (("x",), [("/", A)])],
        ),
        (
            [Route("a", hosts=("x", "y")), Route("b", hosts=("z",))],
            [(("x", "y"), [("/", A)]), (("z",), [("/", B)])],
        ),
        ([Route("a"), Route("a")], [(("*",), [("/", A)])]),
    ],
)
def test_each_host_is_in_one_virtual_host_with_its_longest_prefix_first(routes, expected):
    """Envoy refuses a host that is named twice, and takes the first route that matches."""
    assert expected == summary(*routes)


def test_two_workloads_at_one_place_are_refused():
    """The second would never get a request."""
    with pytest.raises(ValueError, match="two routes for host 'x' and prefix '/'"):
        virtual_hosts([Route("a", hosts=("x",)), Route("b", hosts=("x", "y"))])


def test_a_route_has_no_time_limit_and_repeats_only_what_no_workload_saw():
    """Parked time counts against a route's timeout where there is one."""
    (host,) = virtual_hosts([Route("a")])
    action: Any = to_dict(host.routes[0])["route"]
    assert "0s" == action["timeout"]
    assert {
        "retry_on": "connect-failure,refused-stream,reset-before-request",
        "num_retries": 2,
    } == action["retry_policy"]
