import asyncio
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from envoy_data_plane.envoy.config.core.v3 import RequestMethod
from envoy_data_plane.envoy.data.accesslog.v3 import AccessLogType, HttpAccessLogEntry
from envoy_data_plane.envoy.service.accesslog.v3 import (
    StreamAccessLogsMessage,
    StreamAccessLogsMessageIdentifier,
)

from extproc.access_log import AccessLog
from extproc.core.demand import RATE_WINDOW
from extproc.core.probe import ProbeRule
from extproc.core.workload import Workload, WorkloadKey
from extproc.server import Server
from istio.contract import CLUSTER_TAG
from tests.extproc.fake_envoy import CLUSTER, connected
from tests.extproc.log_entries import END, PERIODIC, START, entry, message, tcp_message

CART = WorkloadKey("shop", "cart")
BOOK = WorkloadKey("shop", "book")
RATE = pytest.approx(1 / RATE_WINDOW)


class Rig:
    """An access-log receiver for `cart`, and an Envoy that logs to it."""

    def __init__(self, envoy, log: AccessLog) -> None:
        self.envoy = envoy
        self.log = log

    def manage(self, *probes: ProbeRule) -> None:
        self.log.replace({CART: Workload(CART, probes=probes)})

    def demand(self):
        return self.log.demand(CART, 0)

    async def send(self, *messages: bytes) -> None:
        """Log `messages` and wait until they have been taken in."""
        call = await self.envoy.log(*messages)
        await call.done_writing()
        async with asyncio.timeout(5):
            assert await call.read() == b""
            assert await call.code() == grpc.StatusCode.OK


@asynccontextmanager
async def receiving(find=None):
    log = AccessLog(find or {CLUSTER: CART}.get)
    server = Server([log.handler()])
    port = server.listen("127.0.0.1:0")
    await server.start()
    async with connected(port) as envoy:
        rig = Rig(envoy, log)
        rig.manage()
        yield rig
    await server.stop(1)


@pytest.fixture
async def rig():
    async with receiving() as running:
        yield running


async def test_a_request_is_in_flight_from_its_start_to_its_end(rig):
    """This keeps a workload from being stopped under the requests that it serves."""
    await rig.send(message(entry(START)))
    assert (1, RATE) == (rig.demand().in_flight, rig.demand().rate)
    await rig.send(message(entry(PERIODIC)), message(entry(PERIODIC)))
    assert (1, RATE) == (rig.demand().in_flight, rig.demand().rate)
    await rig.send(message(entry(END)))
    assert (0, RATE) == (rig.demand().in_flight, rig.demand().rate)


async def test_that_an_envoy_reports_at_all_is_known_whatever_it_reports(rig):
    """Without any, silence would look like workloads that nobody needs."""
    assert 0 == rig.log.streams
    await rig.send(tcp_message())
    assert 1 == rig.log.streams
    await rig.send(message(entry(END)))
    assert 2 == rig.log.streams


async def test_a_long_stream_is_seen_from_its_next_periodic_entry(rig):
    """It began before this hold server did."""
    await rig.send(message(entry(PERIODIC)))
    assert (1, 0.0) == (rig.demand().in_flight, rig.demand().rate)


async def test_every_entry_is_news_of_the_last_request(rig):
    """Idle time counts from the end of a request, not from its start."""
    before = rig.demand().last_request
    for kind in (START, PERIODIC, END):
        await rig.send(message(entry(kind)))
        assert rig.demand().last_request > before
        before = rig.demand().last_request


async def test_entries_that_come_together_are_all_counted(rig):
    """Envoy buffers."""
    names = [f"s{n}" for n in range(100)]
    await rig.send(message(*[entry(START, name) for name in names]))
    assert rig.demand().in_flight == 100
    await rig.send(message(*[entry(END, name) for name in names[1:]]))
    assert rig.demand().in_flight == 1


async def test_two_requests_with_one_request_id_are_two(rig):
    """A client may choose the id, and a retry repeats it: the first to end must not end both."""
    await rig.send(message(entry(START, "same"), entry(START, "same", begun=0.001)))
    assert rig.demand().in_flight == 2
    await rig.send(message(entry(END, "same")))
    assert rig.demand().in_flight == 1


