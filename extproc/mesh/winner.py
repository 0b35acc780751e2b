"""Who scaled a workload from zero, if it was not this hold server: by what the API remembers.

Must not know what that is told for. Pure.
"""

from collections.abc import Mapping
from typing import Any

from kube.client import FIELD_MANAGER
from kube.resource import Object
from telemetry.cold_start import Winner


def winner(target: Object | None) -> Winner:
    """Return who last changed how many replicas there shall be.

    Another hold server writes under the same name as this one. Where the target cannot be read, it
    is taken for an autoscaler's doing.
    """
    entries = (target or {}).get("metadata", {}).get("managedFields") or ()
    ours = any(each.get("manager") == FIELD_MANAGER and _scales(each) for each in entries)
    return Winner.PEER if ours else Winner.AUTOSCALER


def _scales(entry: Mapping[str, Any]) -> bool:
    return "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
