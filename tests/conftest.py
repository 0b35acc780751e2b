import asyncio

import pytest
from hypothesis import settings

# The same examples everywhere, and no time limit on one: a test that may fail by chance is a bug.
settings.register_profile("layby", derandomize=True, deadline=None, database=None)
settings.load_profile("layby")


def pytest_sessionstart():
    """Leave no loop for the first test to open by asking for one; nobody would close it."""
    asyncio.set_event_loop(None)


@pytest.fixture
def eventually():
    """Wait until a condition holds, for real time to pass is the only way with real sockets."""

    async def wait(condition, within=5.0):
        async with asyncio.timeout(within):
            while not condition():
                await asyncio.sleep(0)

    return wait
