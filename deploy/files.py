"""Generated files, kept as they are generated.

Must not know what is in them, nor how a person is told that they are not.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path


def stale(wanted: Mapping[Path, str], there: Iterable[Path]) -> list[Path]:
    """Return the files that are missing, say something else, or are not wanted."""
    current = {path: path.read_text() for path in there}
    return sorted(path for path in wanted.keys() | current if wanted.get(path) != current.get(path))


def write(wanted: Mapping[Path, str], there: Iterable[Path]) -> None:
    """Write the files, and remove those that are not wanted."""
    for path in {*there} - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
