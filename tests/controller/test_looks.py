"""Why a workload is not at zero, in words."""

import pytest

from controller.facts import Missing
from controller.looks import Look
from controller.plan import plan
from controller.sleep import Reason
from crds.condition import Accepted
from tests.controller.objects import facts
from tests.controller.plans import NOW


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason):
    said = Look(reason, 1, 1, 60.0, 2).why(13.0)
    assert said
    assert "{" not in said


def test_the_words_have_the_numbers_in_them():
    assert "put to sleep in 45 s unless a request comes" == _why(Reason.RECENT_REQUEST, 13.0)
    assert "put to sleep in 5 s unless a request comes" == _why(Reason.RECENT_REQUEST, 500.0)
    assert "put to sleep in 1 min unless a request comes" == _why(Reason.RECENT_REQUEST, None)
    assert "stays up until it has been up for 60 s" == _why(Reason.JUST_STARTED, None)
    assert "stays up: scaling.minReplicas is 2" == _why(Reason.MIN_REPLICAS, None)
    assert "" == Look(None, 1, 1, 60.0, 0).why(1.0)


def test_it_is_what_the_plan_was_made_from():
    found = facts(replicas=3, ready_endpoints=2)
    made = plan(found, NOW)
    look = Look.at(found, made)
    assert (made.reason, 3, 2) == (look.reason, look.replicas, look.ready)


def test_what_is_not_there_has_no_replicas():
    missing = Missing(Accepted.TARGET_NOT_FOUND, "there is no Deployment cart")
    found = facts(target=missing)
    assert Look.at(found, plan(found, NOW)).replicas is None


def _why(reason, quiet):
    return Look(reason, 1, 1, 60.0, 2).why(quiet)
