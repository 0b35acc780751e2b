import asyncio
from contextlib import aclosing

import pytest

from kube.client import Listing
from kube.errors import GoneError, KubeError, UnreachableError
from kube.resource import PODS, Selection
from kube.watch import Event, Kind, Pace, follow
from tests.kube.fake_api import CUT, FakeAnswer, status

pytestmark = pytest.mark.looptime

SHOP = Selection(PODS, "shop", "app=cart", "spec.nodeName=x")
PACE = Pace(watch_seconds=300, silence_seconds=90, page_size=2)


def pod(name, version="1"):
    return {"metadata": {"namespace": "shop", "name": name, "resourceVersion": version}}


def listed(version, *names):
    items = [pod(name) for name in names]
    return FakeAnswer(200, {"items": items, "metadata": {"resourceVersion": version}})


class Following:
    """What `follow` has told so far, while it goes on."""

    def __init__(self, kube, pace=PACE):
        self.told = []
        self.failures = []
        self._task = asyncio.create_task(self._run(kube, pace))

    async def _run(self, kube, pace):
        async with aclosing(follow(kube, SHOP, pace)) as happenings:
            async for happening in happenings:
                match happening:
                    case Listing():
                        self.told.append([item["metadata"]["name"] for item in happening.items])
                    case Event(kind, item):
                        self.told.append((kind.value, item["metadata"].get("name")))
                    case KubeError():
                        self.failures.append(happening.reason)

    async def stop(self):
        """End it, as a cancelled informer does."""
        self._task.cancel()
        await asyncio.wait([self._task])


@pytest.fixture
async def following(api):
    """Follow the pods of one shop."""
    following = Following(api.kube)
    yield following
    await following.stop()


async def test_it_lists_and_then_watches_from_there(api):
    """With bookmarks, and a time at which the server shall end it."""
    api.next_is("list", listed("7", "a"))
    following = Following(api.kube)
    await asyncio.sleep(0.01)
    api.watches[0].say("MODIFIED", pod("a", "8"))
    api.watches[0].say("DELETED", pod("a", "9"))
    await asyncio.sleep(0.01)
    assert [["a"], ("BEGUN", None), ("MODIFIED", "a"), ("DELETED", "a")] == following.told
    listing, watching = api.asked
    selectors = {"labelSelector": "app=cart", "fieldSelector": "spec.nodeName=x"}
    assert {**selectors, "limit": "2"} == listing.query
    seconds = int(watching.query["timeoutSeconds"])
    assert 240 <= seconds <= 360
    assert {
        **selectors,
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "7",
        "timeoutSeconds": str(seconds),
    } == watching.query
    assert seconds < watching.timeout_seconds + 1 < seconds + 20
    assert 90 == watching.silence_seconds
    await following.stop()


async def test_a_watch_that_ends_is_gone_on_with_at_once(api, following):
    """From the last thing heard, be it a bookmark: nothing is listed again."""
    await asyncio.sleep(60)
    api.watches[0].say("BOOKMARK", pod("", "50"))
    api.watches[0].end()
    await asyncio.sleep(0.01)
    assert ["list", "watch", "watch"] == api.verbs()
    assert "50" == api.asked[-1].query["resourceVersion"]
    assert [] == following.failures


async def test_a_watch_that_is_cut_is_gone_on_with_soon(api, following):
    """In the middle of a line, too: what is half told will be told again."""
    await asyncio.sleep(0.01)
    api.watches[0].say("ADDED", pod("a", "8"))
    api.watches[0].raw(b'{"type": "ADDED", "obj')
    api.watches[0].end(CUT)
    await asyncio.sleep(0.2)
    assert ["list", "watch", "watch"] == api.verbs()
    assert "8" == api.asked[-1].query["resourceVersion"]
    assert [CUT.reason] == following.failures
    api.watches[-1].say("ADDED", pod("b", "9"))
    await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert [("ADDED", "a"), ("BEGUN", None), ("ADDED", "b")] == following.told[-3:]


async def test_a_watch_without_a_word_is_given_up_for_another(api, following):
    """The other side may be gone without a packet to say so; or there was nothing to say."""
    await asyncio.sleep(60)
    api.watches[0].say("BOOKMARK", pod("", "50"))
    await asyncio.sleep(85)
    assert 1 == len(api.watches)
    await asyncio.sleep(6)
    assert 2 == len(api.watches)
    assert api.watches[0].closed
    assert "50" == api.asked[-1].query["resourceVersion"]
    assert [] == following.failures, "in a quiet cluster that is no news"


