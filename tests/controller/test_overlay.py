import pytest

from controller.memory import REFUSED_SECONDS, Memory
from controller.overlay import KEEP_SECONDS, Overlay


@pytest.mark.parametrize(
    ("seen", "now", "expected"),
    [
        ("1", 0.0, "ours"),
        ("1", KEEP_SECONDS - 1, "ours"),
        ("2", 0.0, None),
        ("", 0.0, None),
        ("1", KEEP_SECONDS, None),
    ],
)
def test_what_we_wrote_stands_until_the_store_has_moved_on(seen, now, expected):
    """Without it the same would be written again; for longer, another's change would be hidden."""
    overlay: Overlay[str] = Overlay()
    overlay.put("a", "1", "ours", 0.0)
    assert expected == overlay.get("a", seen, now)
    assert (1 if expected else 0) == len(overlay), "what stands for nothing is forgotten"


def test_what_has_expired_is_forgotten_though_nobody_asks_again():
    """Objects come and go for months under a name of their own each."""
    overlay: Overlay[str] = Overlay()
    for n in range(100):
        overlay.put(f"pr-{n}", "1", "ours", n * KEEP_SECONDS / 2)
    overlay.put("pr-98", "2", "anew", 99 * KEEP_SECONDS / 2)
    assert 2 == len(overlay)
    assert "anew" == overlay.get("pr-98", "2", 100 * KEEP_SECONDS / 2)


def test_there_is_nothing_for_what_we_have_not_written():
    assert Overlay[str]().get("a", "1", 0.0) is None


def test_how_long_a_workload_is_up_is_counted_from_when_it_was_last_at_zero():
    """Whoever starts it by hand has it for as long as it may be idle."""
    memory = Memory()
    assert [0.0, 5.0, 0.0, 0.0, 2.0] == [
        memory.seen(replicas, now)
        for replicas, now in [(1, 10.0), (2, 15.0), (0, 20.0), (1, 30.0), (1, 32.0)]
    ]


def test_a_scaling_that_was_refused_is_tried_again_after_a_while():
    """Nobody tells when a role changes."""
    memory = Memory()
    assert ("", None) == (memory.refusal(0.0), memory.retry_after(0.0))
    memory.refused("forbidden", 10.0)
    assert ("forbidden", REFUSED_SECONDS - 5) == (memory.refusal(15.0), memory.retry_after(15.0))
    assert "" == memory.refusal(10.0 + REFUSED_SECONDS)
    memory.scaled()
    assert "" == memory.refusal(11.0)
