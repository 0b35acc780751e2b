"""The benchmark of the hold: `python -m bench.hold` prints a table and one line of JSON.

Needs Linux and the `local` extra. With the default counts it takes about five minutes.
"""

import argparse
import asyncio
import json
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import direct, through, warm

LIMIT_SECONDS = 600.0
COMPARISONS = frozenset({"reports", "warm"})
LEAVING = 1000
LEAVING_RUNS = 10


async def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run the chosen parts one after the other."""
    parts = {
        "direct": lambda: direct.measure(args.count),
        "reports": lambda: direct.reports(args.count, args.rounds),
        "burst": lambda: through.burst(args.count),
        "single": lambda: through.single(args.runs),
        "leave": lambda: through.leave(LEAVING, LEAVING_RUNS),
        "warm": lambda: warm.measure(args.rounds, args.seconds),
    }
    results: dict[str, Any] = {}
    for name in args.parts or parts:
        sys.stderr.write(f"{name} ...\n")
        async with asyncio.timeout(LIMIT_SECONDS):
            results[name] = await parts[name]()
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
    parts = ["direct", "reports", "burst", "single", "leave", "warm"]
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help=f"of {', '.join(parts)}")
    parser.add_argument("--count", type=int, default=10_000, help="requests parked at once")
    parser.add_argument("--runs", type=int, default=50, help="single cold starts")
    parser.add_argument(
        "--rounds", type=int, default=5, help="interleaved rounds of reports and warm"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round's part")
    args = parser.parse_args()
    results = asyncio.run(run(args))
    for table in tabulate(results):
        Console(stderr=True).print(table)
    print(json.dumps(results))


if __name__ == "__main__":
    main()
