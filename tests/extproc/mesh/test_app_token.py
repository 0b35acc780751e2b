"""The demand feed of the process as it is run, when it asks for a token."""

import asyncio

import pytest

from extproc.mesh.app import run
from extproc.settings import Settings
from feed.hold_servers import PORT_NAME
from feed.tokens import TokenError, Tokens
from kube.resource import DEPLOYMENTS, ENDPOINT_SLICES, SERVICES, TRAFFIC_HOLDS
from telemetry.app import Telemetry
from telemetry.catalogue.controlling import FEED_AGE
from telemetry.settings import TraceSettings
from tests.extproc.fake_envoy import connected, request_headers
from tests.extproc.mesh.objects import deployment, endpoints, hold, service
from tests.extproc.mesh.running import Running
from tests.feed.test_authentication import listening

SETTING = "LAYBY_EXTPROC_FEED_TOKEN_FILE"


@pytest.fixture
def file(tmp_path):
    """A file with a token."""
    path = tmp_path / "token"
    path.write_text("a-token-of-ours\n")
    return path


@pytest.fixture
async def running(api, caplog, eventually, file):
    """A hold server for `cart`, which sleeps."""
    api.put(DEPLOYMENTS, deployment())
    api.put(TRAFFIC_HOLDS, hold())
    api.put(SERVICES, service())
    running = Running(caplog, feed_token_file=file)
    await eventually(lambda: running.port is not None)
    yield running
    await running.stop()


def feed_age(running):
    """Since when the hold server that has been silent longest was heard."""
    [age] = [each.values[()] for each in running.reports.read() if each.metric is FEED_AGE]
    return age


async def test_demand_is_told_to_whoever_has_the_token_and_requests_need_none(
    running, file, eventually
):
    """Envoys have no token, and are asked for none."""
    async with (
        connected(running.port) as envoy,
        listening(running.feed_port) as stranger,
        listening(running.feed_port, Tokens(file, SETTING)) as controller,
    ):
        call = await envoy.ask(request_headers())
        await eventually(lambda: controller.pending == 1)
        await eventually(lambda: stranger.listener.refusal)
        assert 0 == stranger.pending
        call.cancel()
        await eventually(lambda: controller.pending == 0)


async def test_hold_servers_show_it_to_one_another(api, running, eventually):
    """This one to itself: each hears all of them in the same way."""
    own = endpoints("layby-extproc", True, port=PORT_NAME, name="own")
    own["metadata"]["namespace"] = "layby-system"
    own["ports"][0]["port"] = running.feed_port
    own["endpoints"][0]["addresses"] = ["127.0.0.1"]
    api.put(ENDPOINT_SLICES, own)
    await eventually(lambda: feed_age(running) < 5.0)


async def test_it_does_not_begin_without_the_tokens_that_it_is_to_ask_for(file):
    """A mount that was forgotten must not open what somebody wanted closed."""
    file.unlink()
    reports = Telemetry(None, TraceSettings())
    with pytest.raises(TokenError, match=f"^{SETTING}: {file} cannot be read"):
        await run(Settings(feed_token_file=file), asyncio.Event(), reports)
