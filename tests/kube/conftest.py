import pytest

from tests.kube.fake_api import FakeApi


@pytest.fixture
def api():
    """An API server in memory, on which nothing is yet."""
    return FakeApi()
