"""The live page, as the controllers in the mesh serve it."""

import json
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from e2e import layby
from e2e.stack.processes import until
from e2e.workloads.sleeping import WITHIN, Sleeping

STAGES = ["scale", "schedule", "start", "readiness", "endpoint", "release"]
PATIENCE = 30.0
KEEP = "LAYBY_SCREENSHOTS"
"""Set, the picture of the documentation is replaced."""


@pytest.fixture(scope="module")
def controllers(stack) -> list[str]:
    """Where the controllers are, with the page on."""
    layby.install(stack.api)
    pods = stack.api.items("v1", "Pod", layby.NAMESPACE)
    return [
        f"http://{pod['status']['podIP']}:{layby.PAGE_PORT}"
        for pod in pods
        if "controller" in pod["metadata"]["name"] and not pod["metadata"].get("deletionTimestamp")
    ]


@pytest.fixture
def leader(controllers) -> str:
    """The page of the one that leads."""
    assert until(lambda: any(told(each)["leads"] for each in controllers), PATIENCE)
    return next(each for each in controllers if told(each)["leads"])


@pytest.fixture
def web(stack, apply, namespace, host):
    """Deploy `web` at zero with a TrafficHold, reached through the gateway."""
    return Sleeping(stack, apply, namespace, host)


def told(url: str) -> dict:
    with urllib.request.urlopen(f"{url}/holds.json", timeout=PATIENCE) as answer:
        return json.load(answer)


def hold(url: str, namespace: str) -> dict:
    return next((each for each in told(url)["holds"] if each["namespace"] == namespace), {})


@contextmanager
def looking_on(url: str):
    """The events, as text."""

    def events(stream) -> Iterator[str]:
        lines: list[str] = []
        for line in stream:
            if line.strip():
                lines.append(line.decode())
            else:
                yield "".join(lines)
                lines = []

    with urllib.request.urlopen(f"{url}/live", timeout=PATIENCE) as stream:
        yield events(stream)


def test_phases_and_the_waterfall_of_a_cold_start_come_by_themselves(
    stack, leader, web, namespace, host
):
    """From zero to warm and back, all of it seen by one who only looks on."""
    web(spec={"idle": {"after": "3s"}})
    row = f'id="hold-{namespace}.web" data-phase="'
    seen: list[str] = []

    def see(events, phase):
        for event in events:
            if row in event:
                found = event.split(row)[1].split('"')[0]
                if not seen or seen[-1] != found:
                    seen.append(found)
                if found == phase:
                    return event
        pytest.fail(f"the events ended before {phase}: {seen}")

    with looking_on(leader) as events:
        see(events, "Zero")
        assert 200 == stack.gateway.get(host).status
        see(events, "Warm")
        assert until(lambda: 6 == len(hold(leader, namespace)["wakes"][0]["stages"]), WITHIN)
        see(events, "Zero")
    assert ["Zero", "Warm"] == [each for each in seen if each in {"Zero", "Warm"}][-3:][:2]
    found = hold(leader, namespace)
    wake = found["wakes"][0]
    assert ("Succeeded", "layby") == (wake["outcome"], wake["scaledBy"])
    assert STAGES == [stage["name"] for stage in wake["stages"]]
    assert wake["stages"][-1]["ended"] == pytest.approx(wake["seconds"], abs=0.01)
    assert ("AlreadyZero", "Deployment web", 0) == (
        found["sleep"]["reason"],
        found["target"],
        found["replicas"],
    )


def test_a_follower_shows_what_it_knows_and_says_who_leads(
    stack, controllers, leader, web, namespace
):
    """Whoever forwards a port to the Deployment gets either of them."""
    web()
    follower = next(each for each in controllers if each != leader)
    assert until(lambda: hold(follower, namespace).get("phase") == "Zero", WITHIN)
    said = told(follower)
    assert not said["leads"]
    pods = [pod["metadata"]["name"] for pod in stack.api.items("v1", "Pod", layby.NAMESPACE)]
    assert said["leader"]
    assert any(said["leader"] in f"{name} {os.uname().nodename}" for name in pods)
    assert (None, None) == (
        hold(follower, namespace)["replicas"],
        hold(follower, namespace)["sleep"]["reason"],
    )
    with urllib.request.urlopen(follower, timeout=PATIENCE) as answer:
        assert "This controller does not lead" in answer.read().decode()


def test_why_it_is_not_held_is_the_conditions_own_message(leader, apply, namespace):
    """It is what the user has to act on."""
    made = {
        "apiVersion": "layby.dev/v1alpha1",
        "kind": "TrafficHold",
        "metadata": {"name": "web"},
        "spec": {"targetRef": {"name": "nobody"}},
    }
    apply([made])
    assert until(lambda: hold(leader, namespace).get("conditions"), WITHIN)
    accepted = next(c for c in hold(leader, namespace)["conditions"] if c["type"] == "Accepted")
    assert ("False", "TargetNotFound") == (accepted["status"], accepted["reason"])
    with urllib.request.urlopen(leader, timeout=PATIENCE) as answer:
        assert accepted["message"] in answer.read().decode()


def test_the_waterfall_is_drawn(stack, leader, web, host, namespace, tmp_path):
    """In a browser, with all of its stages."""
    chromium = shutil.which("chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    if chromium is None:
        pytest.skip("there is no chromium")
    web("--delay", "1.5")
    assert 200 == stack.gateway.get(host).status
    assert until(lambda: 6 == len(hold(leader, namespace)["wakes"][0]["stages"]), WITHIN)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        page.goto(leader)
        details = page.locator(f'[id="wakes-{namespace}.web"]')
        details.evaluate("each => each.open = true")
        assert STAGES == details.locator(".fall").first.locator("tbody th").all_inner_texts()
        path = tmp_path / "waterfall.png"
        details.screenshot(path=path)
        if os.environ.get(KEEP):
            shutil.copy(path, layby.ROOT / "docs" / "images" / path.name)
        browser.close()
