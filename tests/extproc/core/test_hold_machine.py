"""The hold queue under any order of events, against a model of what was promised."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from extproc.core.backend import Ticket
from extproc.core.hold import DRAINED, READY, UNMANAGED, HoldQueue
from extproc.core.outcome import Outcome
from extproc.core.settle import Settle
from extproc.core.workload import Chance, Hold, Workload, WorkloadKey
from tests.extproc.core.queues import drained

FAST, PACED, LEFT_OUT = (WorkloadKey("shop", name) for name in ("fast", "paced", "left-out"))
FAST_TOO = FAST._replace(port="fast:81")
"""Another port of the same workload."""
RATE = 2.0
BOUND = {FAST: 6, FAST_TOO: 6, PACED: 4, LEFT_OUT: 5}
BOUND_IN_ALL = 9
WORKLOADS = {
    FAST: Workload(FAST, Hold(timeout=20.0, max_pending=BOUND[FAST])),
    FAST_TOO: Workload(FAST_TOO, Hold(timeout=20.0, max_pending=BOUND[FAST_TOO])),
    PACED: Workload(PACED, Hold(timeout=20.0, max_pending=BOUND[PACED], release_rate=RATE)),
    LEFT_OUT: Workload(LEFT_OUT, Hold(timeout=20.0, max_pending=BOUND[LEFT_OUT])),
}
LONGEST_PAUSE = 5.0
ROUNDING = 1e-9
keys = st.sampled_from(list(WORKLOADS))


class Model:
    """What a workload's requests were promised."""

    def __init__(self) -> None:
        self.waiting: dict[int, Ticket] = {}
        self.ready = 0
        self.most_ready = 0
        self.up_since = 0.0
        self.released = 0


