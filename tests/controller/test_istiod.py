"""istiod's debug endpoints, on a real socket."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from controller.attach import Found
from controller.istiod import Access, Istiod, IstiodError

CLUSTER = "outbound|9002||layby-extproc.layby-system.svc.cluster.local"
GATE, ROUTES = '{"name":"layby.hold.1"}', '{"rds":{"routeConfigName":"80"}}'


class FakeIstiod:
    """An istiod as it answers on its debug port."""

    def __init__(self) -> None:
        self.proxies = {"gw.istio-system": ("router", "1", "1")}
        self.dumps = {("gw.istio-system", "lds"): GATE}
        self.status = 200
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        self.url = ""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        self.asked.append(request.path_qs)
        self.tokens.add(request.headers.get("Authorization"))
        if self.status != 200:
            return web.Response(status=self.status)
        if request.path == "/debug/syncz":
            return web.json_response(
                [
                    {
                        "proxy": name,
                        "proxy_type": kind,
                        "listener_sent": sent,
                        "listener_acked": acked,
                        "istio_version": "1.31.0",
                    }
                    for name, (kind, sent, acked) in self.proxies.items()
                ]
            )
        dump = self.dumps.get((request.query["proxyID"], request.query["types"]))
        if dump is None:
            return web.Response(status=404)
        return web.Response(text=dump, content_type="application/json")


@pytest.fixture
async def istiod():
    """An istiod with one gateway that has the gate."""
    fake = FakeIstiod()
    runner = web.ServerRunner(web.Server(fake.answer))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


def names(found):
    return {proxy.name: what for proxy, what in found.items()}


async def test_each_proxy_is_looked_up(istiod):
    """What istiod has sent it says what it has, and no other way does from outside."""
    istiod.proxies |= {
        "side.shop": ("sidecar", "1", "1"),
        "in.shop": ("sidecar", "1", "1"),
        "away.shop": ("sidecar", "1", "1"),
        "way.shop": ("waypoint", "1", "1"),
    }
    istiod.dumps |= {("side.shop", "lds"): ROUTES, ("in.shop", "lds"): "{}"}
    assert {
        "gw.istio-system": Found.GATE,
        "side.shop": Found.NO_GATE,
        "in.shop": Found.NOTHING_TO_HOLD,
        "away.shop": Found.UNSEEN,
    } == names(await Istiod(Access(istiod.url)).look())


async def test_a_proxy_without_the_hold_servers_cluster_is_noticed(istiod):
    """A Sidecar resource may hide it, and the gate is of no use then."""
    asking = Istiod(Access(istiod.url, hold_cluster=CLUSTER))
    istiod.dumps["gw.istio-system", "cds"] = "{}"
    assert {"gw.istio-system": Found.HIDDEN} == names(await asking.look())
    istiod.proxies["gw.istio-system"] = ("router", "2", "2")
    istiod.dumps["gw.istio-system", "cds"] = f'{{"name":"{CLUSTER}"}}'
    assert {"gw.istio-system": Found.GATE} == names(await asking.look())


async def test_what_was_not_pushed_anew_is_not_asked_anew(istiod):
    """A dump has istiod make all of a proxy's listeners."""
    asking = Istiod(Access(istiod.url))
    first = await asking.look()
    assert names(first) == names(await asking.look())
    assert 3 == len(istiod.asked)
    istiod.proxies["gw.istio-system"] = ("router", "2", "2")
    await asking.look()
    assert 5 == len(istiod.asked)


async def test_a_push_that_is_on_its_way_is_waited_for(istiod):
    """It takes a moment, and is no reason to say that a proxy lacks the gate."""
    istiod.proxies["gw.istio-system"] = ("router", "2", "1")
    looking = asyncio.create_task(Istiod(Access(istiod.url)).look())
    while not istiod.asked:
        await asyncio.sleep(0)
    istiod.proxies["gw.istio-system"] = ("router", "2", "2")
    (proxy,) = await looking
    assert proxy.is_settled


async def test_the_token_is_read_anew_each_time(istiod, tmp_path):
    """A projected token is replaced every hour or so."""
    file = tmp_path / "token"
    asking = Istiod(Access(istiod.url, token=file))
    for text in ("one", "two"):
        file.write_text(f"{text}\n")
        await asking.look()
    assert {"Bearer one", "Bearer two"} == istiod.tokens


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, "istiod answers 401: it takes a token of audience istio-ca"),
        (403, "istiod answers 403: it takes a token"),
        (404, "istiod shows no /debug/syncz at http"),
        (500, "istiod cannot be asked"),
    ],
)
async def test_a_refusal_says_what_to_do(istiod, status, expected):
    istiod.status = status
    with pytest.raises(IstiodError, match=expected):
        await Istiod(Access(istiod.url)).look()


@pytest.mark.parametrize("token", [None, "/nowhere/token"])
async def test_an_istiod_that_does_not_answer_is_no_surprise(token):
    """It is restarted now and then."""
    access = Access("http://127.0.0.1:1", token=Path(token) if token else None)
    with pytest.raises(IstiodError, match="istiod cannot be asked at http"):
        await Istiod(access).look()
