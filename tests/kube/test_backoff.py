import pytest

from kube.backoff import Backoff, delay_after


@pytest.mark.parametrize(
    ("expected", "failures"), [(0.1, 0), (0.2, 1), (0.4, 2), (6.4, 6), (10.0, 7), (10.0, 10**6)]
)
def test_delays_double_up_to_the_limit(expected, failures):
    """An outage of a night must neither overflow nor be noticed an hour late."""
    assert expected == pytest.approx(delay_after(failures, 0.1, 10.0))


@pytest.mark.parametrize(("expected", "chance"), [(0.1, 0.0), (0.075, 0.5), (0.05, 1.0)])
def test_a_delay_is_shortened_by_up_to_a_half(expected, chance):
    """All clients of a server lose it at the same moment, and should not return at the same."""
    assert expected == pytest.approx(Backoff(random=lambda: chance).next())


def test_after_a_success_it_begins_again():
    """A cut once a day is not an outage of many days."""
    backoff = Backoff(random=lambda: 0.0)
    assert [0.1, 0.2, 0.4] == [backoff.next() for _ in range(3)]
    assert 3 == backoff.failures
    backoff.reset()
    assert 0.1 == backoff.next()
