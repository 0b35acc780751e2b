"""Hold servers and controllers know one another by a token: over real gRPC, on real ports."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest

from feed.board import Board, HoldName, Share
from feed.feed_pb2 import Report, WatchRequest
from feed.listener import Listener
from feed.service import SERVICE, FeedService
from feed.tokens import HEADER, Tokens
from tests.feed.feeds import serving

CART = HoldName("shop", "cart")
RIGHT, WRONG = "the-right-token", "a-wrong-token"
ASKED = "LAYBY_EXTPROC_FEED_TOKEN_FILE of all hold servers and LAYBY_CONTROLLER_FEED_TOKEN_FILE"


class Counting(Tokens):
    """Tokens that know how often somebody was refused."""

    refused = 0

    def accept(self, metadata):
        fits = super().accept(metadata)
        self.refused += not fits
        return fits


class File:
    """A file with tokens, and what is made of it."""

    def __init__(self, path, *tokens) -> None:
        self.path = path
        self.write(*tokens)
        self.tokens = Counting(path, "LAYBY_EXTPROC_FEED_TOKEN_FILE")

    def write(self, *tokens) -> None:
        """Put another one in its place, as the kubelet does."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text("\n".join(tokens))
        fresh.replace(self.path)


@pytest.fixture
def server_file(tmp_path):
    return File(tmp_path / "server", RIGHT)


@pytest.fixture
def client_file(tmp_path):
    return File(tmp_path / "client", RIGHT)


def hold_server(tokens=None):
    """A hold server with a request parked."""
    return FeedService(lambda: {CART: Share(1, 1, 0.0, 0.0)}, lambda: 1, tokens)


class Rig:
    """A listener, and what it has heard."""

    def __init__(self, tokens) -> None:
        self.board = Board()
        self.reports = 0
        self.listener = Listener(self.board, self._changed, tokens)

    def _changed(self) -> None:
        self.reports += self.pending

    @property
    def pending(self) -> int:
        """Requests parked."""
        return self.board.total(CART).pending


@asynccontextmanager
async def listening(port, tokens=None):
    """A listener to one hold server."""
    rig = Rig(tokens)
    task = asyncio.create_task(rig.listener.run(), name="listener")
    await asyncio.sleep(0)
    rig.listener.expect([f"127.0.0.1:{port}"])
    yield rig
    task.cancel()
    await asyncio.wait([task])


def warnings(caplog, name):
    """What was said of it at level warning."""
    return [
        record.getMessage()
        for record in caplog.records
        if (record.name, record.levelname) == (name, "WARNING")
    ]


async def test_those_with_the_same_token_hear_one_another(server_file, client_file, eventually):
    """Each from a file of its own."""
    async with (
        serving(hold_server(server_file.tokens)) as port,
        listening(port, client_file.tokens) as rig,
    ):
        await eventually(lambda: rig.pending == 1)
        assert "" == rig.listener.refusal


@pytest.mark.parametrize(
    ("tokens", "said"),
    [([], "with no token"), ([WRONG], "with a token that is not known here")],
    ids=["none", "wrong"],
)
async def test_whoever_has_no_token_hears_nothing_and_both_sides_say_so(
    server_file, tmp_path, eventually, caplog, tokens, said
):
    """Nothing is put to sleep then, and somebody has to find out why: from either log, once."""
    shown = File(tmp_path / "wrong", *tokens).tokens if tokens else None
    async with serving(hold_server(server_file.tokens)) as port, listening(port, shown) as rig:
        await eventually(lambda: rig.listener.refusal)
        assert f"the demand feed was opened {said}" in rig.listener.refusal
        assert ASKED in rig.listener.refusal
        await eventually(lambda: server_file.tokens.refused == 3)
        [served] = warnings(caplog, "feed.service")
        assert served.startswith(f"refused ipv4:127.0.0.1: the demand feed was opened {said}")
        [heard] = warnings(caplog, "feed.listener")
        where = f"127.0.0.1:{port}"
        assert heard == (
            f"nothing is put to sleep: hold server {where} says that {rig.listener.refusal}"
        )
        assert (0, 0) == (rig.pending, rig.reports)
    assert RIGHT not in caplog.text
    assert WRONG not in caplog.text


async def asked(channel, *metadata):
    """Open a stream; return how it ended, or the first report."""
    watch = channel.unary_stream(
        f"/{SERVICE}/Watch",
        request_serializer=WatchRequest.SerializeToString,
        response_deserializer=Report.FromString,
    )
    call = watch(WatchRequest(), metadata=metadata)
    try:
        report = await call.read()
    except grpc.aio.AioRpcError as error:
        return error.code(), error.details()
    call.cancel()
    return grpc.StatusCode.OK, report


async def test_a_listener_that_was_refused_is_heard_once_its_file_is_right(
    server_file, client_file, eventually, caplog
):
    """Without a restart of either; that it works again is told too."""
    caplog.set_level("INFO", "feed.listener")
    client_file.write(WRONG)
    async with (
        serving(hold_server(server_file.tokens)) as port,
        listening(port, client_file.tokens) as rig,
    ):
        await eventually(lambda: rig.listener.refusal)
        client_file.write(RIGHT)
        await eventually(lambda: rig.pending == 1)
        assert "" == rig.listener.refusal
    assert f"hold server 127.0.0.1:{port} takes the token" in caplog.messages


async def test_a_hold_server_takes_a_new_token_without_a_restart_and_cuts_no_stream(
    server_file, client_file, eventually
):
    """A stream that is open has shown that it may be; cut off, its demand would be unknown."""
    service = hold_server(server_file.tokens)
    async with serving(service) as port, listening(port, client_file.tokens) as rig:
        await eventually(lambda: rig.pending == 1)
        server_file.write("another-token")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            code, said = await asked(channel, (HEADER, f"Bearer {RIGHT}"))
            assert (grpc.StatusCode.UNAUTHENTICATED, True) == (code, ASKED in said)
            code, _ = await asked(channel, (HEADER, "Bearer another-token"))
            assert grpc.StatusCode.OK == code
        before = rig.reports
        service.look()
        await eventually(lambda: rig.reports > before)
        assert "" == rig.listener.refusal


async def test_a_hold_server_that_asks_for_none_takes_any(client_file, eventually):
    """So that tokens can be given to one process after another."""
    async with serving(hold_server()) as port, listening(port, client_file.tokens) as rig:
        await eventually(lambda: rig.pending == 1)


async def test_a_hold_server_that_is_gone_is_not_complained_of(server_file, eventually):
    """What it said last would be told for ever."""
    async with serving(hold_server(server_file.tokens)) as port, listening(port) as rig:
        await eventually(lambda: rig.listener.refusal)
        rig.listener.expect([])
        assert "" == rig.listener.refusal
