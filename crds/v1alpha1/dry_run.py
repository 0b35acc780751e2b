"""What would have been, for as long as spec.dryRun is set: a part of a TrafficHold's status.

Must not know how it is reckoned.
"""

from typing import Annotated, Final

from pydantic import Field

from crds.duration import Between
from crds.model import Model, Timestamp

MOST_SECONDS: Final = 99_999 * 3600
"""Some eleven years of one replica."""


class DryRun(Model):
    """What would have been, if spec.dryRun were not set."""

    since: Timestamp
    """From when on it is counted."""
    asleep: bool = False
    """Whether the workload would be asleep."""
    sleeps: Annotated[int, Field(ge=0)] = 0
    """How often the workload would have been put to sleep."""
    requests: Annotated[int, Field(ge=0)] = 0
    """About how many requests would have waited for it to start: those that came within the time of
    its last start, or five seconds if none was seen."""
    saved: Annotated[float, Between("0s", "99999h")] = 0.0
    """The time for which replicas would not have run, of all together: two replicas asleep for an
    hour are 2h. Written now and then."""
