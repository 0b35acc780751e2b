"""The time at zero, and the CPU that it saves."""

import pytest

from telemetry.savings import Savings, requested_cores

CART = ("shop", "cart")


def container(cpu=None, limit=None, **more):
    resources = {}
    if cpu is not None:
        resources["requests"] = {"cpu": cpu}
    if limit is not None:
        resources["limits"] = {"cpu": limit}
    return {"resources": resources, **more}


def told(savings, now):
    return dict(savings.seconds(now)), dict(savings.core_seconds(now))


def test_time_at_zero_counts_as_it_passes():
    """A workload that sleeps for a week is no news at its end only."""
    savings = Savings()
    savings.saw(CART, 0, 0.5, 10.0)
    assert ({CART: 20.0}, {CART: 10.0}) == told(savings, 30.0)
    assert ({CART: 30.0}, {CART: 15.0}) == told(savings, 40.0)


def test_time_up_does_not_count():
    savings = Savings()
    savings.saw(CART, 0, 1.0, 0.0)
    savings.saw(CART, 2, 1.0, 10.0)
    savings.saw(CART, 2, 1.0, 20.0)
    savings.saw(CART, 0, 1.0, 50.0)
    assert ({CART: 15.0}, {CART: 15.0}) == told(savings, 55.0)


def test_other_requests_count_from_when_they_are_seen():
    savings = Savings()
    savings.saw(CART, 0, 1.0, 0.0)
    savings.saw(CART, 0, 2.0, 10.0)
    assert told(savings, 20.0)[1] == {CART: 30.0}


def test_nobody_counts_after_the_term_has_ended():
    """The next leader does: twice would be too much."""
    savings = Savings()
    savings.saw(CART, 0, 1.0, 0.0)
    savings.stop(10.0)
    assert ({CART: 10.0}, {CART: 10.0}) == told(savings, 99.0)


def test_workloads_that_are_gone_are_forgotten():
    savings = Savings()
    savings.saw(CART, 0, 1.0, 0.0)
    savings.retain(set())
    assert ({}, {}) == told(savings, 1.0)


@pytest.mark.parametrize(
    ("value", "cores"),
    [
        ("250m", 0.25),
        ("2", 2.0),
        (2, 2.0),
        ("0.5", 0.5),
        ("1e3m", 1.0),
        ("100n", 1e-7),
        ("100u", 1e-4),
        ("1k", 1000.0),
        ("1Xi", 0.0),
        ("1.2.3", 0.0),
        ("", 0.0),
        (None, 0.0),
    ],
)
def test_quantities_are_read_as_kubernetes_writes_them(value, cores):
    assert pytest.approx(cores) == requested_cores({"containers": [container(value)]})


@pytest.mark.parametrize(
    ("pod", "cores"),
    [
        ({}, 0.0),
        ({"containers": [{}, container("1"), container("500m")]}, 1.5),
        ({"containers": [container(limit="2")]}, 2.0),
        ({"containers": [container("1", limit="2")]}, 1.0),
        ({"containers": [container("1")], "initContainers": [container("3")]}, 3.0),
        (
            {
                "containers": [container("1")],
                "initContainers": [container("500m", restartPolicy="Always"), container("1")],
            },
            1.5,
        ),
        ({"containers": [container("1")], "overhead": {"cpu": "250m"}}, 1.25),
    ],
)
def test_a_pod_requests_what_the_scheduler_sets_aside(pod, cores):
    assert pytest.approx(cores) == requested_cores(pod)
