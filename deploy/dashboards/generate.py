"""Write the dashboards' JSON: `python -m deploy.dashboards.generate`; or `--check` that it is so.

Owns where they are: in the chart, which makes ConfigMaps of them, and from where they are imported
by hand. Must not know what they show.
"""

import json
import sys
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.dashboards import layby, overview, workload
from deploy.files import stale, write

PLACE: Final = Path(__file__).parents[1] / "helm" / "layby" / "files" / "dashboards"
BUILDERS: Final = (overview.build, workload.build, layby.build)


def render() -> dict[Path, str]:
    """Return the files; each is named by its dashboard's uid."""
    files = {}
    for build in BUILDERS:
        made = build().build()
        text = json.dumps(made, cls=JSONEncoder, indent=1, sort_keys=True)
        files[PLACE / f"{made.uid}.json"] = f"{text}\n"
    return files


def main() -> None:
    """Write the files, or with `--check` exit with what is wrong with them."""
    wanted, there = render(), [*PLACE.glob("*.json")]
    if "--check" in sys.argv[1:]:
        if found := stale(wanted, there):
            names = ", ".join(path.name for path in found)
            raise SystemExit(f"{names}: stale, run python -m deploy.dashboards.generate")
        return
    write(wanted, there)
    print(f"{len(wanted)} dashboards written to {PLACE}")


if __name__ == "__main__":
    main()
