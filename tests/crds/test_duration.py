from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from crds.duration import Between, parse, render

BOUNDED = TypeAdapter(Annotated[float, Between("1ms", "1h")])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250ms", 0.25),
        ("5s", 5.0),
        ("1m30s", 90.0),
        ("1h0m0s", 3600.0),
        ("1.5h", 5400.0),
        ("1m0.5s", 60.5),
        ("30s1m", 90.0),
        ("0s", 0.0),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text, expected):
    """Other tools write these fields too, most of them in Go."""
    assert expected == parse(text)


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "5d", "-5s", "+5s", "1s2", "\u0665s", "5s\n"]
)
def test_what_is_no_duration_is_refused(text):
    """A typo must not become zero seconds."""
    with pytest.raises(ValueError, match="is not a duration such as 250ms, 5s or 1m30s"):
        parse(text)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0s"),
        (0.0004, "0s"),
        (0.25, "250ms"),
        (60.0, "1m"),
        (90.25, "1m30s250ms"),
        (3600.0, "1h"),
        (604_800.0, "168h"),
    ],
)
def test_a_duration_is_written_for_people(seconds, expected):
    """It shows in status and in `kubectl get -o wide`."""
    assert expected == render(seconds)


@given(st.integers(min_value=0, max_value=3_600_000_000))
def test_what_is_written_is_read_back(milliseconds):
    """Else a controller would see a difference where there is none, and write for ever."""
    assert milliseconds == round(parse(render(milliseconds / 1000)) * 1000)


@given(st.integers(min_value=1, max_value=3_600_000))
def test_what_is_written_is_within_the_schema(milliseconds):
    """What Layby writes itself, the API server must take."""
    seconds = milliseconds / 1000
    assert seconds == pytest.approx(BOUNDED.validate_json(BOUNDED.dump_json(seconds)))
