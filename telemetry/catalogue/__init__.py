"""Every metric there is, and what to do when it moves; `docs/reference/metrics.md` is made from it.

Owns the list. Must not know who measures. Pure.
"""

from typing import Final

from telemetry.catalogue import controlling, holding, scaling
from telemetry.metric import Metric

METRICS: Final[tuple[Metric, ...]] = tuple(
    value
    for module in (holding, scaling, controlling)
    for value in vars(module).values()
    if isinstance(value, Metric)
)
"""In the order in which the reference page shows them."""
