from typing import Any

from crds.v1alpha1 import TrafficHold
from extproc.mesh.reading import Reader, says_the_same, trim
from kube.resource import key_of
from tests.extproc.mesh.objects import REFUSED, hold, meta

ACCEPTED = {**REFUSED["conditions"][0], "status": "True", "reason": "Accepted"}
BUSY = {
    "phase": "Waking",
    "pending": 7,
    "observedGeneration": 3,
    "lastRequestTime": "2026-01-01T00:00:00Z",
    "conditions": [
        {**ACCEPTED, "message": "other words", "observedGeneration": 3},
        {**ACCEPTED, "type": "Ready", "reason": "Ready"},
    ],
}
QUIET = {"conditions": [ACCEPTED]}
OWNED: dict[str, Any] = {"managedFields": [{}], "annotations": {"a": "b"}, "resourceVersion": "9"}


def read(reader, *items):
    """Read objects as a watch has them."""
    return reader.read({key_of(item): trim(item) for item in items})


def test_what_a_controller_writes_all_the_time_makes_no_difference():
    """There may be thousands of holds, and a write for each wake of each."""
    busy = {**hold(status=BUSY), "metadata": meta("cart", **OWNED)}
    assert says_the_same(trim(busy), trim(hold(status=QUIET)))


def test_what_requests_depend_on_makes_a_difference():
    """The spec, whether it is accepted, and which Services were found."""
    was = trim(hold(status=QUIET))
    for other in (
        hold(status=QUIET, hold={"timeout": "90s"}),
        hold(status=REFUSED),
        hold(status={**QUIET, "services": [{"name": "cart"}]}),
        hold(),
    ):
        assert not says_the_same(was, trim(other))
    assert not says_the_same(None, was)
    assert not says_the_same(was, None)


def test_what_is_kept_of_a_hold_is_read_as_the_hold_itself():
    """As far as it is looked at: a condition that is cut too short would be no condition."""
    item = hold(status={**BUSY, "services": [{"name": "cart"}]})
    whole = TrafficHold.parse(item)
    [kept] = read(Reader(), item)
    assert whole.spec == kept.spec
    assert whole.status.services == kept.status.services
    assert [("Accepted", "True", "Accepted")] == [
        (condition.type, condition.status, condition.reason) for condition in kept.status.conditions
    ]


def test_only_what_has_changed_is_parsed_again():
    """Parsing is nine tenths of what a change costs, and a hold server has requests to hold."""
    reader = Reader()
    cart, book = read(reader, hold("cart"), hold("book"))
    again, changed = read(reader, hold("cart", status={"pending": 1}), hold("book", dryRun=True))
    assert again is cart
    assert changed is not book
    assert changed.spec.dry_run
    assert [] == read(reader)


def test_what_cannot_be_read_is_left_out_and_logged_once(caplog):
    """It may have been written with a later schema; each rebuild would say it again."""
    broken = {**hold("broken"), "spec": {"targetRef": {"name": 1}}}
    reader = Reader()
    for _ in range(3):
        assert ["cart"] == [each.metadata.name for each in read(reader, broken, hold("cart"))]
    assert 1 == caplog.text.count("left out: TrafficHold shop/broken")
    assert 2 == len(read(reader, hold("broken"), hold("cart")))
