"""Layby itself: whether hold servers and controllers are well, and have room.

Owns the choice of panels. Processes are told apart by `pod`, which a PodMonitor adds.
"""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from deploy.dashboards.board import LAYBY, board
from deploy.dashboards.panels import THIRD, Query, counted, counts, graph, now, number, query

_SERVERS: Final = "and on (job, instance) layby_hold_limit"
"""The metrics of processes are everybody's: only a hold server has a limit, a controller a lead."""
_CONTROLLERS: Final = "and on (job, instance) layby_leader"


def build() -> Dashboard:
    """Describe the dashboard."""
    made = board(LAYBY, "Layby / Itself", "Hold servers, controllers, and their way.", hours=3)
    _numbers(made)
    _hold_servers(made)
    _controllers(made)
    _processes(made)
    _keda(made)
    return made


def _numbers(made: Dashboard) -> None:
    for panel in (
        number(
            "Hold servers",
            "Those that Prometheus reaches.",
            now("count(layby_hold_limit)"),
            wrong_below=1,
        ),
        number(
            "Leading controllers",
            "0: nobody puts workloads to sleep; requests are held all the same.",
            now("sum(layby_leader)"),
            wrong_below=1,
        ),
        number(
            "Fullest hold server",
            "Requests that wait there, as a part of those that may.",
            now(
                "max(sum by (job, instance) (layby_hold_parked)"
                " / on (job, instance) group_left () sum by (job, instance) (layby_hold_limit))"
            ),
            unit="percentunit",
            wrong_from=0.8,
        ),
        number(
            "Longest silence",
            "Of a hold server, as another one or a controller hears it. Above 5 s none goes to"
            " sleep.",
            now("max(layby_feed_age_seconds)"),
            unit="s",
            wrong_from=5,
        ),
        number(
            "Not attached",
            "TrafficHolds that some Envoys do not hold requests for.",
            now('count(layby_condition{type="Attached", status="False"}) or vector(0)'),
            wrong_from=1,
        ),
        number(
            "Failed looks",
            "Of the controllers' looks at objects, those that ended in an error.",
            now(
                "(sum(rate(layby_reconcile_duration_seconds_count"
                '{result="error"}[$__range])) or vector(0))'
                " / sum(rate(layby_reconcile_duration_seconds_count[$__range]))"
            ),
            unit="percentunit",
            wrong_from=0.1,
        ),
    ):
        made.with_panel(panel)


def _hold_servers(made: Dashboard) -> None:
    made.with_row(Row("Hold servers"))
    for panel in (
        graph(
            "Requests, by hold server",
            "Envoys spread them evenly. One that gets none is not reached.",
            query(
                "sum by (instance, pod) (rate(layby_hold_requests_total[$__rate_interval]))",
                "{{pod}}",
            ),
            unit="reqps",
            width=THIRD,
        ),
        graph(
            "Waiting, by hold server",
            "May rise to `LAYBY_EXTPROC_MAX_PENDING`, the line; what comes then is refused.",
            query("sum by (instance, pod) (layby_hold_parked)", "{{pod}}"),
            query("min(layby_hold_limit)", "limit"),
            width=THIRD,
            whole=True,
        ),
        counts(
            "Refused for want of room",
            "queue-full is a hold's own bound; server-full asks for more hold servers.",
            counted("layby_hold_sheds_total", "cause"),
            width=THIRD,
        ),
        graph(
            "Silence of hold servers",
            "Since the one that has been silent longest was heard, by who listens.",
            query("max by (instance, pod) (layby_feed_age_seconds)", "{{pod}}"),
            unit="s",
            width=THIRD,
        ),
        graph(
            "Whether demand is known as a whole",
            "0 for 20 s after a hold server has come or gone; nobody is put to sleep meanwhile.",
            query("min by (instance, pod) (layby_feed_complete)", "{{pod}}"),
            width=THIRD,
            whole=True,
        ),
        graph(
            "Wait before the release",
            "Rises when Envoys learn late of endpoints: look at istiod.",
            query("max by (instance, pod) (layby_hold_settle_seconds)", "{{pod}}"),
            unit="s",
            width=THIRD,
        ),
    ):
        made.with_panel(panel)


def _keda(made: Dashboard) -> None:
    made.with_row(Row("KEDA"))
    made.with_panel(
        graph(
            "KEDA's streams",
            "One for each ScaledObject with Layby's trigger, at one of the hold servers.",
            query("sum by (instance, pod) (layby_keda_streams)", "{{pod}}"),
            stacked=True,
            whole=True,
        )
    )
    made.with_panel(
        graph(
            "KEDA's questions",
            "refused: the sum of all demand was incomplete, or KEDA asked for what is not held.",
            query(
                "sum by (method, result) (rate(layby_keda_calls_total[$__rate_interval]))",
                "{{method}} {{result}}",
            ),
            unit="ops",
        )
    )


def _controllers(made: Dashboard) -> None:
    made.with_row(Row("Controllers"))
    duration = "layby_reconcile_duration_seconds"
    for panel in (
        graph(
            "Who leads",
            "One at a time.",
            query("max by (instance, pod) (layby_leader)", "{{pod}}"),
            width=THIRD,
            whole=True,
        ),
        graph(
            "How long a look takes (p95)",
            "Mostly a wait for the API server.",
            query(
                f"histogram_quantile(0.95, sum by (queue, le)"
                f" (rate({duration}_bucket[$__rate_interval])))",
                "{{queue}}",
            ),
            unit="s",
            width=THIRD,
        ),
        graph(
            "Looks, by how they ended",
            "The log says what failed. An error that stays is a lack of permission, or the API"
            " server's.",
            query(
                f"sum by (queue, result) (rate({duration}_count[$__rate_interval]))",
                "{{queue}} {{result}}",
            ),
            unit="ops",
            width=THIRD,
        ),
        graph(
            "Objects to look at again",
            "ready that does not fall to 0: it does not keep up. delayed is normal.",
            query("sum by (queue, state) (layby_queue_depth)", "{{queue}} {{state}}"),
            width=THIRD,
            whole=True,
        ),
        graph(
            "Attached, by status",
            "TrafficHolds whose Envoys all have the gate, and those where some have not.",
            query('count by (status) (layby_condition{type="Attached"})', "{{status}}"),
            width=THIRD,
            stacked=True,
            whole=True,
        ),
        graph(
            "Put to sleep",
            "By Layby; what KEDA puts to sleep is not counted.",
            query("sum(increase(layby_sleeps_total[$__rate_interval]))", "put to sleep"),
            width=THIRD,
            bars=True,
        ),
    ):
        made.with_panel(panel)


def _processes(made: Dashboard) -> None:
    made.with_row(Row("Processes"))
    for panel in (
        graph(
            "CPU",
            "In cores. A hold server is one event loop: near 1 it is at its end.",
            *_of_both("rate(process_cpu_seconds_total[$__rate_interval])"),
            width=THIRD,
        ),
        graph(
            "Memory",
            "23 kB for each request that waits.",
            *_of_both("process_resident_memory_bytes"),
            unit="bytes",
            width=THIRD,
        ),
        graph(
            "Spans",
            "If traces are on. made that grows faster than sent: the collector is away or slow.",
            query(
                "sum by (result) (rate(layby_telemetry_spans_total[$__rate_interval]))",
                "{{result}}",
            ),
            unit="ops",
            width=THIRD,
        ),
    ):
        made.with_panel(panel)


def _of_both(measured: str) -> tuple[Query, Query]:
    return query(f"{measured} {_SERVERS}", "{{pod}}"), query(
        f"{measured} {_CONTROLLERS}", "{{pod}}"
    )
