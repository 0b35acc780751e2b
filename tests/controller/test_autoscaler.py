from dataclasses import replace

import pytest

from controller.autoscaler import Write
from controller.facts import Keda
from controller.plan import plan
from controller.scaled_object import ScaledObject
from controller.steps import Removal
from crds.condition import ScalerReady
from kube.resource import SCALED_OBJECTS
from tests.controller.objects import (
    facts,
    read_hold,
    read_scaled_object,
)
from tests.controller.plans import (
    DIRECT,
    GONE,
    IDLE,
    LATER,
    LEFT,
    NOW,
    WINNER,
    merged,
    reasons,
    settled,
    told,
)
from tests.controller.scaled import (
    ADVICE,
    DRY,
    ENDING,
    HIDDEN,
    KEY,
    NEVER,
    NO_SERVICE,
    OTHER_S,
    PENDING,
    THERE,
    adopted,
    our,
    says,
    stamped,
    user_s,
    writes,
)

STEADY = {
    "ours": stamped(demand=IDLE),
    "ours, asleep": stamped(replicas=0, ready_endpoints=0, demand=IDLE),
    "ours, that never sleeps": stamped(hold=NEVER, demand=IDLE),
    "ours, which others have added to": replace(
        stamped(), scaled_objects=(our(), read_scaled_object("x", target="x"))
    ),
    "not looked at by KEDA": settled(facts(**THERE)),
    "adopted": adopted(demand=IDLE),
    "adopted, but paused": adopted(of={"annotations": {"autoscaling.keda.sh/paused": "true"}}),
    "two of a user's": facts(
        **THERE, scaled_objects=(read_scaled_object(), read_scaled_object("b"))
    ),
    "a user's, and Direct": facts(**LEFT),
    "a dry run": facts(**user_s(), hold=DRY),
    "not held yet": facts(**THERE, **PENDING),
    "hidden for good": replace(stamped(), **HIDDEN),
    "lost": facts(**user_s(), loss=WINNER),
    "not known yet": facts(keda=Keda.UNSEEN, demand=IDLE),
}


@pytest.mark.parametrize("before", STEADY.values(), ids=STEADY)
def test_steady_state_writes_nothing(before):
    """KEDA begins anew with each change of a ScaledObject."""
    after = settled(settled(before))
    assert plan(after, LATER).is_empty


def test_where_keda_is_it_gets_a_scaled_object_and_the_finalizer_comes_first():
    """From then on KEDA may put the workload to sleep at any moment."""
    made = plan(facts(**THERE, demand=IDLE), NOW)
    assert [("layby-cart", False)] == writes(made)
    assert (True, None) == (made.finalizer, made.scale)
    assert ScalerReady.SCALED_OBJECT_PENDING == reasons(made)["ScalerReady"]
    assert [] == told(made), "it takes its time, which is no news"


@pytest.mark.parametrize(
    ("presence", "mode", "expected"),
    [
        (Keda.ABSENT, "Auto", ScalerReady.DIRECT),
        (Keda.ABSENT, "Direct", ScalerReady.DIRECT),
        (Keda.ABSENT, "KEDA", ScalerReady.KEDA_NOT_INSTALLED),
        (Keda.UNSEEN, "Auto", ScalerReady.SCALED_OBJECT_PENDING),
        (Keda.UNSEEN, "Direct", ScalerReady.SCALED_OBJECT_PENDING),
        (Keda.OFF, "Auto", ScalerReady.DIRECT),
        (Keda.OFF, "Direct", ScalerReady.DIRECT),
        (Keda.OFF, "KEDA", ScalerReady.KEDA_DISABLED),
        (Keda.THERE, "Auto", ScalerReady.KEDA),
        (Keda.THERE, "Direct", ScalerReady.DIRECT),
        (Keda.THERE, "KEDA", ScalerReady.KEDA),
    ],
)
def test_who_scales(presence, mode, expected):
    """And only where it is Layby, Layby puts the workload to sleep."""
    hold = read_hold(spec={"scaling": {"mode": mode}})
    there = (stamped(hold=hold).scaled_objects) if expected is ScalerReady.KEDA else ()
    made = plan(facts(keda=presence, hold=hold, scaled_objects=there, demand=IDLE), NOW)
    assert expected == reasons(made)["ScalerReady"]
    assert (expected is ScalerReady.DIRECT) is (made.scale is not None)


@pytest.mark.parametrize(
    "change", [{"hold": DIRECT}, {"hold": DRY}, NO_SERVICE, {"target": GONE}, {"loss": WINNER}]
)
def test_ours_goes_when_it_is_not_wanted(change):
    """By its uid: another one of that name is another's. The finalizer stays until it is gone."""
    before = replace(stamped(), has_finalizer=True, **change)
    made = plan(before, NOW)
    assert Removal(KEY, "uid-of-ours", SCALED_OBJECTS) in made.delete
    assert ([], None) == (writes(made), made.finalizer)
    is_held = change == {"hold": DIRECT}
    expected = None if is_held else False
    assert expected is plan(replace(before, scaled_objects=()), NOW).finalizer


