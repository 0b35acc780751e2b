"""What may be sent to the ext_proc service besides good requests."""

import asyncio
import gc
from contextlib import suppress

import grpc
import pytest
from envoy_data_plane.envoy.service.ext_proc.v3 import (
    HttpBody,
    HttpHeaders,
    ProcessingRequest,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extproc.core.backend import Ticket
from extproc.core.probe import Request
from extproc.core.workload import Chance
from tests.extproc.fake_envoy import (
    connected,
    failure,
    goes_on,
    request_headers,
)
from tests.extproc.processor_rig import CART, serving


@pytest.mark.parametrize(
    "message",
    [
        b"\xff\xff\xff",
        b"",
        bytes(ProcessingRequest()),
        bytes(ProcessingRequest(response_headers=HttpHeaders())),
        bytes(ProcessingRequest(request_body=HttpBody(body=b"x"))),
        request_headers()[:-3],
        b"\x12\x02\x0a\xff",
    ],
    ids=["junk", "nothing", "empty", "response headers", "body", "truncated", "lying length"],
)
async def test_what_is_no_request_is_refused_and_logged(rig, envoy, message, caplog):
    """Envoy then lets the request go on, and the log says what is configured wrongly."""
    call = await envoy.ask(message)
    assert await failure(call) == grpc.StatusCode.INVALID_ARGUMENT
    assert "bad ext_proc stream from" in caplog.text
    assert (0, []) == (rig.throttler.pending(), rig.asked)


async def test_whoever_sends_what_is_no_request_again_and_again_does_not_fill_the_log(rig, caplog):
    """From however many ports: it is told of once a minute."""
    for _ in range(3):
        async with connected(rig.port) as envoy:
            for _ in range(10):
                assert await failure(await envoy.ask(b"junk")) == grpc.StatusCode.INVALID_ARGUMENT
    assert 1 == caplog.text.count("bad ext_proc stream from")


async def test_a_stream_that_ends_before_its_first_message_is_refused(rig, envoy, caplog):
    """Somebody probes the port, or an Envoy gave up."""
    call = await envoy.ask()
    await call.done_writing()
    assert await failure(call) == grpc.StatusCode.INVALID_ARGUMENT
    assert "ended before its first message" in caplog.text
    assert rig.throttler.pending() == 0


async def test_a_stream_that_says_nothing_is_refused(monkeypatch):
    """Only what is parked counts against the bounds."""
    monkeypatch.setattr("extproc.processor.FIRST_MESSAGE_SECONDS", 0.1)
    async with serving() as (rig, envoy):
        assert await failure(await envoy.ask()) == grpc.StatusCode.INVALID_ARGUMENT
        assert rig.asked == []


async def test_a_stream_that_is_reset_before_its_first_message_leaves_nothing(rig, envoy):
    """Nobody can be told."""
    call = await envoy.ask()
    call.cancel()
    assert await goes_on(await envoy.ask(request_headers("stranger")))
    assert rig.throttler.pending() == 0


FIRST, SECOND, LAST = 50.0, 100.0, 500.0


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ([], FIRST),
        ([("x-layby-chance", "1"), ("x-layby-chances", "3")], FIRST),
        ([("x-layby-chance", "2"), ("x-layby-chances", "3")], SECOND),
        ([("x-layby-chance", "3"), ("x-layby-chances", "3")], LAST),
        ([("x-layby-chances", "3"), ("x-layby-chance", "2"), ("x-else", "9")], SECOND),
        ([("x-layby-chances", "3")], FIRST),
        ([("x-layby-chance", "2")], LAST),
        ([("x-layby-chance", ""), ("x-layby-chances", "")], FIRST),
        ([("x-layby-chance", "two"), ("x-layby-chances", "3")], FIRST),
        ([("x-layby-chance", "-2"), ("x-layby-chances", "3")], FIRST),
        ([("x-layby-chance", "0"), ("x-layby-chances", "3")], FIRST),
        ([("x-layby-chance", "2.0"), ("x-layby-chances", "3")], FIRST),
        ([("x-layby-chance", "9" * 5000), ("x-layby-chances", "3")], FIRST),
        ([("x-layby-chance", "2000"), ("x-layby-chances", "3000")], FIRST),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_the_chance_is_read_from_the_streams_metadata(eventually, metadata, expected):
    """It says how patient to be with an Envoy that is late; junk counts as the first of one."""
    async with serving(settle=FIRST) as (rig, envoy):
        rig.manage(timeout=3000.0)
        rig.throttler.endpoints_changed(CART, 1)
        # Envoy is late already.
        rig.queue._backends[CART].ready_at -= FIRST
        begun = asyncio.get_running_loop().time()
        call = await envoy.ask(request_headers(), metadata=metadata)
        await eventually(lambda: rig.throttler.pending() == 1)
        assert pytest.approx(expected, abs=5.0) == rig.queue.next_due(CART) - begun
        call.cancel()
        await eventually(lambda: rig.throttler.pending() == 0)


PARENT, CALL = f"00-{'a' * 32}-{'b' * 16}-01", f"00-{'a' * 32}-{'c' * 16}-01"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ([], (PARENT, "k=v")),
        ([("traceparent", CALL)], (CALL, "")),
        ([("traceparent", CALL), ("tracestate", "k=w")], (CALL, "k=w")),
        ([("tracestate", "k=w")], (PARENT, "k=v")),
        ([("traceparent", CALL + "-more"), ("tracestate", "k=w")], (PARENT, "k=v")),
        ([("traceparent", CALL), ("tracestate", "k=" + "w" * 511)], (CALL, "")),
    ],
    ids=["none", "parent", "both", "state", "long parent", "long state"],
)
async def test_the_call_s_own_trace_goes_before_the_request_s(eventually, metadata, expected):
    """An Envoy that traces has a span for the call, which is the nearer parent."""
    async with serving() as (rig, envoy):
        seen: list[tuple[str, str]] = []
        rig.throttler._observer = Seen(seen)
        headers = request_headers(traceparent=PARENT, tracestate="k=v")
        call = await envoy.ask(headers, metadata=metadata)
        await eventually(lambda: [expected] == seen)
        call.cancel()
        await eventually(lambda: rig.throttler.pending() == 0)


