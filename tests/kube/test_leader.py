import asyncio

import pytest

from kube.errors import ForbiddenError, unreachable
from kube.resource import LEASES
from tests.kube.candidate import PATH, TERM, Candidate
from tests.kube.fake_api import CUT, FakeAnswer, status

pytestmark = pytest.mark.looptime

LOST = unreachable("Timeout", TimeoutError())


@pytest.fixture
def acting():
    """Who acts at the moment."""
    return []


@pytest.fixture
async def start(api, acting):
    """Start candidates, and end them after the test."""
    started = []

    def start(name):
        started.append(Candidate(api, name, acting))
        return started[-1]

    yield start
    api.down = api.hangs = False
    for candidate in started:
        await candidate.stop()
    assert [] == acting


def holder(api):
    return api.objects[PATH]["spec"]["holderIdentity"]


async def test_the_first_one_leads_at_once_and_renews(api, acting, start):
    """Nothing to wait for: nobody else was there."""
    start("a")
    await asyncio.sleep(0.01)
    assert ["a"] == acting
    assert "a" == holder(api)
    await asyncio.sleep(60)
    assert ["a"] == acting
    assert 28 <= api.verbs().count("update") <= 30
    assert 0 == api.objects[PATH]["spec"]["leaseTransitions"]


async def test_others_stand_by_without_a_request(api, acting, start):
    """They watch; they need not ask every two seconds."""
    start("a")
    await asyncio.sleep(1)
    start("b")
    await asyncio.sleep(100)
    assert ["a"] == acting
    assert {"get": 2, "watch": 1} == {verb: api.verbs().count(verb) for verb in ("get", "watch")}


async def test_a_leader_that_stops_lets_the_next_one_act_at_once(api, acting, start):
    """An upgrade is no outage. The lease is released when all is done, and not before."""
    a, b = start("a"), start("b")
    a.cleanup = 1.0
    await asyncio.sleep(5)
    await a.stop()
    await asyncio.sleep(0.5)
    assert ["b"] == acting
    assert 1 == b.most
    assert 1 == api.objects[PATH]["spec"]["leaseTransitions"]


async def test_a_leader_that_is_gone_is_followed_when_its_lease_is_over(api, acting, start):
    """Not before, for it may be there, and only not be heard."""
    a, b = start("a"), start("b")
    await asyncio.sleep(5)
    api.next_is("update", CUT)
    a.leader._claim = None
    await a.stop()
    await asyncio.sleep(12)
    assert [] == acting
    await asyncio.sleep(4)
    assert ["b"] == acting
    assert b.leader.leading


async def test_a_leader_that_cannot_renew_stops_before_another_may_act(api, acting, start):
    """The API server is away, for both: whoever sees it again first leads."""
    a = start("a")
    await asyncio.sleep(5)
    a.cleanup = 2.0
    api.down = True
    api.cut()
    await asyncio.sleep(7)
    assert a.leader.leading
    await asyncio.sleep(13)
    assert [] == acting
    assert not a.leader.leading
    (begun, ended) = a.times[0]
    assert begun == 0
    assert ended <= 4 + TERM.act_seconds + a.cleanup
    a.cleanup = 0.0
    api.down = False
    await asyncio.sleep(5)
    assert ["a"] == acting


async def test_a_short_outage_changes_nothing(api, acting, start):
    """An API server is restarted in seconds."""
    a = start("a")
    await asyncio.sleep(5)
    api.down = True
    await asyncio.sleep(5)
    api.down = False
    await asyncio.sleep(20)
    assert ["a"] == acting
    assert [] == a.times


async def test_a_server_that_does_not_answer_is_as_good_as_away(api, acting, start):
    """The lease runs out all the same."""
    a = start("a")
    await asyncio.sleep(5)
    api.hangs = True
    await asyncio.sleep(12)
    assert [] == acting
    assert a.times[0][1] <= 4 + TERM.act_seconds
    api.hangs = False
    await asyncio.sleep(10)
    assert ["a"] == acting


