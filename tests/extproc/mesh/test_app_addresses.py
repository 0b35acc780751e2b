"""The three addresses of `layby extproc`, of which somebody else may have one."""

import asyncio
import socket
from contextlib import contextmanager

import pytest

from extproc.mesh.app import run
from extproc.settings import Settings
from telemetry.app import Telemetry
from telemetry.settings import TraceSettings
from tests.extproc.mesh.running import HERE

pytestmark = pytest.mark.usefixtures("api")

ADDRESSES = ["listen", "feed_listen", "scaler_listen"]


@contextmanager
def taken():
    """An address at which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield f"127.0.0.1:{other.getsockname()[1]}"


async def is_served(path) -> bool:
    """Whether a gRPC server is at work there: it has the first word on each connection."""
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    try:
        async with asyncio.timeout(0.2):
            return bool(await reader.read(1))
    except TimeoutError:
        return False
    finally:
        writer.close()


@pytest.mark.parametrize("setting", ADDRESSES)
async def test_an_address_that_is_taken_is_named(setting):
    """Each of them may be, and somebody has to find out which."""
    with taken() as address:
        settings = Settings.model_validate({**HERE, setting: address})
        reports = Telemetry(None, TraceSettings())
        with pytest.raises(OSError, match=f"cannot listen on {address}"):
            await run(settings, asyncio.Event(), reports)


@pytest.mark.parametrize("setting", ADDRESSES)
async def test_whoever_cannot_have_one_address_serves_nobody_at_another(setting, tmp_path):
    """All are bound before any begins: a request that came in between would be lost."""
    others = [tmp_path / each for each in ADDRESSES if each != setting]
    with taken() as address:
        there = {each.name: f"unix:{each}" for each in others}
        settings = Settings.model_validate({**HERE, **there, setting: address})
        reports = Telemetry(None, TraceSettings())
        with pytest.raises(OSError, match="cannot listen") as failure:
            await run(settings, asyncio.Event(), reports)
    # The traceback keeps the servers alive: what had begun would serve still.
    assert [] == [each.name for each in others if await is_served(each)]
    assert address in str(failure.value)
