import signal

import pytest

from cli.session import ECHO, Impatience, _quietly, stop_signals


@pytest.fixture
def hang_up():
    """Set what SIGHUP does in this process, and put it back."""
    before = signal.getsignal(signal.SIGHUP)
    yield lambda what: signal.signal(signal.SIGHUP, what)
    signal.signal(signal.SIGHUP, before)


def test_closed_terminal_is_a_reason_to_drain(hang_up):
    """By default it would cut every request, and leave the scratch folder behind."""
    hang_up(signal.SIG_DFL)
    assert {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} == set(stop_signals())


def test_nohup_is_obeyed(hang_up):
    """Whoever starts it with `nohup` wants it to outlive the terminal."""
    hang_up(signal.SIG_IGN)
    assert {signal.SIGINT, signal.SIGTERM} == set(stop_signals())


@pytest.mark.parametrize(
    ("second", "after", "expected"),
    [
        (signal.SIGINT, ECHO, True),
        (signal.SIGTERM, 60.0, True),
        (signal.SIGINT, ECHO / 2, False),
        (signal.SIGHUP, 60.0, False),
    ],
)
def test_second_signal_asks_for_an_end_at_once(second, after, expected):
    """But not one that a wrapper or a closing terminal sends along with the first."""
    impatience = Impatience()
    assert not impatience.grows_with(signal.SIGINT, 10.0)
    assert expected == impatience.grows_with(second, 10.0 + after)


@pytest.mark.parametrize(
    ("asked", "expected"), [(None, False), ("none", False), ("prometheus", True)]
)
def test_metrics_are_served_only_if_asked_for(monkeypatch, asked, expected):
    """Two of them on one host would want the same port."""
    monkeypatch.delenv("OTEL_METRICS_EXPORTER", raising=False)
    if asked is not None:
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", asked)
    assert expected is _quietly().prometheus
