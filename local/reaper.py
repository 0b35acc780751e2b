"""The guard's program: once layby is gone, for whatever reason, end everything that it started.

Run by its path with `-I -S`, to start at once: the standard library only, no other module of
ours. Must not know workloads, only process groups and a marker in the environment.
"""
# ruff: noqa: PTH106, PTH108, PTH112, PTH114, PTH119, PTH123, PTH208
# pathlib would add half to the start time

import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

READY = b"ready\n"
PROC = "/proc"
SCRATCH_PREFIX = "layby-"
_PAUSE_SECONDS = 0.02
_QUIET_SECONDS = 0.1
_KILL_SECONDS = 5.0
_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Stat(NamedTuple):
    """A process as the kernel lists it; `started` tells it from a later one with its number."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    started: int

    @property
    def alive(self) -> bool:
        """Neither a zombie nor dead: where init does not reap, an orphan stays a zombie."""
        return self.state not in "ZX"

    def signal(self, number: int) -> None:
        """Signal it, unless it has gone meanwhile."""
        now = stat(self.pid)
        if now is not None and now.started == self.started:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, number)


class Group(NamedTuple):
    """A process group, and when its leader started (None: it had gone, or there is no /proc)."""

    pgid: int
    started: int | None

    @classmethod
    def led_by(cls, pid: int) -> "Group":
        """Describe the group of a process that was started as its leader."""
        leader = stat(pid)
        return cls(pid, leader.started if leader else None)

    def is_same(self) -> bool:
        """Tell whether the number still is this group's, not that of a later one.

        The kernel gives no number away while a group has it, so without a leader it is this
        group or none.
        """
        leader = stat(self.pgid)
        return leader is None or leader.started == self.started

    def signal(self, number: int) -> None:
        """Signal all members at once: none can fork its way out."""
        if self.is_same():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pgid, number)

    def is_alive(self) -> bool:
        """Tell whether a member is left; a zombie does not count where /proc can tell."""
        try:
            os.killpg(self.pgid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        if not os.path.isdir(PROC):
            return True
        return self.is_same() and any(p.alive for p in processes() if p.group == self.pgid)


def stat(pid: int) -> Stat | None:
    """Look at one process; None if there is none, or no /proc."""
    try:
        with open(f"{PROC}/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    fields = text[text.rindex(b")") + 2 :].split()  # the name before may hold blanks and brackets
    parent, group, session = (int(field) for field in fields[1:4])
    return Stat(pid, fields[0].decode(), parent, group, session, int(fields[19]))


def processes() -> Iterator[Stat]:
    """List all processes that can be seen."""
    for name in os.listdir(PROC):
        if name.isdecimal() and (found := stat(int(name))):
            yield found


class Hunt:
    """The search for what a run has left behind, in rounds until nothing is left.

    One look is not enough: processes fork while they are looked for, and one may be between its
    fork and its exec, when it does not carry the marker yet.
    """

    def __init__(
        self,
        groups: Iterable[Group],
        marker: str,
        *,
        by_process: bool = os.path.isdir(PROC),
        quiet_seconds: float = _QUIET_SECONDS,
    ) -> None:
        self._groups = tuple(groups)
        self._marker = marker.encode()
        self._by_process = by_process
        self._quiet_seconds = quiet_seconds
        self._polite_until = self._end = self._last_seen = 0.0
        self._known: set[tuple[int, int]] = set()
        self._asked: set[Group | tuple[int, int]] = set()

    def run(self, grace_seconds: float) -> bool:
        """End everything, politely first; tell whether nothing is left."""
        self.begin(grace_seconds)
        while (cleared := self.round()) is None:
            time.sleep(_PAUSE_SECONDS)
        return cleared

    def begin(self, grace_seconds: float) -> None:
        """Count the grace from now on."""
        self._last_seen = time.monotonic()
        self._polite_until = self._last_seen + grace_seconds
        self._end = self._polite_until + _KILL_SECONDS

    def round(self) -> bool | None:
        """Look and signal once; tell in the end whether nothing is left, before that None."""
        now = time.monotonic()
        left = self.look()
        if left:
            self._last_seen = now
        elif now >= self._last_seen + self._quiet_seconds:
            return True
        if now >= self._end:
            return False
        if now < self._polite_until:
            self._ask(left)
        else:
            self._kill(left)
        return None

    def look(self) -> list[Stat] | list[Group]:
        """Find what is alive: members of the groups and their sessions, the marked, all below."""
        if not self._by_process:
            return [group for group in self._groups if group.is_alive()]
        seen = list(processes())
        numbers = {group.pgid for group in self._groups if group.is_same()}
        found = {p.pid for p in seen if self._is_ours(p, numbers)}
        while below := {p.pid for p in seen if p.parent in found} - found:
            found |= below
        found.discard(os.getpid())
        ours = [p for p in seen if p.pid in found and p.alive]
        self._known.update((p.pid, p.started) for p in ours)
        return ours

    def _is_ours(self, process: Stat, numbers: set[int]) -> bool:
        return (
            process.group in numbers
            or process.session in numbers
            or (process.pid, process.started) in self._known
            or self._marker in _environment(process.pid)
        )

    def _ask(self, left: list[Stat] | list[Group]) -> None:
        for target in left:  # once each: many programs take a second SIGTERM for impatience
            key = target if isinstance(target, Group) else (target.pid, target.started)
            if key not in self._asked:
                self._asked.add(key)
                target.signal(signal.SIGTERM)

    def _kill(self, left: list[Stat] | list[Group]) -> None:
        for target in (*self._groups, *left):
            target.signal(signal.SIGKILL)


def _environment(pid: int) -> list[bytes]:
    try:
        with open(f"{PROC}/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:  # gone, or another user's
        return []


def listen(lines: Iterable[bytes]) -> set[Group]:
    """Follow `+pgid started` and `-pgid` lines to their end; return the groups that remain."""
    groups: dict[int, Group] = {}
    for line in lines:
        try:
            pgid, *started = (int(word) for word in line[1:].split())
        except ValueError:  # cut short by layby's death
            continue
        if line.startswith(b"-"):
            groups.pop(pgid, None)
        elif pgid > 1:  # 0 and 1 would be the guard's own group, and everybody's
            groups[pgid] = Group(pgid, started[0] if started else None)
    return set(groups.values())


def remove_scratch(folder: str) -> None:
    """Remove layby's scratch folder and the files in it; a folder of any other kind stays."""
    if not os.path.basename(folder).startswith(SCRATCH_PREFIX) or os.path.islink(folder):
        return
    with suppress(OSError):  # layby has done it already, or there is a folder in it, not by layby
        with os.scandir(folder) as entries:
            files = [entry.path for entry in entries if not entry.is_dir(follow_symlinks=False)]
        for file in files:
            os.unlink(file)
        os.rmdir(folder)


def main() -> None:
    """Wait for the end of standard input, then hunt.

    `reaper.py NAME=MARKER GRACE_SECONDS [SCRATCH_FOLDER]`.
    """
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")  # keep no file system busy
    marker, grace_seconds = sys.argv[1], float(sys.argv[2])
    with suppress(OSError):  # layby may be gone already
        os.write(sys.stdout.fileno(), READY)
    groups = listen(sys.stdin.buffer)
    cleared = Hunt(groups, marker).run(grace_seconds)
    for folder in sys.argv[3:]:  # after the hunt: nobody is left to write to it
        remove_scratch(folder)
    sys.exit(0 if cleared else 1)


if __name__ == "__main__":
    main()
