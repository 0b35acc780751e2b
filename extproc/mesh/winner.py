"""Who scaled a workload from zero, and when: by what the API remembers.

Must not know what that is told for. Pure.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from kube.client import FIELD_MANAGER
from kube.resource import Object
from telemetry.cold_start import Winner


def winner(target: Object | None) -> Winner:
    """Return who last changed how many replicas there shall be, if not this hold server.

    Another hold server writes under the same name as this one. Where the target cannot be read, it
    is taken for an autoscaler's doing.
    """
    ours = any(each.get("manager") == FIELD_MANAGER for each in _scalings(target or {}))
    return Winner.PEER if ours else Winner.AUTOSCALER


def scaled_at(target: Object) -> datetime | None:
    """Return when somebody last said how many replicas there shall be, if that is remembered."""
    times = (each["time"] for each in _scalings(target) if "time" in each)
    return max(map(datetime.fromisoformat, times), default=None)


def _scalings(target: Object) -> Iterable[Mapping[str, Any]]:
    entries = target.get("metadata", {}).get("managedFields") or ()
    return [
        each
        for each in entries
        if "f:replicas" in ((each.get("fieldsV1") or {}).get("f:spec") or {})
    ]
