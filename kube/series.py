"""Which Event tells of something that has happened: a new one, or one more of the same.

Owns the aggregation. No I/O, no clock: time is an argument. Must not know why it happened.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

WINDOW_SECONDS = 600.0
"""What happens again sooner is one more of the same."""
NOTES = 5
"""So many texts of one topic are told in a window; one that keeps changing tells no more."""
_TOPICS = 5_000


class Topic(NamedTuple):
    """What has happened, but for the text."""

    uid: str
    """Of the object that it happened to."""
    warning: bool
    reason: str
    action: str


class Step(NamedTuple):
    """What shall be written down: an Event, and how often it has happened."""

    event: str
    total: int


@dataclass(slots=True)
class _Told:
    event: str
    total: int
    last: float


class Series:
    """The Events of the last while."""

    def __init__(self, new_name: Callable[[], str]) -> None:
        self._new_name = new_name
        self._told: OrderedDict[Topic, OrderedDict[str, _Told]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._told)

    def next(self, topic: Topic, note: str, now: float) -> Step:
        """Count something that has happened."""
        self._told.setdefault(topic, OrderedDict())
        self._told.move_to_end(topic)
        self._expire(now)
        notes = self._told[topic]
        if note not in notes and len(notes) >= NOTES:
            note = next(reversed(notes))
        told = notes.setdefault(note, _Told("", 0, now))
        told.event = told.event or self._new_name()
        told.total += 1
        told.last = now
        notes.move_to_end(note)
        return Step(told.event, told.total)

    def forget(self, event: str) -> None:
        """Begin anew: this Event is not there any more."""
        for notes in self._told.values():
            for note in [note for note, told in notes.items() if told.event == event]:
                del notes[note]

    def _expire(self, now: float) -> None:
        # The topics are in the order of their last time, and so are the notes of each.
        for notes in list(self._told.values()):
            while notes and next(iter(notes.values())).last <= now - WINDOW_SECONDS:
                notes.popitem(last=False)
            if notes:
                break
        while len(self._told) > 1 and self._is_over():
            self._told.popitem(last=False)

    def _is_over(self) -> bool:
        return len(self._told) > _TOPICS or not next(iter(self._told.values()))
