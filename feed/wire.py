"""The feed's messages, from and to what the board holds.

Owns how ages stand for moments. Must not know who sends.
"""

from collections.abc import Mapping

from feed import feed_pb2 as pb
from feed.board import HoldName, Share
from feed.start import heard, said
from feed.wake import Wake, WakeOutcome

_OUTCOMES = {
    WakeOutcome.SUCCEEDED: pb.Wake.SUCCEEDED,
    WakeOutcome.FAILED: pb.Wake.FAILED,
    WakeOutcome.TIMED_OUT: pb.Wake.TIMED_OUT,
}
_MEANT = {number: outcome for outcome, number in _OUTCOMES.items()}


def report(
    shares: Mapping[HoldName, Share], account_age: float, now: float, *, log_streams: int
) -> pb.Report:
    """Say what is known; holds that were never asked for are left out."""
    holds = [_said(hold, share, now) for hold, share in shares.items()]
    return pb.Report(
        account_age_seconds=account_age,
        holds=[hold for hold in holds if hold is not None],
        log_streams=log_streams,
    )


def shares_of(report: pb.Report, now: float) -> dict[HoldName, Share]:
    """Understand a report."""
    return {
        HoldName(demand.namespace, demand.name): Share(
            demand.pending,
            demand.in_flight,
            demand.rate,
            now - demand.last_request_age_seconds,
            demand.waking,
            _heard(demand),
            demand.requests,
            demand.sheds,
            heard(demand.cold_start),
        )
        for demand in report.holds
    }


def _said(hold: HoldName, share: Share, now: float) -> pb.HoldDemand | None:
    if share.last_request is None:
        return None
    demand = pb.HoldDemand(
        namespace=hold.namespace,
        name=hold.name,
        pending=share.pending,
        in_flight=share.in_flight,
        rate=share.rate,
        last_request_age_seconds=now - share.last_request,
        waking=share.waking,
        requests=share.requests,
        sheds=share.sheds,
    )
    if share.start:
        demand.cold_start.CopyFrom(said(share.start))
    if wake := share.last_wake:
        demand.last_wake.at = wake.at
        demand.last_wake.duration_seconds = wake.duration
        demand.last_wake.outcome = _OUTCOMES[wake.outcome]
        demand.last_wake.reason = wake.reason
    return demand


def _heard(demand: pb.HoldDemand) -> Wake | None:
    """None too for an outcome that a newer hold server knows and this one does not."""
    wake = demand.last_wake
    outcome = _MEANT.get(wake.outcome)
    return Wake(wake.at, wake.duration_seconds, outcome, wake.reason) if outcome else None
