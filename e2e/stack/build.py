"""Have the stack's programs there before anything is timed: `python -m e2e.stack.build`.

Needs nothing but Python's own library, and Go for what is missing.
"""

import argparse
import sys

from e2e.stack.binaries import ISTIO_CRDS, KEDA_MANIFESTS, istio_crds, keda_manifests, obtain
from e2e.stack.releases import ALL, MissingError

FILES = {ISTIO_CRDS: istio_crds, KEDA_MANIFESTS: keda_manifests}


def main(arguments: list[str] | None = None) -> int:
    """Find or build what the command line names; all of it if it names nothing."""
    programs = [program for tool in ALL for program in tool.packages]
    parser = argparse.ArgumentParser(
        prog="python -m e2e.stack.build",
        description="Find, or build once from Go modules, what the tests run:"
        f" {', '.join([*programs, *FILES])}.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of these; all by default")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.names) - {*programs, *FILES}:
        parser.error(f"there is no {', '.join(sorted(unknown))}: see --help")
    try:
        for name in chosen.names or [*programs, *FILES]:
            found = FILES[name]() if name in FILES else obtain(name)
            sys.stdout.write(f"{name}: {found}\n")
    except MissingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