async def test_of_a_parked_request_nothing_is_kept_that_its_client_chose(rig, envoy, eventually):
    """Thousands may wait for minutes, and a path may have 60 kB."""
    call = await envoy.ask(request_headers(**{"_path": "/mine", "user-agent": "mine"}))
    await eventually(lambda: rig.throttler.pending() == 1)
    kept = [each for each in gc.get_objects() if type(each) is Request]
    assert not [each for each in kept if {"/mine", "mine"} & set(each)]
    call.cancel()
    await eventually(lambda: rig.throttler.pending() == 0)


class Seen:
    """An observer of traces."""

    def __init__(self, seen: list[tuple[str, str]]) -> None:
        self._seen = seen

    def parked(self, _ticket: Ticket, _chance: Chance, _position: int, trace: Request) -> None:
        """Note the trace."""
        self._seen.append((trace.traceparent, trace.tracestate))

    def ended(self, *_: object) -> None:
        """Be told."""


GOOD = request_headers(accept="application/json", cookie="c" * 40)


def damaged(position: int, junk: bytes) -> bytes:
    """A good message with some bytes overwritten."""
    position %= len(GOOD)
    return GOOD[:position] + junk + GOOD[position + len(junk) :]


messages = (
    st.binary(max_size=80)
    | st.builds(damaged, st.integers(0, 1000), st.binary(min_size=1, max_size=4))
    | st.integers(0, len(GOOD)).map(lambda length: GOOD[:length])
    | st.sampled_from([GOOD, bytes(ProcessingRequest(request_body=HttpBody(body=b"x")))])
)
metadata_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=6)


async def ended(call) -> None:
    """Read a stream to its end, whatever that is."""
    with suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
        while await call.read() is not grpc.aio.EOF:
            pass


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sent=st.lists(messages, max_size=3),
    number=metadata_values,
    total=metadata_values,
    leaves=st.booleans(),
)
async def test_no_bytes_crash_it_or_leak_a_place(
    rig, envoy, eventually, sent, number, total, leaves
):
    """Whoever reaches the port may send anything; the next real request must find all in order."""
    metadata = [("x-layby-chance", number), ("x-layby-chances", total)]
    call = await envoy.ask(metadata=metadata)
    ending = asyncio.create_task(ended(call), name="reader")
    with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        for message in sent:
            await call.write(message)
        if not leaves:
            await call.done_writing()
            await eventually(lambda: ending.done() or rig.throttler.pending() == 1)
    call.cancel()
    await ending
    await eventually(lambda: rig.throttler.pending() == 0)
    good = await envoy.ask(GOOD)
    await eventually(lambda: rig.throttler.pending() == 1)
    rig.throttler.endpoints_changed(CART, 1)
    assert await goes_on(good)
    rig.throttler.endpoints_changed(CART, 0)
    assert rig.throttler._waiters == {}
