import pytest

from extproc.mesh.endpoints import ready_endpoints
from tests.extproc.mesh.objects import endpoints


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ([], 0),
        ([endpoints("cart")], 0),
        ([endpoints("cart", True, False)], 1),
        ([endpoints("cart", True, True)], 2),
        ([endpoints("cart", None)], 1),
        ([endpoints("cart", True), endpoints("cart", True, False)], 1),
        ([endpoints("cart", False), endpoints("cart", False, True)], 1),
        ([endpoints("cart", True, port="grpc")], 0),
        ([{"endpoints": [{"addresses": ["192.0.2.1"]}]}], 0),
        ([{"ports": [{"name": "http"}], "endpoints": [{"addresses": ["192.0.2.1"]}]}], 1),
        ([{"ports": [{"name": "http"}], "endpoints": None}], 0),
        ([{"ports": [{"name": "http"}], "endpoints": [{"addresses": None}]}], 0),
    ],
    ids=str,
)
def test_ready_addresses_are_counted_each_once(slices, expected):
    """An address may be in two slices while the control plane moves it."""
    assert expected == ready_endpoints(slices, "http")


def test_a_port_without_a_name_is_the_one_without_a_name():
    """The API leaves it out in one place and has it as null or empty in another."""
    for port in ({"port": 1}, {"port": 1, "name": None}, {"port": 1, "name": ""}):
        item = {"ports": [port], "endpoints": [{"addresses": ["192.0.2.1"]}]}
        assert 1 == ready_endpoints([item], "")
        assert 0 == ready_endpoints([item], "http")
