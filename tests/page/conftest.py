"""Snapshots, a real Chromium, and `layby local` as a person runs it."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.address import free_port
from local.envoy import EnvoyError, find_envoy
from page.snapshot import Condition, Name, Outcome, Phase, Snapshot, Stage, Wake, Workload

ROOT = Path(__file__).parents[2]
SLOW = ROOT / "local" / "samples" / "slow.py"
REQUIRED = "LAYBY_BROWSER_REQUIRED"
NOW = 1_800_000_000.0


def wake(**fields):
    """A cold start of 2.4 s that went well, a minute ago."""
    stages = (
        Stage("scale", 0.0, 0.05),
        Stage("schedule", 0.05, 0.1),
        Stage("start", 0.1, 1.0),
        Stage("readiness", 1.0, 2.0),
        Stage("endpoint", 2.0, 2.2),
        Stage("release", 2.2, 2.4),
    )
    given: dict[str, Any] = {
        "at": NOW - 60,
        "seconds": 2.4,
        "outcome": Outcome.SUCCEEDED,
        "stages": stages,
        "scaled_by": "layby",
    }
    return Wake(**given | fields)


def workload(name="cart", **fields):
    """A workload that is warm."""
    given: dict[str, Any] = {
        "target": f"Deployment {name}",
        "phase": Phase.WARM,
        "parked": 0,
        "in_flight": 1,
        "rate": 2.5,
        "replicas": 2,
        "ready": 2,
        "quiet": 3.0,
        "verdict": "Busy",
        "why": "stays up: requests are parked or open",
        "conditions": (Condition("Accepted", "True", "Accepted", "holds cart"),),
    }
    return Workload(name=Name("shop", name), **given | fields)


def snapshot(*workloads, **fields):
    """All there is to show."""
    given: dict[str, Any] = {"at": NOW, "title": "a test"}
    return Snapshot(**given | fields, workloads=workloads)


@pytest.fixture
def lacking():
    """Skip a test for want of something, or fail it where nothing may be wanting."""
    return pytest.fail if os.environ.get(REQUIRED) else pytest.skip


@pytest.fixture
async def browser(lacking):
    """The Chromium that is installed."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        lacking("there is no chromium")
    try:
        from playwright.async_api import async_playwright  # noqa: PLC0415 - it may be missing
    except ImportError:
        lacking("there is no playwright")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield chromium
        await chromium.close()


@pytest.fixture
def configuration(tmp_path):
    """Three workloads: quick, one that takes until the file `open` is there, and one that fails."""
    gated = (
        "import os, subprocess, sys, time\n"
        f"while not os.path.exists({str(tmp_path / 'open')!r}): time.sleep(0.02)\n"
        f"os.execv(sys.executable, [sys.executable, {str(SLOW)!r}, '0.2'])\n"
    )
    broken = "import sys; sys.exit('no such file: <script>alert(1)</script> secret.yaml')"
    commands = {
        "cart": [sys.executable, str(SLOW), "0.4"],
        "search": [sys.executable, "-c", gated],
        "reports": [sys.executable, "-c", broken],
    }
    port = free_port()
    document = {
        "listen": f"127.0.0.1:{port}",
        "drain": 0,
        "workloads": [
            {"name": name, "command": command, "prefixes": [f"/{name}"], "idle": {"after": 600}}
            for name, command in commands.items()
        ],
    }
    path = tmp_path / "layby.yaml"
    path.write_text(yaml.safe_dump(document))
    return path, port


@pytest.fixture
def envoy(lacking):
    """Find an Envoy."""
    try:
        return find_envoy()
    except EnvoyError as error:
        return lacking(str(error))
