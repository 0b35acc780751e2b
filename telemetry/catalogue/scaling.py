"""What hold servers report of KEDA, which asks them.

Owns names and words. Must not know who measures. Pure.
"""

from telemetry.metric import Kind, Label, Metric, Process

KEDA_STREAMS = Metric(
    name="layby.keda.streams",
    kind=Kind.GAUGE,
    unit="{stream}",
    description="Streams by which KEDA waits to be told that somebody waits for a workload.",
    when_it_moves=(
        "In sum one for each TrafficHold that KEDA scales; on one hold server, if KEDA knows them "
        "by one address. 0 on all for more than a minute: KEDA does not reach them, or is not up. "
        "Workloads are woken all the same, and none is put to sleep."
    ),
    process=Process.HOLD_SERVER,
)
KEDA_CALLS = Metric(
    name="layby.keda.calls",
    kind=Kind.COUNTER,
    unit="{call}",
    description="KEDA's questions.",
    when_it_moves=(
        "`refused`: this hold server knows of no such TrafficHold, or has not heard from all the "
        "others for 20 s, as after each that comes or goes. KEDA counts these as failures, see "
        "`fallback`. None at all: see `layby_keda_streams`."
    ),
    process=Process.HOLD_SERVER,
    labels=(
        Label("method", "What was asked.", ("IsActive", "GetMetricSpec", "GetMetrics")),
        Label("result", "What became of it.", ("answered", "refused")),
    ),
)
