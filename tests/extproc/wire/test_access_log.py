from datetime import UTC, datetime

import pytest
from envoy_data_plane.envoy.config.core.v3 import RequestMethod
from envoy_data_plane.envoy.data.accesslog.v3 import (
    AccessLogCommon,
    AccessLogType,
    HttpAccessLogEntry,
    HttpRequestProperties,
)
from envoy_data_plane.envoy.service.accesslog.v3 import (
    StreamAccessLogsMessage,
    StreamAccessLogsMessageHttpAccessLogEntries,
)

from extproc.core.probe import Request
from extproc.wire.access_log import METHODS, PIECE, Entry, Moment, parse
from istio.contract import CLUSTER_TAG

BEGUN = datetime(2026, 8, 1, 12, 0, 1, 250_000, tzinfo=UTC)
STREAM = f"id/{int(BEGUN.timestamp())}.250000000"


def parsed(request_id="id", original_path="", **common) -> list[Entry]:
    """What is read of one entry."""
    fields = {
        "access_log_type": AccessLogType.UpstreamEnd,
        "start_time": BEGUN,
        "upstream_cluster": "cart",
        **common,
    }
    request = HttpRequestProperties(
        request_method=RequestMethod.GET,
        path="/healthz?x",
        original_path=original_path,
        request_id=request_id,
        user_agent="kube-probe/1.36",
    )
    entry = HttpAccessLogEntry(common_properties=AccessLogCommon(**fields), request=request)
    logs = StreamAccessLogsMessageHttpAccessLogEntries(log_entry=[entry])
    return [each for each in parse(bytes(StreamAccessLogsMessage(http_logs=logs))) if each]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (AccessLogType.UpstreamPoolReady, [Moment.STARTED]),
        (AccessLogType.UpstreamPeriodic, [Moment.CONTINUED]),
        (AccessLogType.UpstreamEnd, [Moment.ENDED]),
        (AccessLogType.NotSet, []),
        (AccessLogType.DownstreamEnd, []),
        (AccessLogType.DownstreamTunnelSuccessfullyEstablished, []),
    ],
)
def test_three_kinds_of_entries_tell_of_a_requests_life(kind, expected):
    """The others would count it twice."""
    assert expected == [entry.moment for entry in parsed(access_log_type=kind)]


def test_an_entry_is_read_whole():
    """The request is what probe rules look at."""
    request = Request("GET", "/healthz?x", "kube-probe/1.36")
    assert [Entry(Moment.ENDED, "cart", STREAM, request)] == parsed()


@pytest.mark.parametrize(
    ("common", "expected"),
    [
        ({"upstream_cluster": "cart"}, ["cart"]),
        ({"upstream_cluster": "", "custom_tags": {CLUSTER_TAG: "cart"}}, ["cart"]),
        ({"upstream_cluster": "cart;", "custom_tags": {CLUSTER_TAG: "cart"}}, ["cart"]),
        ({"upstream_cluster": "", "custom_tags": {"else": "cart"}}, []),
        ({"upstream_cluster": ""}, []),
    ],
    ids=["field", "tag", "both", "another tag", "neither"],
)
def test_the_cluster_is_in_the_field_or_in_the_tag(common, expected):
    """Envoy may put a statistics name into the field, and the tag is right."""
    assert expected == [entry.cluster for entry in parsed(**common)]


def test_a_stream_is_told_by_its_id_and_its_start():
    """The id alone is the client's choice."""
    streams = {
        parsed(**common)[0].stream
        for common in ({}, {"request_id": "other"}, {"start_time": BEGUN.replace(microsecond=1)})
    }
    assert len(streams) == 3
    assert parsed()[0].stream == parsed(access_log_type=AccessLogType.UpstreamPoolReady)[0].stream


def test_of_an_id_that_a_client_has_made_long_the_beginning_is_kept():
    """It is remembered for as long as the request is open, and a client may send 60 kB."""
    [found] = parsed(request_id="x" * 60_000)
    assert len(found.stream) < 100
    assert found.stream == parsed(request_id="x" * 60_000 + "y")[0].stream
    later = BEGUN.replace(microsecond=1)
    assert found.stream != parsed(request_id="x" * 60_000, start_time=later)[0].stream


def test_the_path_is_the_one_that_the_client_asked_for():
    """Probe rules are written for it, and the router's log comes behind a route's rewriting."""
    assert "/healthz" == parsed(original_path="/healthz")[0].request.path


@pytest.mark.parametrize("method", RequestMethod)
def test_every_method_has_envoys_name(method):
    """A probe rule for HEAD that matched GET would swallow real requests."""
    expected = "" if method is RequestMethod.METHOD_UNSPECIFIED else method.name
    assert expected == METHODS[method]


@pytest.mark.parametrize("encoded", [b"", b"\xff", b"\x12\x02\x0a\xff"])
def test_what_cannot_be_read_has_no_entries(encoded):
    """Counting is best effort; the stream goes on."""
    assert list(parse(encoded)) == []


@pytest.mark.parametrize("entries", [0, 1, 1000])
def test_what_is_no_entry_counts_all_the_same(entries):
    """Whoever reads so many at once would else read two million empty ones in one go."""
    logs = StreamAccessLogsMessageHttpAccessLogEntries(log_entry=[HttpAccessLogEntry()] * entries)
    message = bytes(StreamAccessLogsMessage(http_logs=logs))
    assert [None] * (entries + len(message) // PIECE) == list(parse(message))


def test_bytes_that_cannot_be_read_count_too():
    """To find that out takes time."""
    assert [None] * 100 == list(parse(b"\xff" * 100 * PIECE))
