"""The few statistics that the benchmarks report."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TICKS = 100
"""Clock ticks per second in /proc/PID/stat (`getconf CLK_TCK`: 100 on every Linux in use)."""


def quantile(values: Sequence[float], q: float) -> float:
    """Return the smallest value that at least the share `q` of `values` does not exceed."""
    return sorted(values)[max(0, math.ceil(q * len(values)) - 1)]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the least-squares line through `points`."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    across = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / across


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def exceeded(figures: Mapping[str, Any], bounds: Mapping[str, tuple[float, float]]) -> list[str]:
    """Name the figures that are not between the two bounds they are given; both are allowed."""
    return [
        f"{name} is {figures[name]}, and should be {least} to {most}"
        for name, (least, most) in bounds.items()
        if not least <= figures[name] <= most
    ]