class HoldMachine(RuleBasedStateMachine):
    """Every public method in any order, at times that only grow."""

    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.queue = HoldQueue(max_pending=BOUND_IN_ALL, settle=Settle(first=0.125))
        self.models: dict[WorkloadKey, Model] = {}
        self.ended: set[int] = set()
        self.draining = False
        self.replace({FAST, FAST_TOO, PACED})

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.5, 1.0, 4.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(target=tickets, key=keys, number=st.integers(1, 3))
    def arrive(self, key, number):
        answer = self.queue.arrive(key, now=self.now, chance=Chance(number, 3))
        model = self.models.get(key)
        if isinstance(answer, Ticket):
            assert model is not None
            assert not self.draining
            assert answer.id not in self.ended
            assert answer.id not in model.waiting
            assert answer.deadline == self.now + 20.0
            assert self.on_all_ports(key) < BOUND[key]
            model.waiting[answer.id] = answer
        elif model is None:
            assert answer == UNMANAGED
        elif self.draining:
            assert answer == DRAINED
        elif answer.outcome is Outcome.SHED:
            assert self.on_all_ports(key) == BOUND[key] or self.waiting() == BOUND_IN_ALL
        elif answer.outcome is Outcome.HOPELESS:
            assert not model.ready
        else:
            assert answer == READY
            assert model.ready
        return answer

    @rule(ticket=consumes(tickets))
    def leave_once(self, ticket):
        self.leave(ticket)

    @rule(ticket=tickets)
    def leave(self, ticket):
        """Also those that have been released, told or have left before."""
        if isinstance(ticket, Ticket):
            self.queue.expire(ticket, self.now)
            self.queue.leave(ticket)
            model = self.models.get(ticket.key)
            if model and model.waiting.pop(ticket.id, None):
                self.ended.add(ticket.id)

    @rule(key=keys, ready=st.integers(0, 3))
    def endpoints_changed(self, key, ready):
        self.queue.endpoints_changed(key, ready, self.now)
        if model := self.models.get(key):
            if ready and not model.ready:
                model.up_since, model.released, model.most_ready = self.now, 0, 0
            model.ready = ready
            model.most_ready = max(model.most_ready, ready)

    @rule(key=keys, limit=st.integers(1, 10))
    def let_go(self, key, limit):
        released = self.queue.due(key, self.now, limit)
        assert len(released) <= limit
        self.end(key, released)
        if not released:
            return
        model = self.models[key]
        assert model.ready > 0
        model.released += len(released)
        if key == PACED:
            elapsed = self.now - model.up_since
            assert model.released <= RATE * model.most_ready * elapsed + 1 + ROUNDING
        parked_at_zero = [t.id for t in released if t.not_before == t.arrived]
        assert parked_at_zero == sorted(parked_at_zero)
        assert all(ticket.not_before <= self.now for ticket in released)

    @rule(key=keys)
    def fail_to_start(self, key):
        verdict, told = self.queue.start_failed(key, "exit 1", self.now)
        model = self.models.get(key)
        if model is None or model.ready:
            assert told == []
            return
        assert verdict.outcome is Outcome.HOPELESS
        assert list(model.waiting) == [ticket.id for ticket in told]
        self.end(key, told)

    @rule(managed=st.sets(keys))
    def replace(self, managed):
        gone = {ticket.id for key in self.models.keys() - managed for ticket in self.of(key)}
        orphans = self.queue.replace({key: WORKLOADS[key] for key in managed})
        assert gone == {ticket.id for ticket in orphans}
        for ticket in orphans:
            self.end(ticket.key, [ticket])
        self.models = {key: self.models.get(key) or Model() for key in managed}

    @rule(really=st.sampled_from([False] * 7 + [True]))
    def drain(self, really):
        if not really:
            return
        self.draining = True
        told = drained(self.queue)
        assert self.waiting() == len(told)
        for ticket in told:
            self.end(ticket.key, [ticket])
        assert self.waiting() == 0

    def end(self, key: WorkloadKey, tickets: list[Ticket]) -> None:
        """Note that `tickets` were handed back: each of them waited, and is never seen again."""
        for ticket in tickets:
            assert ticket.key == key
            del self.models[key].waiting[ticket.id]
            assert ticket.id not in self.ended
            self.ended.add(ticket.id)

    def of(self, key: WorkloadKey) -> list[Ticket]:
        """Who waits for a workload, oldest first."""
        return list(self.models[key].waiting.values()) if key in self.models else []

    def on_all_ports(self, key: WorkloadKey) -> int:
        """How many wait for a workload, whatever its port."""
        return sum(len(self.of(each)) for each in WORKLOADS if each[:2] == key[:2])

    def waiting(self) -> int:
        """How many wait in all."""
        return sum(len(model.waiting) for model in self.models.values())

    @invariant()
    def it_counts_right_and_keeps_its_bounds(self):
        assert self.waiting() == self.queue.pending() <= BOUND_IN_ALL
        for key in WORKLOADS:
            waiting = self.of(key)
            assert len(waiting) == self.queue.pending(key)
            assert self.on_all_ports(key) <= BOUND[key]

    @invariant()
    def it_asks_for_a_wake_or_has_somebody_due_exactly_while_somebody_waits(self):
        for key in WORKLOADS:
            waiting = bool(self.of(key))
            ready = key in self.models and self.models[key].ready > 0
            assert (waiting and not ready) == self.queue.wants_wake(key)
            assert (waiting and ready) == (self.queue.next_due(key) is not None)

    def teardown(self) -> None:
        """With endpoints and time enough, everybody who waits goes: nobody is forgotten."""
        for key in self.models:
            self.endpoints_changed(key, 1)
            limit = self.now + LONGEST_PAUSE + BOUND[key] / RATE + 1.0
            while (due := self.queue.next_due(key)) is not None:
                assert due <= limit
                self.now = max(self.now, due)
                before = self.waiting()
                self.let_go(key, 10)
                assert self.waiting() < before
        assert self.waiting() == 0


TestHoldMachine = HoldMachine.TestCase
TestHoldMachine.settings = settings(max_examples=150, stateful_step_count=50)
