"""The benchmark of the hold: `python -m bench.hold` prints a table and one line of JSON.

Needs Linux and the `local` extra. With the default counts it takes about five minutes.
"""

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import direct, logs, through, warm
from bench.figures import exceeded

LIMIT_SECONDS = 600.0
COMPARISONS = frozenset({"reports", "warm"})
BOUNDS: dict[str, dict[str, tuple[float, float]]] = {
    "direct": {"lost": (0, 0), "parks_per_cpu_second": (2000, math.inf)},
    "burst": {
        "lost": (0, 0),
        "rss_kb_per_parked": (0, 30),
        "server_release_seconds": (0, 1.5),
    },
    "single": {"after_endpoint_ms_p99": (0, 50)},
    "leave": {"freed_ms_p50": (0, 100)},
}
"""For 10,000 parked; of a machine that is slow, `share_of_bare` tells more than the second."""
LEAVING = 1000
LEAVING_RUNS = 10
PARTS: dict[str, Callable[[argparse.Namespace], Awaitable[dict[str, Any]]]] = {
    "direct": lambda args: direct.measure(args.count),
    "reports": lambda args: direct.reports(args.count, args.rounds),
    "logs": lambda args: logs.measure(args.count * 10),
    "burst": lambda args: through.burst(args.count),
    "single": lambda args: through.single(args.runs),
    "leave": lambda _: through.leave(LEAVING, LEAVING_RUNS),
    "warm": lambda args: warm.measure(args.rounds, args.seconds),
}


async def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run the chosen parts one after the other."""
    results: dict[str, Any] = {}
    for name in args.parts or PARTS:
        sys.stderr.write(f"{name} ...\n")
        async with asyncio.timeout(LIMIT_SECONDS):
            results[name] = await PARTS[name](args)
    return results


def tabulate(results: dict[str, Any]) -> list[Table]:
    """Return one table per part."""
    tables: list[Table] = []
    for name, figures in results.items():
        rows = figures if name in COMPARISONS else {"": figures}
        table = Table("figure", *rows, title=name, title_justify="left")
        for figure in next(iter(rows.values())):
            table.add_row(figure, *(str(column[figure]) for column in rows.values()))
        tables.append(table)
    return tables


def main() -> None:
    """Parse the arguments, measure, report."""
    parser = argparse.ArgumentParser(prog="bench.hold", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"of {', '.join(PARTS)}")
    parser.add_argument("--count", type=int, default=10_000, help="requests parked at once")
    parser.add_argument("--runs", type=int, default=50, help="single cold starts")
    parser.add_argument(
        "--rounds", type=int, default=5, help="interleaved rounds of reports and warm"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round's part")
    parser.add_argument("--check", action="store_true", help="fail beyond the project's bounds")
    args = parser.parse_args()
    results = asyncio.run(run(args))
    for table in tabulate(results):
        Console(stderr=True).print(table)
    print(json.dumps(results))
    beyond = [
        f"{part}: {what}"
        for part, figures in results.items()
        for what in exceeded(figures, BOUNDS.get(part, {}))
    ]
    if args.check and beyond:
        sys.exit("\n".join(beyond))


if __name__ == "__main__":
    main()
