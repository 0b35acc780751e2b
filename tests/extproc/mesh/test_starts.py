"""The cold starts of a hold server, as they are told."""

from extproc.mesh.starts import TOLD_SECONDS, Starts
from feed.board import HoldName
from tests.telemetry.scene import EPOCH, HOLD, Scene

CART = HoldName(*HOLD)


def test_one_that_goes_on_is_told_as_it_is_now():
    scene = Scene(keep=None)
    starts = Starts(scene.starts, lambda: scene.now)
    assert starts.latest(CART) is None
    scene.now = 5.0
    scene.starts.begin(HOLD)
    told = starts.latest(CART)
    assert told
    assert (EPOCH + 5.0, (), None) == (told.at, told.marks, told.ending)
    scene.now = 5.0 + 2 * TOLD_SECONDS
    assert told == starts.latest(CART), "however long it takes"


def test_one_that_is_over_is_told_for_a_while():
    """A thousand of them would be told of several times each second."""
    scene = Scene(keep=None)
    starts = Starts(scene.starts, lambda: scene.now)
    scene.starts.begin(HOLD)
    scene.now = 2.0
    scene.starts.failed(HOLD, "no image")
    told = starts.latest(CART)
    assert told
    assert ("no image", 2.0) == (told.reason, told.duration)
    scene.now = 1.9 + TOLD_SECONDS
    assert told == starts.latest(CART)
    scene.now = 2.0 + TOLD_SECONDS
    assert starts.latest(CART) is None
