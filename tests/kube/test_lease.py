from datetime import UTC, datetime

import pytest

from kube.lease import Claim, Deed, Observer
from kube.resource import Key

KEY = Key("layby", "controller")
AT = datetime(2026, 3, 4, 5, 6, 7, 89, UTC)
TIME = "2026-03-04T05:06:07.000089Z"
DEED = Deed(KEY, "me", 14.2)


def claim(holder="other", seconds=15.0, renewed="r1", version="1"):
    return Claim(holder, seconds, renewed, 3, "a", version)


def test_a_lease_is_another_s_for_as_long_as_it_is_renewed():
    """The time counts from when the renewal was seen: clocks of two machines do not agree."""
    observer = Observer("me")
    assert 115 == observer.free_at(claim(renewed="r1"), 100)
    assert 115 == observer.free_at(claim(renewed="r1"), 110)
    assert 125 == observer.free_at(claim(renewed="r2"), 110)
    assert 125 == observer.free_at(claim(renewed="r2"), 200)


@pytest.mark.parametrize("holder", ["", "me"])
def test_a_lease_that_is_released_or_ours_is_free(holder):
    """Ours: a request was granted whose answer we have not seen."""
    assert 100 == Observer("me").free_at(claim(holder), 100)


def test_the_holder_s_own_time_counts():
    """During an upgrade that changes the setting, it acts by the old one."""
    assert 160 == Observer("me").free_at(claim(seconds=60.0), 100)


@pytest.mark.parametrize(
    ("before", "acquired", "transitions", "version"),
    [
        (None, TIME, 0, None),
        (claim("other", version="7"), TIME, 4, "7"),
        (claim("", version="7"), TIME, 4, "7"),
        (claim("me", version="7"), "a", 3, "7"),
        (Claim("me", 15.0, "r", 3, "", "7"), TIME, 3, "7"),
    ],
)
def test_taking_names_what_it_replaces(before, acquired, transitions, version):
    """Of two who take it at the same time, the API server must refuse one."""
    lease = DEED.taken(AT, before)
    metadata = {"namespace": "layby", "name": "controller"}
    assert {**metadata, "resourceVersion": version} == {
        "resourceVersion": None,
        **lease["metadata"],
    }
    assert {
        "holderIdentity": "me",
        "leaseDurationSeconds": 15,
        "acquireTime": acquired,
        "renewTime": TIME,
        "leaseTransitions": transitions,
    } == lease["spec"]


def test_a_released_lease_has_no_holder():
    """As client-go does it, so that its tools show the same."""
    lease = DEED.released(AT, claim("me", version="7"))
    assert "7" == lease["metadata"]["resourceVersion"]
    assert ("", 1, 3) == (
        lease["spec"]["holderIdentity"],
        lease["spec"]["leaseDurationSeconds"],
        lease["spec"]["leaseTransitions"],
    )
    read = Claim.read(lease)
    assert 100 == Observer("other").free_at(read, 100)


@pytest.mark.parametrize("spec", [{}, {"spec": {}}, {"spec": None}])
def test_a_lease_without_a_word_is_free(spec):
    """Somebody has created it by hand."""
    read = Claim.read({"metadata": {"resourceVersion": "1"}, **spec})
    assert Claim("", 0.0, "", 0, "", "1") == read
    assert 5 == Observer("me").free_at(read, 5)
