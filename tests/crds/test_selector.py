import pytest

from crds.selector import LabelSelector, Operator, Requirement


def test_an_empty_selector_matches_everything():
    """It is how a policy says `all`."""
    assert LabelSelector().matches({})
    assert LabelSelector().matches({"app": "cart"})


def test_all_labels_and_all_conditions_must_match():
    """As everywhere in Kubernetes."""
    selector = LabelSelector(
        match_labels={"app": "cart", "env": "dev"},
        match_expressions=(Requirement(key="keep", operator=Operator.DOES_NOT_EXIST),),
    )
    assert selector.matches({"app": "cart", "env": "dev", "tier": "web"})
    assert not selector.matches({"app": "cart"})
    assert not selector.matches({"app": "cart", "env": "dev", "keep": "yes"})


@pytest.mark.parametrize(
    ("operator", "values", "matched"),
    [
        (Operator.IN, ("a", "b"), {"a"}),
        (Operator.NOT_IN, ("a", "b"), {"c", None}),
        (Operator.EXISTS, (), {"a", "c"}),
        (Operator.DOES_NOT_EXIST, (), {None}),
    ],
)
def test_a_condition_matches_as_kubernetes_does(operator, values, matched):
    """NotIn includes objects without the label, which surprises most people once."""
    requirement = Requirement(key="x", operator=operator, values=values)
    labels = {value: {"x": value} if value else {} for value in ("a", "c", None)}
    assert matched == {value for value, found in labels.items() if requirement.matches(found)}
