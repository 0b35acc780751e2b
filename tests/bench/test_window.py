"""How the cycle tests count what they lose: they must be able to fail."""

import pytest

from bench.window import Lost, unexplained, windows


def lost(workload="a", sent_at=10.0, seconds=0.004, status=503, said="no healthy upstream"):
    return Lost(workload, sent_at, seconds, status, said)


@pytest.mark.parametrize(
    ("expected", "requests"),
    [
        (0, []),
        (1, [lost()]),
        (1, [lost(sent_at=10.003), lost(sent_at=10.0), lost(sent_at=10.004)]),
        (2, [lost(), lost("b")]),
        (2, [lost(), lost(sent_at=10.06)]),
        # A trickle is not one long window.
        (3, [lost(sent_at=10.0 + n * 0.03) for n in range(6)]),
    ],
)
def test_what_was_lost_at_one_moment_counts_once(expected, requests):
    """One window costs as many requests as happen to be sent in it; a second one is a second."""
    assert expected == windows(requests)


@pytest.mark.parametrize(
    "request_",
    [
        lost(seconds=0.3),
        lost(status=504),
        lost(status=0, said=""),
        lost(said="upstream connect error or disconnect/reset before headers"),
    ],
)
def test_a_request_that_was_held_or_ended_otherwise_is_not_explained(request_):
    """Only Envoy's own refusal, at once, is what the architecture admits."""
    assert [request_] == unexplained([lost(), request_])
