import asyncio

import pytest


@pytest.fixture
def eventually():
    """Wait until a condition holds, for real time to pass is the only way with real sockets."""

    async def wait(condition, within=5.0):
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(0)

    return wait
