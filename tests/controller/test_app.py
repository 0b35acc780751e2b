import asyncio

import aiohttp
import pytest
from pydantic import ValidationError

from controller.app import run
from controller.gate import gate_objects
from controller.health import health
from controller.settings import Settings
from feed.tokens import TokenError
from telemetry.app import Telemetry
from telemetry.settings import TraceSettings
from tests.controller.looking import cart, events


def test_the_gate_leads_to_the_hold_servers_service():
    """By the name that istiod gives its cluster; any other would fail open, silently."""
    settings = Settings(namespace="holds", hold_service="extproc", domain="example.org")
    assert "outbound|9002||extproc.holds.svc.example.org" == settings.cluster_name
    assert settings.cluster_name in str(gate_objects(settings))


@pytest.mark.parametrize(
    "wrong",
    [
        {"namespace": "Not A Name"},
        {"watch_namespaces": "Not A Name"},
        {"hold_port": 0},
        {"chances": 9},
        {"workers": 0},
        {"lease_seconds": 1},
        {"unknown": 1},
    ],
)
def test_settings_are_checked_before_anything_runs(wrong):
    """A typing error in a chart's values is seen at once, not after the first failover."""
    with pytest.raises(ValidationError):
        Settings(**wrong)


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("LAYBY_CONTROLLER_GATE_SELECTOR", '{"istio": "ingressgateway"}')
    monkeypatch.setenv("LAYBY_CONTROLLER_WATCH_NAMESPACES", "shop,till")
    settings = Settings()
    assert {"shop", "till"} == settings.watch_namespaces
    assert {"istio": "ingressgateway"} == settings.gate_selector
    assert "workloadSelector" in gate_objects(settings)[-1]["spec"]


async def test_health_says_alive_at_once_and_ready_when_it_is():
    """One that has not listed everything yet must not be thought of as a successor."""
    ready = False
    async with health("127.0.0.1", 0, lambda: ready) as port, aiohttp.ClientSession() as session:

        async def ask(path: str) -> int:
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status

        assert (200, 503) == (await ask("/healthz"), await ask("/readyz"))
        ready = True
        assert 200 == await ask("/readyz")


async def test_it_does_not_begin_without_the_token_that_it_is_to_show(tmp_path):
    """It would hear nothing, and put nothing to sleep."""
    settings = Settings(feed_token_file=tmp_path / "token")
    reports = Telemetry(None, TraceSettings())
    with pytest.raises(TokenError, match=r"^LAYBY_CONTROLLER_FEED_TOKEN_FILE: .*token cannot be"):
        await run(settings, asyncio.Event(), reports)


@pytest.mark.looptime
async def test_what_it_did_last_is_told_and_then_it_ends_at_once(running, cluster):
    """Whoever looks for why a workload sleeps finds no word of one that ended too early."""
    again = type(running)(cluster, stop_seconds=5)
    cluster.have(*cart())
    again.start()
    await again.settle()
    recorder = again.controller._recorder
    recorder.tell(cart()[0], "Slept", "for the last time")
    before = asyncio.get_running_loop().time()
    await again.stop()
    assert "Slept" in events(cluster)
    assert asyncio.get_running_loop().time() - before < 0.5
