import aiohttp
import pytest
from pydantic import ValidationError

from controller.app import gate_for, hold_cluster
from controller.health import health
from controller.settings import Settings


def test_the_gate_leads_to_the_hold_servers_service():
    """By the name that istiod gives its cluster; any other would fail open, silently."""
    settings = Settings(namespace="holds", hold_service="extproc", domain="example.org")
    assert "outbound|9002||extproc.holds.svc.example.org" == hold_cluster(settings)
    assert hold_cluster(settings) in str(gate_for(settings))


@pytest.mark.parametrize(
    "wrong",
    [
        {"namespace": "Not A Name"},
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
    settings = Settings()
    assert {"istio": "ingressgateway"} == settings.gate_selector
    assert "workloadSelector" in gate_for(settings)["spec"]


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
