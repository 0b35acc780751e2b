"""How long Envoy takes to learn of an endpoint that the hold server already sees.

A request let go too early comes back on a later chance; that is what teaches it. Seconds.
"""

from extproc.core.workload import Chance

GROWTH = 1.25
DECAY = 0.98
MIDDLE_CHANCE_FACTOR = 2.0
LEAST_MIDDLE_PAUSE = 0.25
"""Once a request has come back, its Envoy is slow: a short wait more would often be in vain, and
the last chance is a long one."""


class Settle:
    """The wait between "ready" and "let go", learnt from requests that came back.

    Args:
        first: the wait before anything has been learnt, and the shortest at any time. A wait that
            crept down to Envoy's very latency would let requests go just as its update comes, when
            its main thread already counts an endpoint that its workers do not have yet.
        ceiling: the longest wait it will learn.
        last_chance: how long an early request waits on its last chance, where patience costs a
            little time and impatience costs the request.
    """

    def __init__(self, *, first: float, ceiling: float = 2.0, last_chance: float = 5.0) -> None:
        self.ceiling = ceiling
        self._last_chance = last_chance
        self._first = first
        self.wait = first

    def came_back(self, lag: float) -> None:
        """A request was let go and came back: `lag` after "ready", Envoy still did not know."""
        self.wait = min(self.ceiling, max(self.wait, lag * GROWTH))

    def kept(self) -> None:
        """Another release is due: try a slightly shorter wait, lest one slow day last for ever."""
        self.wait = max(self._first, self.wait * DECAY)

    def pause(self, chance: Chance, since_ready: float) -> float:
        """How long to keep a request that Envoy could not route though the endpoint is ready.

        On a middle chance it is the whole wait once more, and as much again in reserve: no longer,
        for an Envoy that is a little late is far more frequent than one that is very late, and for
        that one the last chance is there, which is long.

        Args:
            chance: which of the gate's chances this is.
            since_ready: how long ago the endpoint became ready.
        """
        if chance.number == 1:
            left = self.wait - since_ready
            return left if left > 0 else self.wait
        if chance.is_last:
            return self._last_chance
        pause = max(self.wait * MIDDLE_CHANCE_FACTOR, LEAST_MIDDLE_PAUSE)
        return min(self.ceiling, pause)
