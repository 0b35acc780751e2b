"""The metrics of the controller: sleep, conditions, its own work, and what was saved.

Owns the words and the bounds of labels. Must not know who measures. Pure.
"""

from typing import Final

from telemetry.metric import HOLD, Kind, Label, Metric, Process

REASONS: Final = (
    "Idle",
    "AlreadyZero",
    "NotAccepted",
    "NotAttached",
    "MinReplicas",
    "ScaledByOthers",
    "ScaleRefused",
    "DemandUnknown",
    "Busy",
    "RecentRequest",
    "JustStarted",
    "DryRun",
    "LeftToKEDA",
)
CONDITIONS: Final = ("Accepted", "Attached", "ScalerReady", "Ready")

_WORK_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_QUEUE = Label("queue", "What is looked at.", ("TrafficHold", "HoldPolicy", "gate"))

SLEEPS = Metric(
    name="layby.sleeps",
    kind=Kind.COUNTER,
    unit="{sleep}",
    description="Times that Layby put an idle workload to zero.",
    when_it_moves=(
        "As often as a workload is woken, it was put to sleep. Too often: raise `idle.after`. What "
        "KEDA put to sleep is not counted."
    ),
    process=Process.CONTROLLER,
    labels=HOLD,
)
SLEEP_VERDICT = Metric(
    name="layby.sleep.verdict",
    kind=Kind.STATE,
    unit="",
    description="Why a workload is put to sleep, or why not.",
    when_it_moves=(
        "`RecentRequest`, `Busy`, `JustStarted` and `AlreadyZero` come and go. `DemandUnknown`: "
        "not all hold servers are heard; see `layby_feed_age_seconds`. `NotAttached`: some Envoys "
        "lack the gate. The others are what the TrafficHold, or somebody else's scaler, asks for."
    ),
    process=Process.CONTROLLER,
    labels=(*HOLD, Label("reason", "The reason that holds now.", REASONS)),
)
CONDITION = Metric(
    name="layby.condition",
    kind=Kind.STATE,
    unit="",
    description="The conditions of a TrafficHold's status.",
    when_it_moves=(
        "`Ready` that is not `True`: `kubectl describe trafficholds` gives the reason and what to "
        "do. `Attached` `False`: requests through some Envoys are not held, and get 503 while the "
        "workload sleeps."
    ),
    process=Process.CONTROLLER,
    labels=(
        *HOLD,
        Label("type", "The condition.", CONDITIONS),
        Label("status", "Its status now.", ("True", "False", "Unknown")),
    ),
)
REPLICAS = Metric(
    name="layby.replicas",
    kind=Kind.GAUGE,
    unit="{replica}",
    description="Replicas that a workload is to have now.",
    when_it_moves=(
        "From 0 up it was woken, to 0 it was put to sleep, by whomever. It says what is asked for: "
        "pods that do not become ready count too."
    ),
    process=Process.CONTROLLER,
    labels=HOLD,
)
ZERO_TIME = Metric(
    name="layby.zero.time",
    kind=Kind.COUNTER,
    unit="s",
    description="Time that a workload has been at zero.",
    when_it_moves=(
        "Its rate is the part of the time for which nothing ran: 0.9 is nine tenths. 0 for a "
        "workload with little traffic: `layby_sleep_verdict` says what keeps it up."
    ),
    process=Process.CONTROLLER,
    labels=HOLD,
)
SAVED_CPU = Metric(
    name="layby.saved.cpu.time",
    kind=Kind.COUNTER,
    unit="s",
    description=(
        "Core-seconds saved, an estimate: the time at zero times the CPU that the replicas which "
        "a wake starts would request."
    ),
    when_it_moves=(
        "What the cluster can give to others. 0 although `layby_zero_time_seconds_total` grows: "
        "the pods request no CPU."
    ),
    process=Process.CONTROLLER,
    labels=HOLD,
)
DRY_RUN_SLEEPS = Metric(
    name="layby.dry_run.sleeps",
    kind=Kind.COUNTER,
    unit="{sleep}",
    description="Times that a workload with `spec.dryRun` would have been put to zero.",
    when_it_moves=(
        "How often it would have slept, and so have been woken. Rarely: it gains little. Many "
        "times an hour: a longer `idle.after` would keep fewer requests waiting."
    ),
    process=Process.CONTROLLER,
    labels=HOLD,
)
DRY_RUN_REQUESTS = Metric(
    name="layby.dry_run.requests",
    kind=Kind.COUNTER,
    unit="{request}",
    description="Requests that would have waited for a workload with `spec.dryRun`, an estimate.",
    when_it_moves=(
        "Those that came while it would have been starting, which is taken to last as long as its "
        "latest start, or five seconds. Too many for what is saved: raise `idle.after`."
    ),
    process=Process.CONTROLLER,
    labels=HOLD,
)
DRY_RUN_SAVED = Metric(
    name="layby.dry_run.saved.time",
    kind=Kind.COUNTER,
    unit="s",
    description="Time for which replicas with `spec.dryRun` would not have run, of all together.",
    when_it_moves=(
        "Divided by 3600 it is replica-hours: what you would gain without `spec.dryRun`."
    ),
    process=Process.CONTROLLER,
    labels=HOLD,
)
RECONCILE = Metric(
    name="layby.reconcile.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="How long one look at an object took; each is mostly waiting for the API server.",
    when_it_moves=(
        "`error`: the log says what failed, and when it is tried again; a rate that stays above 0 "
        "is a lack of permission, or an API server in trouble. Long: the API server is slow, or "
        "throttles."
    ),
    process=Process.CONTROLLER,
    labels=(_QUEUE, Label("result", "How it ended.", ("ok", "error"))),
    buckets=_WORK_BUCKETS,
)
QUEUE = Metric(
    name="layby.queue.depth",
    kind=Kind.GAUGE,
    unit="{key}",
    description="Objects to look at again.",
    when_it_moves=(
        "`ready` that does not fall to 0: the controller does not keep up; raise "
        "`LAYBY_CONTROLLER_WORKERS`, unless it waits for the API server. `delayed` is normal: each "
        "workload that is up is looked at when it may have become idle."
    ),
    process=Process.CONTROLLER,
    labels=(_QUEUE, Label("state", "What they wait for.", ("ready", "delayed", "running"))),
)
LEADER = Metric(
    name="layby.leader",
    kind=Kind.GAUGE,
    unit="{leader}",
    description="1 while this controller leads.",
    when_it_moves=(
        "The sum over all controllers must be 1. 0 for longer than the lease: nobody puts "
        "workloads to sleep, and no status is written; requests are held and workloads woken all "
        "the same."
    ),
    process=Process.CONTROLLER,
)
FEED_AGE = Metric(
    name="layby.feed.age",
    kind=Kind.GAUGE,
    unit="s",
    description="Since the hold server that has been silent longest was heard.",
    when_it_moves=(
        "Above 5 s nobody is put to sleep, for that hold server may know of a request: is it up, "
        "can it be reached on its port, and does it take the token (its log says so)? Infinite: it "
        "has not been heard at all."
    ),
    process=Process.BOTH,
)
FEED_COMPLETE = Metric(
    name="layby.feed.complete",
    kind=Kind.GAUGE,
    unit="",
    description="1 while the demand that is known is the whole of it.",
    when_it_moves=(
        "0 for 20 s after a hold server has come or gone. 0 for longer: see "
        "`layby_feed_age_seconds`; nobody is put to sleep meanwhile."
    ),
    process=Process.BOTH,
)
SPANS = Metric(
    name="layby.telemetry.spans",
    kind=Kind.COUNTER,
    unit="{span}",
    description="Spans that were made, and what became of them.",
    when_it_moves=(
        "`failed`: the collector could not be reached, or refused them. `made` that grows faster "
        "than `sent` and `failed` together: they were dropped, for the queue was full; raise "
        "`OTEL_BSP_MAX_QUEUE_SIZE` or sample less. Requests are never delayed by it."
    ),
    process=Process.BOTH,
    labels=(Label("result", "What became of them.", ("made", "sent", "failed")),),
)
FROM_ZERO: Final = (SLEEPS,)
"""What is 0 for a TrafficHold to which nothing has happened yet. What would have been is told only
of those with `spec.dryRun`."""
