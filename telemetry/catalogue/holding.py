"""The metrics of a hold server: requests, starts, demand.

Owns the words and the bounds of labels. Must not know who measures. Pure.
"""

from typing import Final

from telemetry.metric import HOLD, Kind, Label, Metric, Process

OUTCOMES: Final = (
    "ready",
    "released",
    "shed",
    "expired",
    "hopeless",
    "abandoned",
    "drained",
    "unmanaged",
    "probed",
)
STAGES: Final = ("scale", "schedule", "start", "readiness", "eds")

_WAIT_BUCKETS: Final = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300)

PARKED = Metric(
    name="layby.hold.parked",
    kind=Kind.GAUGE,
    unit="{request}",
    description="Requests that wait now.",
    when_it_moves=(
        "It rises while a workload starts and falls to 0 when it is up. If it stays up, look at "
        "`layby explain`: the workload does not come up, or Envoy does not learn of it."
    ),
    process=Process.HOLD_SERVER,
    labels=HOLD,
)
LIMIT = Metric(
    name="layby.hold.limit",
    kind=Kind.GAUGE,
    unit="{request}",
    description="Requests that may wait at once on this hold server, of all workloads together.",
    when_it_moves=(
        "It is a setting. When the sum of `layby_hold_parked` comes near it, add hold servers, or "
        "raise `LAYBY_EXTPROC_MAX_PENDING` and the memory."
    ),
    process=Process.HOLD_SERVER,
)
REQUESTS = Metric(
    name="layby.hold.requests",
    kind=Kind.COUNTER,
    unit="{request}",
    description="Requests that came to a hold server, by how they ended there.",
    when_it_moves=(
        "`released`, `ready` and `probed` are the normal endings. `expired`: starts take longer "
        "than `hold.timeout`. `hopeless`: the workload cannot start; `layby explain` says why. "
        "`shed`: see `layby_hold_sheds_total`. `abandoned`: clients give up earlier than the hold "
        "does. `drained`: a hold server ended with no other one up."
    ),
    process=Process.HOLD_SERVER,
    labels=(*HOLD, Label("outcome", "How the request ended.", OUTCOMES)),
)
DURATION = Metric(
    name="layby.hold.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="How long parked requests waited, by how they ended.",
    when_it_moves=(
        "For `released` it is what the first users of a sleeping workload feel. Compare it with "
        "the stages of the cold start: the longest stage is where time is to be won. An exemplar "
        "leads to the trace of one such request."
    ),
    process=Process.HOLD_SERVER,
    labels=(
        *HOLD,
        Label(
            "outcome",
            "How the request ended.",
            ("released", "expired", "hopeless", "abandoned", "drained", "unmanaged"),
        ),
    ),
    buckets=_WAIT_BUCKETS,
)
SHEDS = Metric(
    name="layby.hold.sheds",
    kind=Kind.COUNTER,
    unit="{request}",
    description="Requests refused because too many wait already.",
    when_it_moves=(
        "`queue-full`: more requests come during a start than the hold's `maxPending`; raise it, "
        "or make the start faster. `server-full`: this hold server is full; add hold servers."
    ),
    process=Process.HOLD_SERVER,
    labels=(*HOLD, Label("cause", "Which bound was met.", ("queue-full", "server-full"))),
)
RETURNS = Metric(
    name="layby.hold.returns",
    kind=Kind.COUNTER,
    unit="{request}",
    description="Requests that came back on a later chance.",
    when_it_moves=(
        "`early`: let go before their Envoy knew the endpoint. A few teach the wait "
        "(`layby_hold_settle_seconds`); many mean that istiod or the Envoys are slow. `moved`: "
        "another hold server held them before; it ended, or was cut off."
    ),
    process=Process.HOLD_SERVER,
    labels=(*HOLD, Label("cause", "Why it came back.", ("early", "moved"))),
)
SETTLE = Metric(
    name="layby.hold.settle",
    kind=Kind.GAUGE,
    unit="s",
    description="The wait between a ready endpoint and the release, as learnt from early returns.",
    when_it_moves=(
        "It rises when Envoys learn late of endpoints: look at istiod's push times "
        "(`pilot_proxy_convergence_time`) and its load. It falls again by itself."
    ),
    process=Process.HOLD_SERVER,
)
WAKES = Metric(
    name="layby.wakes",
    kind=Kind.COUNTER,
    unit="{wake}",
    description="Starts that were asked for, by who asked first.",
    when_it_moves=(
        "Many for one workload: it sleeps too eagerly, raise `idle.after`. `autoscaler`: KEDA or "
        "another one was quicker, which is well. `peer`: another hold server was."
    ),
    process=Process.HOLD_SERVER,
    labels=(
        *HOLD,
        Label("winner", "Who scaled it from zero.", ("layby", "autoscaler", "peer")),
    ),
)
COLD_START = Metric(
    name="layby.cold_start.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="From the first request that wanted a workload to the first one let go.",
    when_it_moves=(
        "`ready`: see the stages for where the time goes. `failed`: it cannot start; the wake's "
        "log line and `layby explain` say why. `abandoned`: everybody left before it was up; the "
        "clients' timeouts are shorter than the start."
    ),
    process=Process.HOLD_SERVER,
    labels=(*HOLD, Label("outcome", "How it ended.", ("ready", "failed", "abandoned"))),
    buckets=_WAIT_BUCKETS,
)
COLD_START_STAGE = Metric(
    name="layby.cold_start.stage.duration",
    kind=Kind.HISTOGRAM,
    unit="s",
    description="The parts of cold starts that ended well.",
    when_it_moves=(
        "`scale`: the API server is slow. `schedule`: nodes are full, or are being added. `start`: "
        "images are pulled; keep them on the nodes, or make them smaller. `readiness`: the "
        "application's own start, and its readiness probe's period. `eds`: istiod and Envoy."
    ),
    process=Process.HOLD_SERVER,
    labels=(*HOLD, Label("stage", "Which part.", STAGES)),
    buckets=_WAIT_BUCKETS,
)
IN_FLIGHT = Metric(
    name="layby.demand.in_flight",
    kind=Kind.GAUGE,
    unit="{request}",
    description="Requests that Envoys have open for a workload, by their access logs.",
    when_it_moves=(
        "While it is above 0 the workload stays up. Above 0 for days: a long connection keeps it "
        "awake."
    ),
    process=Process.HOLD_SERVER,
    labels=HOLD,
)
RATE = Metric(
    name="layby.demand.rate",
    kind=Kind.GAUGE,
    unit="{request}/s",
    description="Requests per second over the last minute, by the Envoys' access logs.",
    when_it_moves=(
        "0 for a workload that is used: its Envoys' access logs do not arrive. Layby's EnvoyFilter "
        "has Envoys send them: see whether that is in the mesh's root namespace and for the right "
        "revision, and whether Envoys reach the hold servers. The condition `Attached` with the "
        "reason `NoReports` says that no Envoy reports at all."
    ),
    process=Process.HOLD_SERVER,
    labels=HOLD,
)
DEMAND_AGE = Metric(
    name="layby.demand.age",
    kind=Kind.GAUGE,
    unit="s",
    description="Since the last request for a workload.",
    when_it_moves=(
        "Above `idle.after` the workload should be asleep; `layby_sleep_verdict` says why it is "
        "not."
    ),
    process=Process.HOLD_SERVER,
    labels=HOLD,
)
FROM_ZERO: Final = (REQUESTS, SHEDS, RETURNS, WAKES)
"""What is 0 for a TrafficHold to which nothing has happened yet. Not histograms: each series of one
is sixteen, and they would be most of what there is."""
