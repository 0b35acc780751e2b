"""One look at one TrafficHold: facts, plan, effects.

Owns what is asked and remembered for it. Must not decide anything, nor know who calls.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from controller import unreadable
from controller.demand import DemandSource
from controller.destination_rule import name_of
from controller.dry_run import begun
from controller.effects import Effects, Subject
from controller.facts import FINALIZER, Facts, Gate, Missing, Target
from controller.facts import Keda as Presence
from controller.keda import Keda
from controller.looks import Look
from controller.memory import Memory
from controller.overlay import version_of
from controller.plan import plan
from controller.rule import Rule
from controller.scaled_object import ScaledObject, Scaler
from controller.scaled_object import name_of as scaled_name
from controller.scaled_objects import ScaledObjects
from controller.services import Leading, Service
from controller.sleep import UNKNOWN_SECONDS
from controller.status import invalid, write_in
from controller.steps import Plan, sooner
from controller.targets import Targets
from controller.workload import TargetKey, Workload
from controller.world import World
from crds.resource import InvalidResourceError
from crds.v1alpha1 import TrafficHold
from crds.v1alpha1.traffichold import TrafficHoldStatus
from kube.resource import Key, Object
from telemetry.control import ControlRecorder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """What is asked, beside the world."""

    demand: DemandSource
    gate: Callable[[], Gate]
    keda: Keda
    scaler: Scaler
    scaled_objects: ScaledObjects


class HoldReconciler:
    """Looks at TrafficHolds, at each in one task at a time."""

    def __init__(
        self,
        world: World,
        targets: Targets,
        effects: Effects,
        sources: Sources,
        control: ControlRecorder,
    ) -> None:
        self._world = world
        self._targets = targets
        self._effects = effects
        self._sources = sources
        self._control = control
        self._memories: dict[Key, Memory] = {}
        self.looks: dict[Key, Look] = {}
        """What was found last, by TrafficHold."""

    async def reconcile(self, key: Key) -> float | None:
        """Bring about what a TrafficHold wants; return the seconds after which to look again.

        Raises:
            KubeError: not all of it could be done.
        """
        stored = self._world.hold(key)
        if stored is None:
            self._memories.pop(key, None)
            self._world.forget()
            self._sources.demand.forget(key)
            self.looks.pop(key, None)
            return None
        if (unseen := self._world.unseen_in(key.namespace)) is not None:
            # What is there, asleep perhaps, is kept as it is.
            raise unseen
        memory = self._memories.setdefault(key, Memory())
        version = version_of(stored)
        item = self._effects.holds.get(key, version, _now()) or stored
        try:
            hold = TrafficHold.parse(item, unknown="ignore")
        except InvalidResourceError as error:
            subject = Subject(item, version, memory)
            if unreadable.is_leaving(item):
                return await self._let_go(subject)
            await self._refuse(subject, error)
            return None
        target = await self._targets.find(key.namespace, hold.spec.target_ref, held=_is_held(item))
        resource = await self._targets.resource(hold.spec.target_ref)
        workload = None if isinstance(target, Missing) else target
        subject = Subject(item, version, memory, workload, resource)
        facts = self._facts(item, hold, target, memory)
        made = plan(facts, _wall())
        memory.heard(facts.demand.last_wake if facts.demand else None, facts.last_wake)
        self._rehearsed(key, facts, made, memory)
        self._report(key, facts, made)
        again = await self._effects.carry_out(made, subject)
        # Of the first report nobody tells whom nobody has asked for.
        is_silent = facts.is_unreported or facts.demand_refused
        first_report = UNKNOWN_SECONDS if is_silent else None
        return sooner(again, memory.retry_after(_now()), first_report)

    def _facts(self, item: Object, hold: TrafficHold, target: Target, memory: Memory) -> Facts:
        """Gather, in one turn of the loop, so that all of it is of one moment."""
        world, sources, now = self._world, self._sources, _now()
        key = Key(hold.metadata.namespace, hold.metadata.name)
        demand = sources.demand.demand(key)
        leading, replicas, key_of_target = Leading(), 0, None
        neighbours: dict[str, tuple[Workload, ...]] = {}
        if not isinstance(target, Missing):
            leading = world.leading(item, target.pod_labels)
            key_of_target = target.key
            neighbours = {s.name: world.neighbours(s, target.key) for s in leading.services}
            replicas = self._replicas(target)
        ready = world.ready_endpoints(leading.services)
        return Facts(
            hold=hold,
            has_finalizer=_has_finalizer(item),
            target=target,
            replicas=replicas,
            leading=leading,
            neighbours=neighbours,
            loss=world.loss(item, leading.services),
            rules=self._rules(item, leading.services),
            ready_endpoints=ready,
            ready_for=memory.seen_ready(ready, now),
            demand=demand,
            demand_refused=sources.demand.refusal,
            gate=sources.gate(),
            mesh=world.mesh,
            keda=sources.keda.presence_in(key.namespace),
            keda_trouble=sources.keda.trouble_in(key.namespace),
            scaled_objects=self._scaled_objects(item, key_of_target),
            scaler=sources.scaler,
            rejections=memory.rejections(now),
            scale_refused=memory.refusal(now),
            up_for=memory.seen(replicas, now),
            sheds=memory.shed(demand, now),
            exact_wake=memory.exact_wake,
            rehearsal=memory.rehearsal,
            status_age=now - memory.wrote_at,
        )

    def _replicas(self, workload: Workload) -> int:
        written = self._effects.replicas.get(workload.key, workload.version, _now())
        return written if written is not None else workload.replicas or 0

    def _rehearsed(self, key: Key, facts: Facts, made: Plan, memory: Memory) -> None:
        """Remember what would have been, and count it."""
        before, now = memory.rehearsal, made.rehearsal
        memory.rehearsal = now
        # The first request ends it, however soon that is over.
        self._sources.demand.watch(key, on=now is not None and now.asleep)
        if now:
            # The first look already may find one that would be put to sleep.
            before = before or begun(facts.hold.status.dry_run, now.at, 0)
            sleeps, requests = now.sleeps - before.sleeps, now.requests - before.requests
            self._control.rehearsed(key, sleeps, requests)
        self._control.would_save(key, facts.replicas if now and now.asleep else 0)

    def _report(self, key: Key, facts: Facts, made: Plan) -> None:
        """Say how it stands, to whoever counts, and keep it for whoever reads."""
        self.looks[key] = Look.at(facts, made)
        if made.reason is not None:
            self._control.decided(key, made.reason)
        if isinstance(facts.target, Missing):
            self._control.missed(key)
        else:
            cores = facts.target.cores * facts.hold.spec.wake.replicas
            self._control.saw(key, facts.replicas, cores)
        self._report_status(key, made.status or facts.hold.status)

    def _report_status(self, key: Key, status: TrafficHoldStatus) -> None:
        for each in status.conditions:
            self._control.condition(key, each.type, each.status)

    def _rules(self, item: Object, services: Iterable[Service]) -> tuple[Rule, ...]:
        services = tuple(services)
        items = self._world.rules(item, services)
        for service in services:
            key = Key(service.namespace, name_of(service.name))
            stored = self._world.rule(key)
            ours = self._effects.rules.get(key, version_of(stored), _now()) or stored
            if ours is not None:
                items[key] = ours
        return tuple(Rule.read(each, self._world.mesh) for each in items.values())

    def _scaled_objects(self, item: Object, target: TargetKey | None) -> tuple[ScaledObject, ...]:
        metadata = item["metadata"]
        if self._sources.keda.presence_in(metadata["namespace"]) is not Presence.THERE:
            return ()
        items = self._world.scaled_objects(item, target)
        # One that was made just now may not be there yet.
        for key in {*items, Key(metadata["namespace"], scaled_name(metadata["name"]))}:
            version = version_of(items.get(key))
            written = self._sources.scaled_objects.written.get(key, version, _now())
            if written is not None:
                items[key] = written
        return tuple(ScaledObject.read(items[key]) for key in sorted(items))

    async def _let_go(self, subject: Subject) -> float | None:
        """Let go of a TrafficHold that is being deleted and cannot be read."""
        workload, replicas = None, 0
        if (ref := unreadable.target_ref(subject.hold)) is not None:
            target = await self._targets.find(subject.key.namespace, ref)
            if not isinstance(target, Missing):
                workload, replicas = target, self._replicas(target)
                resource = await self._targets.resource(ref)
                subject = replace(subject, workload=workload, resource=resource)
        made = unreadable.last_plan(workload, replicas, subject.memory.refusal(_now()))
        return await self._effects.carry_out(made, subject)

    async def _refuse(self, subject: Subject, error: InvalidResourceError) -> None:
        item = subject.hold
        current = unreadable.read_status(item)
        message = "; ".join(map(str, error.problems))
        generation = item["metadata"].get("generation", 0)
        wanted = invalid(current, message, generation=generation, now=_wall())
        self._report_status(subject.key, wanted)
        if write_in(current, wanted, 0.0) == 0.0:
            log.warning("%s/%s is invalid: %s", *subject.key, message)
            await self._effects.write_status(wanted, subject)


def _has_finalizer(item: Object) -> bool:
    return FINALIZER in (item["metadata"].get("finalizers") or ())


def _is_held(item: Object) -> bool:
    """Whether there is what must not be undone only because its target cannot be seen."""
    return _has_finalizer(item) and "deletionTimestamp" not in item["metadata"]


def _now() -> float:
    return asyncio.get_running_loop().time()


def _wall() -> datetime:
    return datetime.now(UTC)