async def test_probes_are_no_demand(rig):
    """Warm probes reach the workload and the access log alike."""
    rig.manage(ProbeRule(path="/", method="GET", user_agent="kube-probe/*"))
    before = rig.demand()
    probe: dict[str, Any] = {"request_method": RequestMethod.GET, "user_agent": "kube-probe/1.36"}
    await rig.send(message(*[entry(kind, "s1", **probe) for kind in (START, PERIODIC, END)]))
    assert before == rig.demand()
    await rig.send(message(entry(START, request_method=RequestMethod.POST)))
    assert rig.demand().in_flight == 1


async def test_entries_of_unmanaged_clusters_are_ignored(rig):
    """An Envoy logs everything that it serves."""
    stranger = entry(END)
    assert stranger.common_properties is not None
    stranger.common_properties.custom_tags = {CLUSTER_TAG: "outbound|80||stranger.shop"}
    nowhere = entry(START)
    assert nowhere.common_properties is not None
    nowhere.common_properties.custom_tags = {}
    nowhere.common_properties.upstream_cluster = ""
    before = rig.demand()
    await rig.send(message(stranger, nowhere, HttpAccessLogEntry()))
    assert before == rig.demand()


async def test_entries_of_a_workload_that_is_gone_are_ignored():
    """Its cluster may still be known by name."""
    async with receiving(find=lambda _: BOOK) as rig:
        before = rig.demand()
        await rig.send(message(entry(START)))
        assert before == rig.demand()


@pytest.mark.parametrize(
    "junk",
    [
        b"\xff\xff",
        b"",
        tcp_message(),
        bytes(StreamAccessLogsMessage(identifier=StreamAccessLogsMessageIdentifier(log_name="x"))),
        message(),
        message(entry(AccessLogType.NotSet), entry(AccessLogType.UpstreamEnd)),
        message(entry(START, request_method=99), entry(END))[:-4],
    ],
    ids=["junk", "nothing", "tcp", "identifier only", "no entries", "other kinds", "truncated"],
)
async def test_what_cannot_be_read_is_skipped_and_the_stream_goes_on(rig, junk):
    """A stream that ended would lose what Envoy buffers for it."""
    await rig.send(junk, message(entry(START)))
    assert rig.demand().in_flight == 1


async def test_a_method_that_is_none_of_envoys_matches_no_rule(rig):
    """A newer Envoy may know more of them."""
    rig.manage(ProbeRule(method="GET"))
    await rig.send(message(entry(START, request_method=99)))
    assert rig.demand().in_flight == 1


async def test_a_new_set_of_workloads_keeps_the_accounts_of_those_that_stay(rig):
    """Editing one hold must not make all workloads look idle."""
    await rig.send(message(entry(START)))
    rig.log.replace({CART: Workload(CART), BOOK: Workload(BOOK)})
    assert rig.demand().in_flight == 1
    assert rig.log.demand(BOOK, 0).in_flight == 0
    rig.log.replace({BOOK: Workload(BOOK)})
    rig.manage()
    assert rig.demand().in_flight == 0


async def test_being_asked_postpones_sleep(rig):
    """A parked request may be missed by the access log; one for a stranger is nobody's."""
    before = rig.demand().last_request
    rig.log.asked(BOOK)
    assert before == rig.demand().last_request
    rig.log.asked(CART)
    assert rig.demand().last_request > before


async def test_what_is_parked_is_part_of_the_demand(rig):
    """The two halves meet here."""
    assert rig.log.demand(CART, 7).pending == 7


async def test_closing_ends_streams_with_ok_and_those_that_come(rig, eventually):
    """A drain would otherwise wait for Envoys, which never end them."""
    open_call = await rig.envoy.log(message(entry(START)))
    await eventually(lambda: rig.demand().in_flight == 1)
    rig.log.close()
    late_call = await rig.envoy.log()
    for call in (open_call, late_call):
        async with asyncio.timeout(5):
            assert await call.read() == b""
            assert await call.code() == grpc.StatusCode.OK


async def test_an_envoy_that_dies_ends_its_stream_only(rig, eventually):
    """What it had in flight ages out; the others go on logging."""
    call = await rig.envoy.log(message(entry(START)))
    await eventually(lambda: rig.demand().in_flight == 1)
    call.cancel()
    await rig.send(message(entry(START, "s2")))
    assert rig.demand().in_flight == 2