async def test_a_lease_that_is_another_s_ends_it_at_once(api, acting, start):
    """It was taken from us, by rights or by hand."""
    a = start("a")
    await asyncio.sleep(5)
    api.put(
        LEASES, {**api.objects[PATH], "spec": {"holderIdentity": "x", "leaseDurationSeconds": 9}}
    )
    await asyncio.sleep(2.5)
    assert [] == acting
    assert "x" == holder(api)
    await asyncio.sleep(11)
    assert ["a"] == acting
    assert 1 == len(a.times)


async def test_a_lease_that_is_deleted_is_made_anew(api, acting, start):
    """Whoever it is that makes it leads: that is no reason to go on, only to try."""
    start("a")
    start("b")
    await asyncio.sleep(5)
    api.remove(LEASES, api.objects[PATH])
    await asyncio.sleep(4)
    assert 1 == len(acting)
    assert acting == [holder(api)]


async def test_a_lease_that_is_annotated_is_still_ours(api, acting, start):
    """Somebody looked at it, and left a note."""
    a = start("a")
    await asyncio.sleep(5)
    api.put(LEASES, api.objects[PATH])
    await asyncio.sleep(20)
    assert ["a"] == acting
    assert [] == a.times


async def test_a_renewal_whose_answer_is_lost_is_found_out_about(api, acting, start):
    """It was carried out: the version is another, but the holder is us."""
    a = start("a")
    await asyncio.sleep(1)
    api.put(LEASES, api.objects[PATH])
    api.next_is("update", LOST)
    await asyncio.sleep(20)
    assert ["a"] == acting
    assert [] == a.times


async def test_a_renewal_that_is_cut_off_by_the_end_does_not_keep_the_lease(api, start):
    """The lease is released all the same, whichever of the two came first."""
    a = start("a")
    await asyncio.sleep(1)
    api.put(LEASES, api.objects[PATH])
    await a.stop()
    assert "" == holder(api)


async def test_a_lease_that_was_taken_meanwhile_is_not_released(api, start):
    """It is another's now, who would stop for nothing."""
    a = start("a")
    await asyncio.sleep(1)
    api.put(LEASES, {**api.objects[PATH], "spec": {"holderIdentity": "x"}})
    await a.stop()
    assert "x" == holder(api)


async def test_two_that_begin_at_once_agree(acting, start):
    """The API server grants one of them the object."""
    candidates = [start(name) for name in "abcde"]
    await asyncio.sleep(5)
    assert 1 == len(acting)
    assert {1, 0} == {candidate.most for candidate in candidates}


async def test_the_succession_goes_through_all(acting, start):
    """And never two at a time."""
    candidates = {name: start(name) for name in "abc"}
    for _ in range(3):
        await asyncio.sleep(2)
        (name,) = acting
        await candidates[name].stop()
    assert {1} == {candidate.most for candidate in candidates.values()}


async def test_when_the_body_ends_so_does_leading(api, start):
    """A command that leads for one task; the lease is free again."""
    a = start("a")
    await asyncio.sleep(5)
    a.end.set()
    await a.task
    assert "" == holder(api)
    assert "<Leader a of Key(namespace='layby', name='controller'): None>" == repr(a.leader)


@pytest.mark.parametrize("error", [ValueError("bug"), TimeoutError("of its own")])
async def test_an_error_of_the_body_is_not_swallowed(api, start, error):
    """Not even one that looks like the end of the lease. Another process may be luckier."""
    a = start("a")
    a.error = error
    await asyncio.sleep(5)
    a.end.set()
    with pytest.raises(ExceptionGroup) as caught:
        await a.task
    assert (error,) == caught.value.exceptions
    assert "" == holder(api)


async def test_a_server_that_is_gone_does_not_hold_up_the_end(api, start, looptime):
    """The kubelet counts; the lease runs out by itself."""
    a = start("a")
    await asyncio.sleep(5)
    api.hangs = True
    await a.stop()
    assert looptime == pytest.approx(7, abs=0.2)


async def test_what_is_forbidden_is_said_once(api, acting, start, caplog):
    """A missing role is a mistake of an installation, seen in the log and not in a flood."""
    refused = [FakeAnswer(403, status(403, "Forbidden", "no")) for _ in range(20)]
    api.next_is("get", *refused)
    start("a")
    await asyncio.sleep(10)
    assert [] == acting
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert 1 == len(warnings)
    assert ForbiddenError.__name__ in warnings[0].message
    await asyncio.sleep(40)
    assert ["a"] == acting
