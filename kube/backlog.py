"""Which key is to be worked on next: each once, none twice at a time, the failed ones later.

Owns the order and the delays. Must not know what the work is. No I/O, no clock: time is an
argument.
"""

import heapq
import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kube.backoff import Backoff

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Retry:
    """How long a key waits after work on it has failed."""

    first_seconds: float = 0.1
    longest_seconds: float = 60.0
    random: Callable[[], float] = random.random


class Backlog(Generic[K]):
    """The keys that wait, and those that are being worked on."""

    def __init__(self, retry: Retry | None = None) -> None:
        self._retry = retry or Retry()
        self._ready: dict[K, None] = {}  # the keys, first come first
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._entries = 0
        self._running: set[K] = set()
        self._again: set[K] = set()
        self._backoffs: dict[K, Backoff] = {}

    def __repr__(self) -> str:
        return f"<Backlog {self.ready} ready, {self.delayed} delayed, {self.running} running>"

    @property
    def ready(self) -> int:
        """How many keys can be taken, or will be once the work on them that goes on is done."""
        return len(self._ready) + len(self._again)

    @property
    def delayed(self) -> int:
        """How many keys wait for their time."""
        return len(self._due)

    @property
    def running(self) -> int:
        """How many keys are being worked on."""
        return len(self._running)

    def failures(self, key: K) -> int:
        """How often in a row work on a key has failed."""
        backoff = self._backoffs.get(key)
        return backoff.failures if backoff else 0

    def add(self, key: K) -> None:
        """Have a key worked on as soon as may be, though it waits for its time."""
        self._due.pop(key, None)
        if key in self._running:
            self._again.add(key)
        else:
            self._ready.setdefault(key)

    def add_at(self, key: K, time: float) -> None:
        """Have a key worked on at a time, unless it is due earlier.

        Work that begins meanwhile is taken for it: whoever works on a key decides each time anew
        when to look again.
        """
        if key in self._ready or key in self._again or time >= self._due.get(key, time + 1):
            return
        self._due[key] = time
        self._entries += 1
        heapq.heappush(self._heap, (time, self._entries, key))

    def take(self, now: float) -> K | None:
        """Begin with the key whose turn it is."""
        self._ripen(now)
        if not self._ready:
            return None
        key = next(iter(self._ready))
        del self._ready[key]
        self._running.add(key)
        return key

    def next_due(self) -> float | None:
        """When a key will be ready that is not now."""
        while self._heap and self._is_stale(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def done(self, key: K) -> None:
        """Work on a key has ended well."""
        self._backoffs.pop(key, None)
        self._finish(key)

    def failed(self, key: K, now: float, at_least: float = 0.0) -> float:
        """Work on a key has failed; return the seconds until it is tried again.

        That is at once if the key was added meanwhile, for then there is news.
        """
        backoff = self._backoffs.get(key)
        if backoff is None:
            retry = self._retry
            backoff = Backoff(retry.first_seconds, retry.longest_seconds, retry.random)
            self._backoffs[key] = backoff
        delay = max(backoff.next(), at_least)
        if self._finish(key):
            return 0.0
        self.add_at(key, now + delay)
        return delay

    def _finish(self, key: K) -> bool:
        self._running.remove(key)
        again = key in self._again
        if again:
            self._again.remove(key)
            self._ready.setdefault(key)
        return again

    def _ripen(self, now: float) -> None:
        while (due := self.next_due()) is not None and due <= now:
            _, _, key = heapq.heappop(self._heap)
            self.add(key)

    def _is_stale(self, entry: tuple[float, int, K]) -> bool:
        time, _, key = entry
        return self._due.get(key) != time