async def test_silence_of_a_server_that_is_gone_is_a_failure(api, following):
    """It is the next watch that tells."""
    await asyncio.sleep(1)
    api.down = True
    await asyncio.sleep(91)
    assert ["Unreachable"] == list(dict.fromkeys(following.failures))


@pytest.mark.parametrize("place", ["answer", "event"])
async def test_a_version_too_old_means_listing_again(api, following, place):
    """The server says so at once, or in the middle of the watch."""
    gone = status(410, "Expired", "too old resource version")
    await asyncio.sleep(0.01)
    if place == "answer":
        api.next_is("watch", FakeAnswer(410, gone))
        api.watches[0].end()
    else:
        api.watches[0].say("ERROR", gone)
    api.next_is("list", listed("99", "z"))
    await asyncio.sleep(0.5)
    assert ["Expired"] == following.failures
    assert [["z"], ("BEGUN", None)] == following.told[-2:]
    assert "99" == api.asked[-1].query["resourceVersion"]


async def test_pages_too_old_are_replaced_by_one_list_without(api):
    """A slow reader of many pages would otherwise begin again for ever."""
    page = {"items": [pod("a")], "metadata": {"continue": "x", "resourceVersion": "7"}}
    api.next_is("list", FakeAnswer(200, page))
    api.next_is("list", FakeAnswer(410, status(410, "Expired")))
    api.next_is("list", listed("9", "a", "b", "c"))
    following = Following(api.kube)
    await asyncio.sleep(0.01)
    assert ["a", "b", "c"] == following.told[0]
    assert "limit" not in api.asked[2].query
    assert "continue" not in api.asked[2].query
    await following.stop()


async def test_an_outage_is_waited_for_with_growing_patience(api):
    """A server that comes back must not meet everyone who has waited for it at once."""
    api.down = True
    following = Following(api.kube)
    await asyncio.sleep(120)
    assert 15 < len(following.failures) < 35
    api.down = False
    api.next_is("list", listed("7", "a"))
    await asyncio.sleep(10)
    assert [["a"], ("BEGUN", None)] == following.told
    api.cut()
    await asyncio.sleep(0.2)
    assert ("BEGUN", None) == following.told[-1], "a long life ends all earlier patience"
    await following.stop()


async def test_a_watch_that_ends_as_it_begins_is_not_begun_over_and_over(api, following):
    """A proxy in between may think that an answer of an hour is a mistake."""
    for _ in range(100):
        api.next_is("watch", FakeAnswer(200, b""))
    await asyncio.sleep(30)
    assert api.verbs().count("watch") < 15
    assert [] == following.failures


async def test_a_version_that_never_works_is_given_up(api, following):
    """After a restore from a backup it is one of the future, and no error says so."""
    await asyncio.sleep(0.01)
    too_large = status(504, "Timeout", "Too large resource version")
    for _ in range(5):
        api.next_is("watch", FakeAnswer(504, too_large))
    api.cut()
    await asyncio.sleep(30)
    assert 2 == api.verbs().count("list")
    assert ("BEGUN", None) == following.told[-1]


@pytest.mark.parametrize(
    "line", [b"<html>\n", b"[]\n", b"{}\n", b'{"type": "NEWS", "object": {}}\n']
)
async def test_a_line_that_is_no_event_is_taken_for_a_broken_connection(api, following, line):
    """Whatever is in between, it must not end the informer."""
    await asyncio.sleep(0.01)
    api.watches[0].raw(line)
    await asyncio.sleep(0.2)
    assert ["Garbled"] == following.failures
    assert 2 == len(api.watches)


async def test_stopping_closes_what_is_open(api, following):
    """A watch that nobody reads costs the server memory."""
    await asyncio.sleep(0.01)
    await following.stop()
    assert api.watches[0].closed


def test_the_errors_are_told_apart():
    """The one is answered by a list, the other by patience."""
    assert issubclass(GoneError, KubeError)
    assert not issubclass(UnreachableError, GoneError)
    assert "8" == Event(Kind.ADDED, pod("a", "8")).version
