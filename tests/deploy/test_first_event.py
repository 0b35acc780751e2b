"""The first event of its kind, from the pages that Prometheus reads to what a dashboard says of it.

`promtool` evaluates the dashboards' own queries over the pages of a workload that has been quiet.
"""

import asyncio
import json
from collections import defaultdict

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as parsed

from deploy.generate import CHART
from extproc.core.backend import Ticket
from extproc.core.outcome import Cause, Outcome, Verdict
from extproc.core.workload import Chance, WorkloadKey
from telemetry.app import Telemetry
from telemetry.catalogue import controlling, holding
from telemetry.cold_start import Mark, Winner
from telemetry.exposition import Exposition
from telemetry.settings import TraceSettings

CART = WorkloadKey("shop", "cart", "http")
HOLD = CART.without_port
OF_HOLD = '{namespace="shop", name="cart"}'
SECONDS = 15
"""Between two scrapes."""
BEFORE, AFTER = 20, 4
"""Scrapes."""
VARIABLES = {
    "$__rate_interval": "2m",
    "$__range_s": "300",
    "$__range": "300s",
    "$namespace": "shop",
    "$name": "cart",
}


class Scraped:
    """A process that reports, and what Prometheus has read of it."""

    def __init__(self):
        self.reports = Telemetry(None, TraceSettings())
        self.reports.only(lambda: [HOLD], [*holding.FROM_ZERO, *controlling.FROM_ZERO])
        self.look = self.reports.control.timed("gate", self._fail)
        self._series: defaultdict[str, dict[int, float]] = defaultdict(dict)
        self._scrapes = 0

    def scrape(self, times):
        """Have the page read so often."""
        for _ in range(times):
            page = Exposition().page(self.reports.read()).body.decode()
            for family in parsed(page):
                for each in family.samples:
                    labels = ", ".join(f'{name}="{value}"' for name, value in each.labels.items())
                    self._series[f"{each.name}{{{labels}}}"][self._scrapes] = each.value
            self._scrapes += 1

    def series(self):
        """Return all of it, as promtool takes it."""
        return [
            {
                "series": name,
                "values": " ".join(str(values.get(n, "_")) for n in range(self._scrapes)),
            }
            for name, values in self._series.items()
            if name.startswith("layby")
        ]

    @staticmethod
    async def _fail(_):
        raise OSError("refused")


async def shed(seen):
    """A request is refused for want of room."""
    verdict = Verdict(Outcome.SHED, Cause.QUEUE_FULL)
    seen.reports.holds.ended(CART, verdict, 0.0, None)


async def woken(seen):
    """A request that another hold server had held waits for a start, and goes on."""
    now = asyncio.get_running_loop().time()
    ticket = Ticket(1, CART, now, now + 60.0, now)
    seen.reports.holds.parked(ticket, Chance(2, 3), 1)
    seen.reports.cold_starts.begin(HOLD)
    seen.reports.cold_starts.scaled(HOLD, Winner.LAYBY, 1)
    seen.reports.cold_starts.mark(HOLD, Mark.SEEN)
    seen.reports.holds.ended(CART, Verdict(Outcome.RELEASED), 1.5, ticket)


async def failed(seen):
    """A workload cannot start."""
    seen.reports.cold_starts.begin(HOLD)
    seen.reports.cold_starts.failed(HOLD, "ImagePullBackOff")


async def slept(seen):
    """A workload is put to sleep."""
    seen.reports.control.slept(HOLD)


async def rehearsed(seen):
    """It would have been, and requests would have waited."""
    seen.reports.control.rehearsed(HOLD, 1, 2)


async def erred(seen):
    """A look of the controller ends in an error."""
    with pytest.raises(OSError, match="refused"):
        await seen.look("all")


@pytest.mark.parametrize(
    ("board", "title", "place", "event", "labels"),
    [
        ("overview", "Cold starts, by how they ended", 0, failed, '{outcome="failed"}'),
        ("overview", "Refused for want of room, by cause", 0, shed, '{cause="queue-full"}'),
        ("overview", "Workloads", 2, woken, OF_HOLD),
        ("overview", "Workloads", 3, woken, OF_HOLD),
        ("overview", "Requests that would have waited", 0, rehearsed, '{namespace="shop"}'),
        ("overview", "Workloads with spec.dryRun", 0, rehearsed, OF_HOLD),
        ("workload", "Requests at hold servers, by outcome", 0, shed, '{outcome="shed"}'),
        ("workload", "Refused, and come back", 0, shed, '{cause="queue-full"}'),
        ("workload", "Refused, and come back", 1, woken, '{cause="moved"}'),
        ("workload", "Wait of requests that were served", 0, woken, "{}"),
        ("workload", "Cold starts, stage by stage", 0, woken, '{stage="eds"}'),
        ("workload", "Cold starts, by how they ended", 0, failed, '{outcome="failed"}'),
        ("workload", "Wakes, by who scaled it", 0, woken, '{winner="layby"}'),
        ("itself", "Put to sleep", 0, slept, "{}"),
        ("itself", "Failed looks", 0, erred, "{}"),
    ],
)
async def test_the_first_is_seen(promtool, tmp_path, board, title, place, event, labels):
    """Prometheus counts from what it sees first, and many things happen once a month."""
    seen = Scraped()
    seen.scrape(BEFORE)
    await event(seen)
    seen.scrape(AFTER)
    # By how much depends on how Prometheus extrapolates.
    happened = f"sgn(({query(board, title, place)}) > 0.5)"
    asked = [
        {"expr": happened, "eval_time": f"{at * SECONDS}s", "exp_samples": expected}
        for at, expected in (
            (BEFORE - 1, []),
            (BEFORE, [{"labels": labels, "value": 1}]),
            (BEFORE + AFTER - 1, [{"labels": labels, "value": 1}]),
        )
    ]
    trial = {"interval": f"{SECONDS}s", "input_series": seen.series(), "promql_expr_test": asked}
    path = tmp_path / "trial.yaml"
    path.write_text(yaml.safe_dump({"evaluation_interval": f"{SECONDS}s", "tests": [trial]}))
    assert "SUCCESS" in promtool("test", "rules", path)


def query(board, title, place):
    """Return one of a panel's queries with its variables filled in."""
    path = CHART / "files" / "dashboards" / f"layby-{board}.json"
    panels = [each for each in json.loads(path.read_text())["panels"] if each["type"] != "row"]
    [targets] = [each["targets"] for each in panels if each["title"] == title]
    expr = targets[place]["expr"]
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return expr
