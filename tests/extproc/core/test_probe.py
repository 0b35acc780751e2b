import pytest

from extproc.core.probe import ProbeRule, Request, match_probe

PROBE = Request("GET", "/healthz?verbose=1", "kube-probe/1.36")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (ProbeRule(), False),
        (ProbeRule(path="/healthz"), True),
        (ProbeRule(path="/health"), False),
        (ProbeRule(path="/health*"), True),
        (ProbeRule(path="*"), True),
        (ProbeRule(path="/healthz?verbose=1"), False),
        (ProbeRule(user_agent="kube-probe/*"), True),
        (ProbeRule(user_agent="kube-probe"), False),
        (ProbeRule(user_agent="GoogleHC/*"), False),
        (ProbeRule(method="GET"), True),
        (ProbeRule(method="HEAD"), False),
        (ProbeRule(path="/healthz", user_agent="kube-probe/*", method="GET"), True),
        (ProbeRule(path="/healthz", user_agent="curl/*", method="GET"), False),
        (ProbeRule(path="/healthz", user_agent="kube-probe/*", method="HEAD"), False),
        (ProbeRule(path="/", user_agent="kube-probe/*", method="GET"), False),
    ],
    ids=str,
)
def test_a_probe_matches_all_that_its_rule_names(rule, expected):
    """A rule too wide swallows real requests, one too narrow keeps the workload awake."""
    assert expected == rule.matches(PROBE)


def test_the_first_rule_that_matches_decides():
    """Users order rules from the special to the general, as they do for routes."""
    first, second = ProbeRule(path="/healthz", status=204), ProbeRule(path="/*", status=200)
    assert first == match_probe((first, second), PROBE)
    assert second == match_probe((first, second), Request("GET", "/readyz"))
    assert match_probe((first,), Request("GET", "/cart")) is None
