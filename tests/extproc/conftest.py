import pytest

from tests.extproc.fake_waker import FakeWaker
from tests.extproc.throttler_rig import throttler_for


@pytest.fixture
def waker():
    return FakeWaker()


@pytest.fixture
def throttler(waker):
    """A throttler for `cart`, behind an Envoy that learns at once."""
    return throttler_for(waker)
