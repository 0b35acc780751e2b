"""The page over HTTP."""

import asyncio
import itertools
import json
import socket
from collections import Counter

import aiohttp
import pytest
from aiohttp import web

from local.address import free_port
from page import serving
from page.live import Live
from page.serving import serve
from page.snapshot import Condition
from tests.page.conftest import snapshot, workload

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pytest.fixture
async def client():
    async with aiohttp.ClientSession() as session:
        yield session


def look():
    return snapshot(workload())


async def test_what_is_served_and_as_what(client):
    async with serve("127.0.0.1", 0, look) as port:
        for path, kind, words in (
            ("/", "text/html", "<h1>Layby</h1>"),
            ("/holds.json", "application/json", '"name":"cart"'),
            ("/page.css", "text/css", "prefers-color-scheme: dark"),
            ("/page.js", "text/javascript", "EventSource"),
        ):
            async with client.get(f"http://127.0.0.1:{port}{path}") as answer:
                assert (200, kind, "utf-8") == (answer.status, answer.content_type, answer.charset)
                assert POLICY == answer.headers["Content-Security-Policy"]
                assert "nosniff" == answer.headers["X-Content-Type-Options"]
                assert "no-store" == answer.headers["Cache-Control"]
                assert words in await answer.text()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_it_is_read_only(client, method):
    async with serve("127.0.0.1", 0, look) as port:
        for path in ("/", "/holds.json", "/live"):
            async with client.request(method, f"http://127.0.0.1:{port}{path}") as answer:
                assert 405 == answer.status


async def test_changes_come_as_events(client):
    parked = 0
    async with (
        serve("127.0.0.1", 0, lambda: snapshot(workload(parked=parked))) as port,
        client.get(f"http://127.0.0.1:{port}/live") as stream,
    ):
        assert "text/event-stream" == stream.content_type
        assert b">0</td>" in await event(stream)
        parked = 7
        assert b">7</td>" in await event(stream)


async def test_a_message_is_never_markup(client):
    conditions = (Condition("Ready", "False", "X", "<script>alert(1)</script>\n\ndata: x"),)
    async with serve("127.0.0.1", 0, lambda: snapshot(workload(conditions=conditions))) as port:
        for path in ("/", "/live"):
            async with client.get(f"http://127.0.0.1:{port}{path}") as answer:
                text = await (event(answer) if path == "/live" else answer.read())
                assert b"&lt;script&gt;alert(1)" in text
                assert b"<script>alert" not in text
        async with client.get(f"http://127.0.0.1:{port}/holds.json") as answer:
            [hold] = (await answer.json())["holds"]
            assert conditions[0].message == hold["conditions"][0]["message"]


async def test_not_yet_is_said_before_there_is_anything_to_see(client):
    """An empty page would be read as: nothing is held."""
    async with (
        serve("127.0.0.1", 0, look, ready=lambda: False) as port,
        client.get(f"http://127.0.0.1:{port}/") as answer,
    ):
        assert (503, "1") == (answer.status, answer.headers["Retry-After"])


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:80", 200),
        ("127.0.0.1", 200),
        ("[::1]:8080", 200),
        ("layby.localhost", 200),
        ("evil.example:80", 421),
        ("127.0.0.1.evil.example", 421),
    ],
)
async def test_only_here_refuses_a_name_that_means_this_machine_to_a_browser(
    client, host, expected
):
    """Any web site may let its name mean 127.0.0.1 (DNS rebinding)."""
    async with serve("127.0.0.1", 0, look, only_here=True) as port:
        url = f"http://127.0.0.1:{port}/"
        async with client.get(url, headers={"Host": host}) as answer:
            assert expected == answer.status


async def test_a_viewer_that_goes_is_forgotten(client, eventually, monkeypatch):
    lives = spied(monkeypatch)
    async with serve("127.0.0.1", 0, look) as port:
        stream = await client.get(f"http://127.0.0.1:{port}/live")
        await event(stream)
        assert 1 == lives[0].viewers
        stream.close()
        await eventually(lambda: lives[0].viewers == 0)


