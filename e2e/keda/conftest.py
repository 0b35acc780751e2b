"""Layby beside KEDA, for the tests that are about both."""

import pytest

from e2e import layby


@pytest.fixture(scope="module")
def installed(stack, keda):
    """KEDA and Layby, each as a platform engineer installs it."""
    layby.install(stack.api)
    return keda
