"""The exception to the sampler's rule."""

from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision

from telemetry.sampling import Allowance, KeepNotable


def test_an_allowance_is_for_a_second():
    now = 0.0
    allowance = Allowance(2.0, lambda: now)
    assert [True, True, False] == [allowance.take() for _ in range(3)]
    now = 0.5
    assert [True, False] == [allowance.take() for _ in range(2)]
    now = 100.0
    assert [True, True, False] == [allowance.take() for _ in range(3)]


def test_less_than_one_a_second_is_one_every_few_seconds():
    now = 0.0
    allowance = Allowance(0.1, lambda: now)
    assert [True, False] == [allowance.take() for _ in range(2)]
    now = 10.5
    assert [True, False] == [allowance.take() for _ in range(2)]


def test_the_rule_holds_for_all_else():
    sampler = KeepNotable(ALWAYS_OFF, Allowance(1.0, lambda: 0.0))
    assert Decision.DROP is sampler.should_sample(None, 1, "layby.hold").decision
    assert sampler.get_description() == "KeepNotable{AlwaysOffSampler}"
