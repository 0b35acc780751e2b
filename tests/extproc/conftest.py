import pytest

from tests.extproc.fake_envoy import request_headers
from tests.extproc.fake_waker import FakeWaker
from tests.extproc.processor_rig import serving
from tests.extproc.throttler_rig import throttler_for


@pytest.fixture
def waker():
    return FakeWaker()


@pytest.fixture
def throttler(waker):
    """A throttler for `cart`, behind an Envoy that learns at once."""
    return throttler_for(waker)


@pytest.fixture
async def rig_and_envoy():
    """A hold server for `cart` on a real port, and an Envoy that asks it."""
    async with serving() as pair:
        yield pair


@pytest.fixture
def rig(rig_and_envoy):
    return rig_and_envoy[0]


@pytest.fixture
def envoy(rig_and_envoy):
    return rig_and_envoy[1]


@pytest.fixture
def parked(rig, envoy, eventually):
    """Open a stream and wait until its request is parked."""

    async def park(*messages, metadata=()):
        before = rig.throttler.pending()
        call = await envoy.ask(*(messages or (request_headers(),)), metadata=metadata)
        await eventually(lambda: rig.throttler.pending() > before)
        return call

    return park
