"""Events: what a person sees under `kubectl describe`.

Owns the form of the objects and their way to the API server. Must not know why anything is told,
nor ever disturb whoever tells it.
"""

import asyncio
import logging
import uuid
from collections import OrderedDict
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kube.client import Kube
from kube.errors import AlreadyExistsError, KubeError, NotFoundError
from kube.resource import EVENTS, Key, Object
from kube.series import Series, Step, Topic

PENDING = 1_000
"""Events that wait for a slow API server; what is more is lost."""
_NOTE_LENGTH = 1_000

log = logging.getLogger(__name__)


class _Entry(NamedTuple):
    about: Object
    topic: Topic
    note: str
    step: Step


class Recorder:
    """Where to tell what has happened."""

    def __init__(self, kube: Kube, controller: str, instance: str) -> None:
        """Tell it as `controller`, a name like `layby.dev/controller`, of which this is one."""
        self._kube = kube
        self._controller = controller
        self._instance = instance
        self._series = Series(lambda: uuid.uuid4().hex[:16])
        self._pending: OrderedDict[str, _Entry] = OrderedDict()
        self._changed = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()
        self._complaints: set[str] = set()
        self.lost = 0
        """How many could not be told."""

    def __repr__(self) -> str:
        return f"<Recorder {len(self._pending)} pending, {self.lost} lost>"

    def tell(
        self,
        about: Object,
        reason: str,
        note: str,
        *,
        warning: bool = False,
        action: str = "Reconcile",
    ) -> None:
        """Tell of something, at once and for certain as far as the caller is concerned.

        Args:
            about: The object that it happened to, as the API server sent it.
            reason: Why, as one word of a small set.
            note: What a person reads. Of the same text, only the number is told again.
            warning: Whether somebody had better look.
            action: What was being done, as one word.
        """
        topic = Topic(about["metadata"].get("uid", ""), warning, reason, action)
        note = note[:_NOTE_LENGTH]
        if len(self._pending) >= PENDING:
            self._lose("PendingFull", "too many wait")
            return
        step = self._series.next(topic, note, asyncio.get_running_loop().time())
        # One that waits already is told with its latest count.
        self._pending[step.event] = _Entry(about, topic, note, step)
        self._written.clear()
        self._changed.set()

    async def run(self) -> None:
        """Write down what is told, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._pending:
                _, entry = self._pending.popitem(last=False)
                try:
                    await self._write(entry)
                except KubeError as error:
                    self._series.forget(entry.step.event)
                    self._lose(error.reason, str(error))
            self._written.set()

    async def flush(self, patience: float) -> None:
        """Wait until all that was told is written or lost, but for `patience` seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._written.wait()

    async def _write(self, entry: _Entry) -> None:
        now = _time(datetime.now(UTC))
        key = _key(entry)
        if entry.step.total > 1:
            patch = {"series": {"count": entry.step.total, "lastObservedTime": now}}
            try:
                await self._kube.patch_merge(EVENTS, key, patch)
            except NotFoundError:
                # The API server keeps them for an hour; or the first of them still waited here.
                pass
            else:
                return
        try:
            await self._kube.create(EVENTS, self._event(entry, now))
        except AlreadyExistsError:
            return

    def _event(self, entry: _Entry, now: str) -> Object:
        about, topic = entry.about, entry.topic
        metadata, key = about["metadata"], _key(entry)
        regarding = {
            **{name: about[name] for name in ("apiVersion", "kind") if name in about},
            **{name: metadata[name] for name in ("namespace", "name", "uid") if name in metadata},
        }
        event: dict[str, Any] = {
            "metadata": {"namespace": key.namespace, "name": key.name},
            "eventTime": now,
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "action": topic.action,
            "reason": topic.reason,
            "regarding": regarding,
            "note": entry.note,
            "type": "Warning" if topic.warning else "Normal",
        }
        if entry.step.total > 1:
            event["series"] = {"count": entry.step.total, "lastObservedTime": now}
        return event

    def _lose(self, reason: str, message: str) -> None:
        self.lost += 1
        level = logging.DEBUG if reason in self._complaints else logging.WARNING
        self._complaints.add(reason)
        log.log(level, "an Event is lost: %s", message)


def _key(entry: _Entry) -> Key:
    # What belongs to the whole cluster has its Events in `default`.
    metadata = entry.about["metadata"]
    namespace = metadata.get("namespace") or "default"
    return Key(namespace, f"{metadata['name'][:200]}.{entry.step.event}")


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
