"""What is said of a TrafficHold: whether it is accepted, attached, and ready.

Owns which fact is told first, and the words. Must not know what is done about it, nor who scales.
No I/O, no clock.
"""

from collections.abc import Sequence
from typing import NamedTuple, assert_never

from controller.facts import Facts, Missing
from controller.services import Problem
from controller.subsets import unheld_subsets
from crds.condition import Accepted, Attached, Ready, Reason, Status, status_of
from crds.v1alpha1.traffichold import WakeOutcome

OF_ONE = frozenset({Attached.NOT_READY_COUNTED, Attached.SUBSET_NOT_HELD})
"""Reasons why requests for one workload are not held, though those for others are."""

_NO_REPORTS = (
    "no Envoy reports its requests, so that nothing is put to sleep: is {} the mesh's root "
    "namespace, where Layby's EnvoyFilter is, is that for the right revision, and can Envoys reach "
    "the hold servers? Without a single request in the mesh it looks the same"
)


class Judgement(NamedTuple):
    """A condition's reason, and what a person reads."""

    reason: Reason
    message: str = ""

    @property
    def is_false(self) -> bool:
        """Whether the condition does not hold."""
        return status_of(self.reason) is Status.FALSE


class Judgements(NamedTuple):
    """All conditions of a TrafficHold."""

    accepted: Judgement
    attached: Judgement
    scaler: Judgement
    ready: Judgement


def judge_all(facts: Facts, advice: Sequence[str], scaler: Judgement) -> Judgements:
    """Judge all. `advice` is what a user has to do about endpoints that are not ready."""
    return _summed_up(facts, accepted(facts), attached(facts, advice), scaler)


def accepted(facts: Facts) -> Judgement:
    """Judge whether the spec can be carried out."""
    if isinstance(facts.target, Missing):
        return Judgement(facts.target.reason, facts.target.message)
    loss = facts.loss
    if loss and not loss.service:
        return Judgement(Accepted.TARGET_CONFLICT, str(loss))
    if troubles := facts.leading.troubles:
        return Judgement(_reason(troubles[0].problem), "; ".join(map(str, troubles)))
    if loss:
        return Judgement(Accepted.SERVICE_CONFLICT, str(loss))
    names = ", ".join(service.name for service in facts.leading.services)
    skipped = "".join(f"; not held, nor counted: {each}" for each in facts.leading.skipped)
    return Judgement(Accepted.ACCEPTED, f"holds {names}{_uncounted(facts)}{skipped}")


def _uncounted(facts: Facts) -> str:
    """Name the ports whose connections do not keep the workload up: Envoy sees no request there."""
    services = facts.leading.services
    ports = [f"{each.name}:{port}" for each in services for port in each.other_ports]
    return f", but not {', '.join(ports)}: not HTTP, and not counted" if ports else ""


def attached(facts: Facts, advice: Sequence[str]) -> Judgement:
    """Judge whether the proxies hold requests."""
    if facts.gate.is_open:
        return Judgement(facts.gate.reason, facts.gate.message)
    if advice:
        return Judgement(
            Attached.NOT_READY_COUNTED,
            "while a pod starts, requests get 503: istiod sends endpoints that are not ready. "
            + "\n".join(advice),
        )
    if unheld := unheld_subsets(facts):
        return Judgement(Attached.SUBSET_NOT_HELD, "\n".join(unheld))
    if facts.hold.spec.dry_run:
        return Judgement(Attached.DRY_RUN, "spec.dryRun is set: requests are let through")
    if facts.is_unreported and facts.gate.reason is Attached.UNVERIFIED:
        return Judgement(Attached.NO_REPORTS, _NO_REPORTS.format(facts.mesh.root_namespace))
    return Judgement(facts.gate.reason, facts.gate.message)


def _summed_up(
    facts: Facts, accepted: Judgement, attached: Judgement, scaler: Judgement
) -> Judgements:
    if accepted.is_false:
        ready = Judgement(Ready.NOT_ACCEPTED, accepted.message)
    elif attached.reason is Attached.DRY_RUN:
        ready = Judgement(Ready.DRY_RUN, attached.message)
    elif attached.is_false:
        ready = Judgement(Ready.NOT_ATTACHED, "some requests are not held: see Attached")
    elif scaler.is_false:
        ready = Judgement(Ready.SCALER_NOT_READY, scaler.message)
    else:
        ready = _running(facts)
    return Judgements(accepted, attached, scaler, ready)


def _running(facts: Facts) -> Judgement:
    wake = facts.last_wake
    if wake and wake.outcome is WakeOutcome.FAILED and not facts.ready_endpoints:
        return Judgement(Ready.WAKE_FAILED, "the last wake failed: see the Events of the pods")
    held = "requests are held whenever the workload has no ready endpoint"
    if facts.demand_refused:
        held += f"; nothing is put to sleep, for a hold server says that {facts.demand_refused}"
    return Judgement(Ready.READY, held)


def _reason(problem: Problem) -> Accepted:
    match problem:
        case Problem.SERVICE_NOT_FOUND:
            return Accepted.SERVICE_NOT_FOUND
        case Problem.NO_SERVICE:
            return Accepted.NO_SERVICES
        case (
            Problem.SERVICE_WITHOUT_SELECTOR
            | Problem.EXTERNAL_NAME
            | Problem.HEADLESS
            | Problem.NOT_HTTP
            | Problem.OTHER_PODS
        ):
            return Accepted.SERVICE_UNSUPPORTED
        case _:
            assert_never(problem)
