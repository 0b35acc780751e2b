import pytest

from tests.telemetry.scene import Scene


@pytest.fixture
def scenes():
    """Make scenes that are closed behind the test."""
    made = []

    def make(**changes):
        made.append(Scene(**changes))
        return made[-1]

    yield make
    for scene in made:
        scene.close()


@pytest.fixture
def scene(scenes):
    return scenes()
