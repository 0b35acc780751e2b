"""The fleet: how many sleep, what that saves, who waits, and which holds want a look.

Owns the choice of panels. A single hold is the workload dashboard's, Layby's own health another's.
"""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from deploy.dashboards.board import OVERVIEW, board, of_namespaces, to_workload
from deploy.dashboards.panels import (
    FULL,
    HALF,
    Query,
    counted,
    counted_from_nothing,
    counts,
    graph,
    grown,
    now,
    number,
    quantiles,
    query,
    table,
)

_OF: Final = 'namespace=~"$namespace"'
_HOLD: Final = "namespace, name"
_WON: Final = f'{{{_OF}, winner!="peer"}}'
"""Each hold server counts its own view of a wake; one of them has won it."""


def build() -> Dashboard:
    """Describe the dashboard."""
    made = board(
        OVERVIEW, "Layby / Overview", "All held workloads: asleep, saved, waiting.", hours=24
    )
    of_namespaces(made)
    _numbers(made)
    _requests(made)
    _workloads(made)
    _dry_run(made)
    return made


def _numbers(made: Dashboard) -> None:
    ready = f'layby_condition{{{_OF}, type="Ready"'
    saved = f"sum(increase(layby_saved_cpu_time_seconds_total{{{_OF}}}[$__range])) / 3600"
    at_zero = (
        f"sum(increase(layby_zero_time_seconds_total{{{_OF}}}[$__range]))"
        f" / (count({ready}}}) * $__range_s)"
    )
    for panel in (
        number("Held workloads", "TrafficHolds that the leader knows.", now(f"count({ready}}})")),
        number(
            "Asleep",
            "Those that are to have no replica.",
            now(f"count(layby_replicas{{{_OF}}} == 0) or vector(0)"),
        ),
        number(
            "Waiting",
            "Requests that wait for a workload's start.",
            now(f"sum(layby_hold_parked{{{_OF}}})"),
        ),
        number(
            "Not ready",
            "TrafficHolds whose condition Ready is not True; the table below names them.",
            now(f'count({ready}, status!="True"}}) or vector(0)'),
            wrong_from=1,
        ),
        number(
            "Time at zero",
            "The part of the time for which the average workload had no replica.",
            now(at_zero),
            unit="percentunit",
        ),
        number(
            "Core-hours saved",
            "An estimate: time at zero, times what the replicas that a wake starts would request.",
            now(saved),
        ),
    ):
        made.with_panel(panel)


def _requests(made: Dashboard) -> None:
    made.with_row(Row("Requests"))
    made.with_panel(
        counts(
            "Requests at hold servers, by outcome",
            "Warm requests never come here. Anything but released, ready and probed wants a look.",
            counted(f"layby_hold_requests_total{{{_OF}}}", "outcome"),
        )
    )
    bucket = f'layby_hold_duration_seconds_bucket{{{_OF}, outcome="released"}}'
    made.with_panel(
        graph(
            "Wait of requests that were served",
            "What the first users of a sleeping workload feel. ",
            *quantiles(bucket),
            unit="s",
        )
    )
    made.with_panel(
        graph(
            "Waiting, by namespace",
            "Rises while workloads start. If it stays up, something does not start.",
            query(f"sum by (namespace) (layby_hold_parked{{{_OF}}})", "{{namespace}}"),
            stacked=True,
            whole=True,
        )
    )
    made.with_panel(
        counts(
            "Cold starts, by how they ended",
            "failed: the workload cannot start. abandoned: all had left before it was up.",
            counted_from_nothing(f"layby_cold_start_duration_seconds_count{{{_OF}}}", "outcome"),
        )
    )


def _workloads(made: Dashboard) -> None:
    made.with_row(Row("Workloads"))
    made.with_panel(
        graph(
            "Asleep and up",
            "By the replicas that they are to have.",
            query(f"count(layby_replicas{{{_OF}}} == 0) or vector(0)", "asleep"),
            query(f"count(layby_replicas{{{_OF}}} > 0) or vector(0)", "up"),
            stacked=True,
            whole=True,
        )
    )
    made.with_panel(
        graph(
            "Why workloads are up, or not",
            "The leader's verdict on each. DemandUnknown and NotAttached want a look.",
            query(f"count by (reason) (layby_sleep_verdict{{{_OF}}})", "{{reason}}"),
            stacked=True,
            whole=True,
        )
    )
    bucket = f'layby_hold_duration_seconds_bucket{{{_OF}, outcome="released"}}'
    wait = f"histogram_quantile(0.95, sum by ({_HOLD}, le) ({grown(bucket, '$__range')}))"
    columns = {
        "Replicas": (now(f"max by ({_HOLD}) (layby_replicas{{{_OF}}})"), "short"),
        "Waiting": (now(f"sum by ({_HOLD}) (layby_hold_parked{{{_OF}}})"), "short"),
        "Wakes": (
            now(f"sum by ({_HOLD}) (increase(layby_wakes_total{_WON}[$__range]))"),
            "none",
        ),
        "Wait (p95)": (now(wait), "s"),
        "At zero": (
            now(
                f"sum by ({_HOLD}) (increase(layby_zero_time_seconds_total{{{_OF}}}[$__range]))"
                " / $__range_s"
            ),
            "percentunit",
        ),
        "Last request": (now(f"min by ({_HOLD}) (layby_demand_age_seconds{{{_OF}}})"), "s"),
    }
    link = to_workload("${__data.fields.Namespace}", "${__data.fields.TrafficHold}")
    made.with_panel(
        table(
            "Workloads",
            "Over the time that is shown. The name leads to the workload's dashboard.",
            columns,
            {"namespace": "Namespace", "name": "TrafficHold"},
            width=FULL,
            links={"TrafficHold": [link]},
            sort_by="Wakes",
        )
    )
    made.with_panel(
        table(
            "Conditions that are not True",
            "`kubectl describe traffichold` gives the reason, and what to do.",
            {
                "": (
                    now(
                        f'max by ({_HOLD}, type, status) (layby_condition{{{_OF}, status!="True"}})'
                    ),
                    "short",
                )
            },
            {"namespace": "Namespace", "name": "TrafficHold", "type": "Condition", "status": "Is"},
            width=HALF,
            links={"TrafficHold": [link]},
        )
    )
    made.with_panel(
        counts(
            "Refused for want of room, by cause",
            "queue-full: more came than the hold's maxPending. server-full: add hold servers.",
            counted(f"layby_hold_sheds_total{{{_OF}}}", "cause"),
        )
    )


def _dry_run(made: Dashboard) -> None:
    made.with_row(Row("Dry run: what would have been"))
    made.with_panel(
        counts(
            "Requests that would have waited",
            "Of workloads with spec.dryRun; an estimate, by how long they take to start.",
            counted_from_nothing(f"layby_dry_run_requests_total{{{_OF}}}", "namespace"),
        )
    )
    columns = {
        "Would have slept": (_within("layby_dry_run_sleeps_total"), "none"),
        "Requests to wait": (_within("layby_dry_run_requests_total"), "none"),
        "Replica time saved": (_within("layby_dry_run_saved_time_seconds_total"), "s"),
    }
    made.with_panel(
        table(
            "Workloads with spec.dryRun",
            "Over the time that is shown: what they would gain, and for how many waits.",
            columns,
            {"namespace": "Namespace", "name": "TrafficHold"},
            width=HALF,
            height=8,
            sort_by="Replica time saved",
        )
    )


def _within(counter: str) -> Query:
    return now(f"sum by ({_HOLD}) ({grown(f'{counter}{{{_OF}}}', '$__range')})")
