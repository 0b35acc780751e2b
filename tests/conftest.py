import asyncio

import pytest
from hypothesis import settings

# The same examples everywhere, and no time limit on one: a test that may fail by chance is a bug.
settings.register_profile("layby", derandomize=True, deadline=None, database=None)
settings.load_profile("layby")


@pytest.fixture
def eventually():
    """Wait until a condition holds, for real time to pass is the only way with real sockets."""

    async def wait(condition, within=5.0):
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(0)

    return wait
