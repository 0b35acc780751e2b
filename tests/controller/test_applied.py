import pytest

from controller.applied import APPLIED, is_current, stamped

WANTED = stamped({"kind": "K", "metadata": {"name": "a"}, "spec": {"list": [{"a": 1}], "b": "x"}})
MARK = {APPLIED: WANTED["metadata"]["annotations"][APPLIED]}


def there(annotations=MARK, **spec):
    metadata = {"name": "a", "uid": "1", "annotations": {"b": "c", **annotations}}
    return {"metadata": metadata, "spec": {"list": [{"a": 1}], "b": "x", **spec}}


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (there(), True),
        (there(more=1), True),
        (there(list=[{"a": 1, "defaulted": True}]), True),
        (None, False),
        (there(annotations={}), False),
        (there(annotations={APPLIED: "older"}), False),
        (there(b="y"), False),
        (there(list=[]), False),
        (there(list=[{"a": 1}, {"a": 2}]), False),
        (there(list={"a": 1}), False),
        (there(list="text"), False),
    ],
)
def test_what_is_there_has_to_have_all_that_is_wanted(actual, expected):
    """Defaults and what others have added do not matter; what we have left out since does."""
    assert expected is is_current(WANTED, actual)


def test_the_mark_follows_what_is_applied():
    """Else a later version that leaves a field out would never apply."""
    shorter = stamped({"kind": "K", "metadata": {"name": "a"}, "spec": {"b": "x"}})
    assert WANTED["metadata"]["annotations"] != shorter["metadata"]["annotations"]
    assert not is_current(shorter, there())
