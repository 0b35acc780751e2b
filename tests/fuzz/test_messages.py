"""What Envoys, hold servers and KEDA may send, and whoever else reaches their ports.

Bytes at random find what a decoder stumbles over; messages that are well formed and mean nonsense
find what comes behind it.
"""

from contextlib import suppress

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from extproc.mesh.identity import Destination, destination
from extproc.scaler.trigger import Trigger, TriggerError
from extproc.wire import access_log, ext_proc
from extproc.wire.ext_proc import ATTRIBUTES, Arrival, ProtocolError
from extproc.wire.gen.als_pb2 import StreamAccessLogsMessage
from extproc.wire.gen.external_processor_pb2 import ProcessingRequest
from feed import feed_pb2 as pb
from feed.board import Board
from feed.wire import shares_of
from istio.contract import CLUSTER_TAG, ForwardedHeader
from telemetry.hold_span import _PROPAGATOR
from telemetry.traceparent import sampled

DOMAIN = "cluster.local"
TEXT = st.text(max_size=200)
NUMBER = st.floats(allow_nan=True, allow_infinity=True)
COUNT = st.integers(0, 2**32 - 1)
HEADERS = st.sampled_from([header.value for header in ForwardedHeader]) | st.just("cookie")
NAME = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


@given(st.binary(max_size=400))
def test_bytes_that_are_no_request_are_a_protocol_error(message):
    """Anything else would be an internal error, and say nothing of what is configured wrongly."""
    with suppress(ProtocolError):
        assert isinstance(ext_proc.parse(message), Arrival)


@given(st.lists(st.tuples(HEADERS, st.binary(max_size=5000)), max_size=12), st.binary(max_size=100))
def test_headers_are_read_whatever_a_client_puts_into_them(headers, cluster):
    """Envoy passes on bytes that are no UTF-8, names that come twice, and what nobody bounds."""
    message = ProcessingRequest()
    message.request_headers.SetInParent()
    for name, value in headers:
        message.request_headers.headers.headers.add(key=name, raw_value=value)
    named = cluster.decode(errors="ignore")
    message.attributes[ATTRIBUTES].fields["xds.cluster_name"].string_value = named
    arrival = ext_proc.parse(message.SerializeToString())
    assert named == arrival.cluster
    assert max(map(len, arrival.request)) <= ext_proc.LONGEST
    destination(arrival.cluster, DOMAIN)


@given(st.binary(max_size=400))
def test_bytes_that_are_no_log_have_no_entries(message):
    """A log stream is not ended for one bad message: the others count."""
    list(access_log.parse(message))


@given(
    st.lists(
        st.tuples(st.integers(0, 20), TEXT, TEXT, st.integers(-(2**31), 2**31 - 1), TEXT),
        max_size=5,
    )
)
def test_entries_of_no_known_kind_are_left_out(entries):
    """A newer Envoy knows more moments and methods than there are today."""
    message = StreamAccessLogsMessage()
    for moment, stream, tag, method, path in entries:
        entry = message.http_logs.log_entry.add()
        entry.common_properties.access_log_type = moment
        entry.request.request_id = stream
        entry.common_properties.custom_tags[CLUSTER_TAG] = tag
        entry.request.request_method = method
        entry.request.path = path
    kinds = {moment.value for moment in access_log.Moment}
    expected = [tag for moment, _, tag, *_ in entries if moment in kinds and tag]
    read = access_log.parse(message.SerializeToString())
    assert expected == [entry.cluster for entry in read if entry]


@given(TEXT | st.from_regex(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.*", fullmatch=True), TEXT)
def test_a_trace_context_is_read_or_is_none(traceparent, tracestate):
    """A client writes both, and they are looked at for every request that was held."""
    assert sampled(traceparent) in {True, False, None}
    _PROPAGATOR.extract({"traceparent": traceparent, "tracestate": tracestate})


@given(TEXT | st.lists(TEXT, min_size=3, max_size=5).map("|".join), st.sampled_from([DOMAIN, ""]))
def test_a_cluster_is_a_service_port_or_is_none_of_ours(cluster, domain):
    """Users name ServiceEntries and DestinationRules as they like."""
    found = destination(cluster, domain)
    assert found is None or (found.port >= 0 and "." not in found.namespace)


@given(NAME, NAME, st.integers(1, 65535), st.none() | NAME)
def test_what_istiod_names_is_found_again(service, namespace, port, subset):
    cluster = f"outbound|{port}|{subset or ''}|{service}.{namespace}.svc.{DOMAIN}"
    assert Destination(namespace, service, port) == destination(cluster, DOMAIN)


@given(st.binary(max_size=400))
def test_bytes_on_the_feed_are_a_report_or_an_error_of_decoding(message):
    """The stream ends on that, and the listener comes back."""
    with suppress(DecodeError):
        shares_of(pb.Report.FromString(message), 0.0)


@given(st.lists(st.tuples(TEXT, COUNT, NUMBER, NUMBER, NUMBER, st.integers(0, 9)), max_size=6))
def test_a_report_that_makes_no_sense_is_summed_up_with_the_others(holds):
    """A hold server of another version, or one whose clock has gone mad."""
    report = pb.Report()
    for name, count, rate, age, at, outcome in holds:
        demand = report.holds.add(namespace="shop", name=name, pending=count, rate=rate)
        demand.last_request_age_seconds = age
        demand.last_wake.at = at
        demand.last_wake.duration_seconds = age
        demand.last_wake.outcome = outcome
        demand.cold_start.at = at
    board = Board()
    board.expect({"a", "b"}, 0.0)
    for replica in ("a", "b"):
        board.hear(replica, shares_of(report, 100.0), 60.0, 100.0, log_streams=1)
    for hold in board.holds():
        assert board.total(hold).pending >= 0
    board.complete(101.0)


@given(
    NAME, NAME, st.dictionaries(TEXT | st.sampled_from(["concurrency", "pollingInterval"]), TEXT)
)
def test_a_trigger_is_understood_or_refused_with_what_to_write(name, namespace, metadata):
    """Users write triggers by hand, and KEDA passes on whatever they say."""
    with suppress(TriggerError):
        trigger = Trigger.parse(name, namespace, metadata)
        assert trigger.target > 0
        assert trigger.polling_interval > 0


@pytest.mark.parametrize("text", ["NaN", "inf", "-1", "0", "1e999", "0x1", "\uff11"])
def test_numbers_that_are_none_are_no_target(text):
    """Python reads more as a number than people mean by one."""
    with suppress(TriggerError):
        assert 1.0 == Trigger.parse("cart", "shop", {"concurrency": text}).target
