"""What users may write into objects that Layby reads, and what istiod may answer."""

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from controller.adoption import adopt, release
from controller.attach import Found, judge_proxies, read_listeners, read_proxies
from controller.indexes import ADOPTED, adopter_of
from controller.scaled_object import Scaler
from controller.versions import ALL
from crds import duration
from crds.resource import InvalidResourceError
from crds.v1alpha1 import HoldPolicy, TrafficHold
from tests.controller.objects import hold

TEXT = st.text(max_size=60)
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
)
FIELDS = st.sampled_from(
    ["minReplicaCount", "cooldownPeriod", "advanced.horizontalPodAutoscalerConfig.behavior", "a.b"]
)
NOTES = st.fixed_dictionaries(
    {}, optional={key: JSON | st.dictionaries(FIELDS, JSON) for key in ("was", "set", "uid")}
)
CART = TrafficHold.parse(hold())
SCALER = Scaler("layby:9091", "")
SPEC_FIELDS = st.sampled_from(["targetRef", "hold", "idle", "wake", "scaling", "probes", "x"])
LONGEST = duration._LONGEST_TEXT


def scaled_object(note: str):
    return {
        "metadata": {
            "name": "cart",
            "namespace": "shop",
            "uid": "1",
            "resourceVersion": "1",
            "annotations": {ADOPTED: note},
        },
        "spec": {"scaleTargetRef": {"name": "cart"}, "triggers": [{"type": "cron"}]},
    }


@given(TEXT | JSON.map(json.dumps) | NOTES.map(json.dumps))
def test_a_note_that_somebody_has_edited_stops_nothing(note):
    """The annotation is on the user's own object; whoever ruins it loses what was noted there."""
    item = scaled_object(note)
    adopter_of(item)
    adopt(item, CART, SCALER)
    patch = release(item)
    assert patch is not None
    assert patch["metadata"]["annotations"] == {ADOPTED: None}


@given(JSON | st.fixed_dictionaries({"spec": st.dictionaries(SPEC_FIELDS, JSON)}))
def test_an_object_is_valid_or_every_problem_of_it_is_named(item):
    """It may have been written before the API server knew the rules."""
    for kind in (TrafficHold, HoldPolicy):
        with suppress(InvalidResourceError):
            kind.parse(item if isinstance(item, dict) else {"spec": item})


@given(TEXT | st.from_regex(r"([0-9]{1,9}(\.[0-9]{1,9})?(ms|s|m|h)){1,5}", fullmatch=True))
def test_a_duration_is_seconds_or_an_error(text):
    """It is the one field that everybody writes."""
    with suppress(ValueError):
        seconds = duration.parse(text)
        assert seconds >= 0
        assert (
            len(text) > LONGEST or abs(duration.parse(duration.render(seconds)) - seconds) < 0.001
        )


@given(
    st.lists(
        st.fixed_dictionaries(
            {"proxy_type": st.sampled_from(["router", "sidecar", "x"])}
            | dict.fromkeys(("proxy", "istio_version", "listener_sent", "listener_acked"), TEXT)
        )
    )
)
def test_a_proxy_of_any_version_is_judged(answer):
    """Proxies of somebody's own build say of themselves what they like."""
    proxies = read_proxies(answer)
    judge_proxies(dict.fromkeys(proxies, Found.GATE), everywhere=True)
    for support in ALL:
        for proxy in proxies:
            support.complaint(proxy.version)


@given(st.binary(max_size=500))
def test_a_dump_of_anything_is_judged(dump):
    assert read_listeners(dump) in set(Found)
