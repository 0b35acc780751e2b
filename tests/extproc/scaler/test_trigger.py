import pytest

from extproc.scaler.trigger import Measure, Trigger, TriggerError, hold_of
from feed.board import HoldName


def parse(**metadata):
    """The trigger of ScaledObject `cart`, or what is said against it."""
    return Trigger.parse("cart", "shop", metadata)


def test_a_trigger_says_whose_demand_it_is_about_and_what_to_scale_by():
    """As the controller writes it."""
    assert Trigger(HoldName("shop", "basket"), 15.0, Measure.CONCURRENCY, 100.0) == parse(
        scalerAddress="layby-extproc.layby-system:9091",
        trafficHold="basket",
        pollingInterval="15",
        concurrency="100",
    )


def test_what_is_left_out_is_kedas_own():
    """A trigger may be written by hand."""
    assert Trigger(HoldName("shop", "cart"), 30.0, Measure.RATE, 2.5) == parse(
        requestsPerSecond="2.5"
    )


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({}, "neither"),
        ({"concurrency": "1", "requestsPerSecond": "1"}, "concurrency and requestsPerSecond"),
        ({"concurrency": ""}, "concurrency .*''"),
        ({"concurrency": "0"}, "concurrency .*'0': write a number above 0"),
        ({"requestsPerSecond": "-1"}, "requestsPerSecond"),
        ({"requestsPerSecond": "inf"}, "requestsPerSecond"),
        ({"concurrency": "nan"}, "concurrency"),
        ({"concurrency": "many"}, "'many'"),
        ({"concurrency": "1", "pollingInterval": "30s"}, "pollingInterval .*'30s'"),
        ({"concurrency": "1", "pollingInterval": ""}, "pollingInterval"),
    ],
)
def test_what_makes_no_sense_is_said_in_words(metadata, said):
    """They appear in KEDA's log; and a workload whose trigger is broken must not go to sleep."""
    with pytest.raises(TriggerError, match=said):
        parse(**metadata)


def test_whose_demand_it_is_about_is_known_even_if_the_rest_makes_no_sense():
    """A broken target must not keep the workload from being woken."""
    assert HoldName("shop", "basket") == hold_of("cart", "shop", {"trafficHold": "basket"})
    assert HoldName("shop", "cart") == hold_of("cart", "shop", {"trafficHold": ""})