@pytest.mark.parametrize(
    ("change", "replicas"),
    [({"hold": DRY}, 1), (NO_SERVICE, 1), ({"loss": WINNER}, None), ({"hold": DIRECT}, None)],
)
def test_what_sleeps_by_keda_is_roused_when_nothing_would_wake_it(change, replicas):
    """And the finalizer stays, for KEDA may be in the middle of putting it to sleep again."""
    zero = {"replicas": 0, "ready_endpoints": 0, "has_finalizer": True, "demand": IDLE}
    before = replace(stamped(), **{**zero, **change})
    made = plan(before, NOW)
    assert replicas == (made.scale.desired if made.scale else None)
    assert made.finalizer is None


@pytest.mark.parametrize(
    ("there", "text"),
    [
        (read_scaled_object(**ENDING), "ScaledObject cart is being deleted"),
        (our(**ENDING), "ScaledObject layby-cart is being deleted"),
        (our(**OTHER_S), "ScaledObject layby-cart has to go first"),
        (our(**OTHER_S, name="layby-b"), "ScaledObject layby-b has to go first"),
        (our(name="layby-old"), "ScaledObject layby-old has to go first"),
        (read_scaled_object("layby-cart", target="other"), "rename it"),
    ],
)
def test_what_is_in_the_way_is_waited_for(there, text):
    """It has a name or a target that there can be one of only."""
    made = plan(facts(**THERE, scaled_objects=(there,), has_finalizer=True), NOW)
    assert [] == writes(made)
    assert text in says(made)
    assert [] == [each for each in made.delete if each.key.name != "layby-old"]


@pytest.mark.parametrize(
    "there", [read_scaled_object("x", target="x"), our(**OTHER_S), *adopted().scaled_objects]
)
def test_what_is_not_ours_is_left_alone(there):
    """Neither the label alone makes it ours, nor the target; nor does what another has adopted."""
    stranger = read_hold("stranger", spec={"dryRun": True})
    made = plan(facts(**THERE, hold=stranger, scaled_objects=(there,)), NOW)
    assert ((), []) == (made.delete, writes(made))


@pytest.mark.parametrize(
    "base", [facts(**THERE), facts(**user_s()), replace(adopted(), hold=DIRECT)]
)
def test_what_was_refused_is_told_and_left_for_a_while(base):
    """In the words of whoever refused it. What has changed since is tried at once."""
    (write,) = plan(base, NOW).write
    refused = replace(base, rejections={write.digest: "already managed by the hpa 'x'"})
    made = plan(refused, NOW)
    assert [] == writes(made)
    assert ScalerReady.SCALED_OBJECT_REJECTED == reasons(made)["ScalerReady"]
    assert f"ScaledObject {write.key.name}: already managed by the hpa 'x'" == says(made)
    assert made.scale is None
    if base.hold != DIRECT:
        other = read_hold(spec={"scaling": {"target": {"concurrency": 7}}})
        assert 1 == len(plan(replace(refused, hold=other), NOW).write)


def test_the_same_change_has_the_same_digest_at_every_version():
    """KEDA writes its polls into the object, and what was refused still is."""
    one, other = (
        plan(facts(**user_s(resourceVersion=version)), NOW).write[0] for version in ("1", "2")
    )
    assert isinstance(one, Write)
    assert one.digest == other.digest
    assert one.body != other.body


def test_ours_that_somebody_has_changed_is_put_right():
    """By its mark too, without which what we no longer want would stay."""
    before = stamped()
    (ours,) = before.scaled_objects
    changed = merged(ours.item, {"spec": {"minReplicaCount": 3}})
    after = replace(before, scaled_objects=(ScaledObject.read(changed),))
    assert [("layby-cart", False)] == writes(plan(after, NOW))


@pytest.mark.parametrize(
    ("change", "floor"),
    [
        ({}, 0),
        (PENDING, 0),
        (HIDDEN, 1),
        (ADVICE, 1),
        ({**HIDDEN, "replicas": 0, "ready_endpoints": 0}, 0),
        ({"hold": NEVER}, 2),
        ({"hold": NEVER, **HIDDEN}, 2),
    ],
)
def test_what_is_not_held_for_good_is_kept_up(change, floor):
    """As Layby itself would. What sleeps sleeps on, and a proxy that has just come is no matter."""
    made = settled(facts(**{**THERE, "scaled_objects": (our(floor=7),), **change}))
    assert floor == made.scaled_objects[0].floor


@pytest.mark.parametrize("change", [PENDING, HIDDEN, ADVICE])
def test_no_scaled_object_is_made_before_requests_are_held(change):
    """KEDA would put the workload to sleep, and they would get 503. One that never sleeps may."""
    made = plan(facts(**THERE, **change), NOW)
    assert [] == writes(made)
    assert "see Attached" in says(made)
    assert [("layby-cart", False)] == writes(plan(facts(**THERE, **change, hold=NEVER), NOW))
