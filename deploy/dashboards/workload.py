"""One hold: its traffic, who waits, its cold starts stage by stage, and why it sleeps or does not.

Owns the choice of panels, and the queries that lead to the traces.
"""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from deploy.dashboards.board import WORKLOAD, board, of_workload, to_traces
from deploy.dashboards.panels import (
    HALF,
    Links,
    counted,
    counted_from_nothing,
    counts,
    graph,
    grown,
    now,
    number,
    quantiles,
    query,
    right_axis,
    timeline,
)
from telemetry.hold_span import HOLD_SPAN, NAME, NAMESPACE
from telemetry.sampling import ALWAYS as COLD_START_SPAN

_OF: Final = 'namespace="$namespace", name="$name"'
_REFUSED: Final = "shed|expired|hopeless"


def build() -> Dashboard:
    """Describe the dashboard."""
    made = board(
        WORKLOAD, "Layby / Workload", "One TrafficHold: traffic, waits, cold starts.", hours=6
    )
    of_workload(made)
    held, starts = _traces()
    made.link(held[0]).link(starts[0])
    _numbers(made)
    _traffic(made, held)
    _cold_starts(made, held, starts)
    _sleep(made)
    return made


def _traces() -> tuple[Links, Links]:
    """Lead to held requests, and to cold starts, of this hold."""
    attributes = f'span.{NAMESPACE} = "$namespace" && span.{NAME} = "$name"'
    held = f'{{ name = "{HOLD_SPAN}" && {attributes} }}'
    refused = f'{{ name = "{HOLD_SPAN}" && {attributes} && span.layby.outcome =~ "{_REFUSED}" }}'
    starts = f'{{ name = "{COLD_START_SPAN}" && {attributes} }}'
    return (
        [to_traces("Traces of held requests", held), to_traces("Traces of refusals", refused)],
        [to_traces("Traces of cold starts", starts)],
    )


def _numbers(made: Dashboard) -> None:
    for panel in (
        number(
            "Replicas",
            "Those it is to have.",
            now(f"max(layby_replicas{{{_OF}}})"),
        ),
        number("Waiting", "Requests.", now(f"sum(layby_hold_parked{{{_OF}}})")),
        number(
            "Ready",
            "Whether the hold works: its condition Ready.",
            now(f'max by (status) (layby_condition{{{_OF}, type="Ready"}})', "{{status}}"),
            named=True,
        ),
        number(
            "Last request",
            "Asleep it should be when this is above idle.after.",
            now(f"min(layby_demand_age_seconds{{{_OF}}})"),
            unit="s",
        ),
        number(
            "Time at zero",
            "The part of the time that is shown for which it had no replica.",
            now(f"sum(increase(layby_zero_time_seconds_total{{{_OF}}}[$__range])) / $__range_s"),
            unit="percentunit",
        ),
        number(
            "Core-hours saved",
            "An estimate, by what its pods request.",
            now(f"sum(increase(layby_saved_cpu_time_seconds_total{{{_OF}}}[$__range])) / 3600"),
        ),
    ):
        made.with_panel(panel)


def _traffic(made: Dashboard, held: Links) -> None:
    made.with_row(Row("Traffic"))
    replicas = graph(
        "Requests, waiting, and replicas",
        "Requests per second are all that its Envoys report. Replicas are at the right axis.",
        query(f"sum(layby_demand_rate_per_second{{{_OF}}})", "requests per second"),
        query(f"sum(layby_hold_parked{{{_OF}}})", "waiting"),
        query(f"max(layby_replicas{{{_OF}}})", "replicas"),
    )
    made.with_panel(right_axis(replicas, "replicas"))
    made.with_panel(
        counts(
            "Requests at hold servers, by outcome",
            "expired: the start took longer than hold.timeout. hopeless: it cannot start.",
            counted(f"layby_hold_requests_total{{{_OF}}}", "outcome"),
            links=held,
        )
    )
    made.with_panel(
        graph(
            "In flight",
            "Requests that its Envoys have open. Above 0 it stays up.",
            query(f"sum(layby_demand_in_flight{{{_OF}}})", "in flight"),
            whole=True,
        )
    )
    made.with_panel(
        counts(
            "Refused, and come back",
            "early: let go before their Envoy knew the endpoint. moved: another hold server ended.",
            counted(f"layby_hold_sheds_total{{{_OF}}}", "cause", "refused: {{cause}}"),
            counted(f"layby_hold_returns_total{{{_OF}}}", "cause", "came back: {{cause}}"),
        )
    )


def _cold_starts(made: Dashboard, held: Links, starts: Links) -> None:
    made.with_row(Row("Cold starts"))
    bucket = f'layby_hold_duration_seconds_bucket{{{_OF}, outcome="released"}}'
    made.with_panel(
        graph(
            "Wait of requests that were served",
            "Each dot is one request: it leads to its trace.",
            *quantiles(bucket),
            unit="s",
            links=held,
        )
    )
    stage = "layby_cold_start_stage_duration_seconds"
    made.with_panel(
        graph(
            "Cold starts, stage by stage",
            "The average of each. schedule: room on the nodes. start: images. readiness: the"
            " application. eds: istiod and Envoy.",
            query(
                f"sum by (stage) ({grown(f'{stage}_sum{{{_OF}}}')})"
                f" / sum by (stage) ({grown(f'{stage}_count{{{_OF}}}')})",
                "{{stage}}",
            ),
            unit="s",
            bars=True,
            stacked=True,
            links=starts,
        )
    )
    made.with_panel(
        counts(
            "Cold starts, by how they ended",
            "failed: it cannot start; `layby explain` says why. abandoned: all left before.",
            counted_from_nothing(f"layby_cold_start_duration_seconds_count{{{_OF}}}", "outcome"),
            links=starts,
        )
    )
    made.with_panel(
        counts(
            "Wakes, by who scaled it",
            "Many: it sleeps too eagerly, raise idle.after.",
            counted(f"layby_wakes_total{{{_OF}}}", "winner"),
        )
    )


def _sleep(made: Dashboard) -> None:
    made.with_row(Row("Sleep"))
    made.with_panel(
        timeline(
            "Why it is put to sleep, or why not",
            "The leader's verdict.",
            query(f"max by (reason) (layby_sleep_verdict{{{_OF}}})", "{{reason}}"),
            width=HALF,
        )
    )
    made.with_panel(
        timeline(
            "Conditions",
            "Attached False: requests through some Envoys get 503 while it sleeps.",
            query(f"max by (type, status) (layby_condition{{{_OF}}})", "{{type}} {{status}}"),
            width=HALF,
        )
    )
