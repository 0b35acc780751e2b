"""Regenerate `gen/` from `proto/`: `python -m extproc.scaler.generate` (needs grpcio-tools)."""

from pathlib import Path

from extproc import generate

HERE = Path(__file__).parent
PACKAGE = "extproc.scaler"


def render(target: Path) -> None:
    """Write the generated modules and their type stubs into `target`."""
    generate.render(HERE, PACKAGE, target)


def main() -> None:
    """Replace `gen/`, or with `--check` say whether it is current."""
    generate.replace(HERE, PACKAGE)


if __name__ == "__main__":
    main()
