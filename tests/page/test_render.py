"""HTML, events and JSON."""

import json
from html.parser import HTMLParser

from page.render import Renderer, event
from page.snapshot import Condition, Name, Outcome, Phase
from tests.page.conftest import NOW, snapshot, wake, workload

EVIL = "<script>alert(1)</script>\" onload='x' &amp; {{ 7*7 }}"


class Elements(HTMLParser):
    """What a browser makes of it."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.ids, self.text = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_data(self, data):
        self.text.append(data)


def page_of(*workloads, **fields):
    return Elements(Renderer().render(snapshot(*workloads, **fields)).page.decode())


def test_whatever_others_say_is_text():
    """Messages quote a workload's last words, and anybody may make a TrafficHold."""
    evil = workload(
        EVIL,
        target=EVIL,
        why=EVIL,
        verdict=EVIL,
        conditions=(Condition(EVIL, "False", EVIL, EVIL),),
        wakes=(wake(reason=EVIL, scaled_by=EVIL, outcome=Outcome.FAILED),),
    )
    page = page_of(evil, notices=(EVIL,), title=EVIL, leader=EVIL, leads=False)
    plain = page_of(workload(wakes=(wake(),)))
    assert 1 == [tag for tag, _ in page.elements].count("script")
    known = {name for _, attributes in plain.elements for name in attributes}
    used = {name for _, attributes in page.elements for name in attributes}
    assert set() == {name for name in used - known if name.startswith("on")}
    assert EVIL in "".join(page.text)


def test_there_is_no_style_nor_script_within():
    """The policy forbids both, and a browser would leave them out silently."""
    page = page_of(workload(wakes=(wake(),)), workload("other", phase=Phase.WAKING))
    for tag, attributes in page.elements:
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "style"
        assert tag != "script" or {"src", "defer"} == attributes.keys()


def test_nothing_is_fetched_from_elsewhere_and_a_path_before_it_does_no_harm():
    page = page_of(workload(wakes=(wake(),)))
    links = [
        attributes.get(name)
        for _, attributes in page.elements
        for name in ("src", "href")
        if attributes.get(name)
    ]
    assert {"page.css", "page.js", "holds.json", "#main"} == set(links)


def test_ids_are_unique():
    """What changes is found by them."""
    page = page_of(
        workload(wakes=(wake(), wake(at=NOW - 600))),
        workload("other", wakes=(wake(),)),
        leads=False,
        complete=False,
    )
    assert len(page.ids) == len(set(page.ids))


def test_a_page_of_nothing_says_so():
    text = "".join(page_of().text)
    assert "No workload is held yet." in text
    assert "None has been seen yet." in text


def test_a_wake_without_stages_says_so():
    assert "Its stages are not known here." in "".join(
        page_of(workload(wakes=(wake(stages=()),))).text
    )


def test_those_left_out_are_counted():
    many = [workload(f"w{n}", phase=Phase.ZERO) for n in range(202)]
    assert "And 2 more that sleep." in "".join(page_of(*many).text)


def test_an_event_is_one_whatever_lines_it_has():
    assert b"event: page\ndata: a\ndata:  b\n\n" == event("a\n\n b\n")


def test_json_has_the_documented_fields():
    told = json.loads(Renderer().render(snapshot(workload(wakes=(wake(),)))).json)
    assert {"time", "leads", "leader", "complete", "notices", "holds"} == told.keys()
    [hold] = told["holds"]
    assert ("shop", "cart", "Warm", 0, 1, 2, 2) == tuple(
        hold[name]
        for name in (
            "namespace",
            "name",
            "phase",
            "parked",
            "inFlight",
            "replicas",
            "readyEndpoints",
        )
    )
    assert {"reason": "Busy", "message": "stays up: requests are parked or open"} == hold["sleep"]
    assert {"type", "status", "reason", "message"} == hold["conditions"][0].keys()
    assert {"name": "start", "began": 0.1, "ended": 1.0} == hold["wakes"][0]["stages"][2]


def test_json_says_null_for_what_is_not_known_and_has_all_workloads():
    many = [workload(f"w{n}", parked=None, quiet=None) for n in range(500)]
    told = json.loads(Renderer().render(snapshot(*many)).json)
    assert 500 == len(told["holds"])
    assert (None, None) == (told["holds"][0]["parked"], told["holds"][0]["lastRequestSecondsAgo"])
    assert Name("shop", "w0")[1] == told["holds"][0]["name"]