async def test_viewers_are_bounded(client, monkeypatch):
    """Each takes a connection, and what is sent to it."""
    monkeypatch.setattr(serving, "MOST_VIEWERS", 1)
    async with (
        serve("127.0.0.1", 0, look) as port,
        client.get(f"http://127.0.0.1:{port}/live") as stream,
    ):
        await event(stream)
        async with client.get(f"http://127.0.0.1:{port}/live") as other:
            assert 503 == other.status


async def test_viewers_that_come_at_once_are_bounded(client, eventually, monkeypatch):
    """A page that was left open in many tabs comes back in all of them after a restart.

    What `prepare` awaits is aiohttp's affair: here, that all of them have come.
    """
    most, crowd = 3, 30
    prepare, answers, all_here = web.StreamResponse.prepare, itertools.count(1), asyncio.Event()

    async def together(response, request):
        if next(answers) == crowd:
            all_here.set()
        await all_here.wait()
        return await prepare(response, request)

    monkeypatch.setattr(web.StreamResponse, "prepare", together)
    monkeypatch.setattr(serving, "MOST_VIEWERS", most)
    lives = spied(monkeypatch)
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        serve("127.0.0.1", 0, look) as port,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        url = f"http://127.0.0.1:{port}/live"
        streams = await asyncio.gather(*(session.get(url) for _ in range(crowd)))
        assert Counter({503: crowd - most, 200: most}) == Counter(s.status for s in streams)
        for stream in streams:
            stream.close()
        await eventually(lambda: lives[0].viewers == 0)
        async with client.get(url) as later:
            assert 200 == later.status


async def test_a_viewer_that_is_told_of_nothing_gives_its_place_back(client, monkeypatch):
    monkeypatch.setattr(serving, "MOST_VIEWERS", 1)
    lives = spied(monkeypatch)

    def broken():
        raise RuntimeError("broken")

    async with serve("127.0.0.1", 0, broken) as port:
        for _ in range(2):
            async with client.get(f"http://127.0.0.1:{port}/live") as stream:
                assert (200, b"") == (stream.status, await stream.read())
    assert 0 == lives[0].viewers


async def test_a_viewer_that_takes_nothing_is_cut_and_does_not_grow_memory(eventually, monkeypatch):
    """It is a laptop that was closed, and its buffer would grow by a page each tick."""
    monkeypatch.setattr(serving, "SLOW_SECONDS", 0.5)
    lives = spied(monkeypatch)
    number = 0

    def changing():
        nonlocal number
        number += 1
        return snapshot(*(workload(f"w{n}", parked=number, why="x" * 200) for n in range(200)))

    async with serve("127.0.0.1", 0, changing) as port:
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await eventually(lambda: lives[0].viewers == 1)
            await eventually(lambda: lives[0].viewers == 0, within=30)


async def test_the_end_does_not_wait_for_viewers(client):
    async with asyncio.timeout(5):
        async with serve("127.0.0.1", 0, look) as port:
            stream = await client.get(f"http://127.0.0.1:{port}/live")
            await event(stream)
        rest = await stream.content.read()
    assert b"event" not in rest


async def test_a_page_that_cannot_be_made_is_said(client, caplog):
    def broken():
        raise RuntimeError("broken")

    async with (
        serve("127.0.0.1", 0, broken) as port,
        client.get(f"http://127.0.0.1:{port}/holds.json") as answer,
    ):
        assert 503 == answer.status
    assert "cannot be rendered" in caplog.text


async def test_an_address_that_is_taken_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as other:
        serving = serve("127.0.0.1", other.getsockname()[1], look)
        with pytest.raises(OSError, match="address already in use"):
            await serving.__aenter__()


async def test_no_host_means_all_addresses(client):
    """So that a port can be forwarded, and a pod's address be asked as well."""
    async with (
        serve(None, free_port(), look) as port,
        client.get(f"http://127.0.0.1:{port}/holds.json") as answer,
    ):
        assert json.loads(await answer.text())["leads"]


async def event(stream):
    """Read an event to its end."""
    return await stream.content.readuntil(b"\n\n")


def spied(monkeypatch):
    """Get at what is made inside."""
    lives = []
    make = Live

    def note(*arguments):
        lives.append(make(*arguments))
        return lives[-1]

    monkeypatch.setattr(serving, "Live", note)
    return lives
