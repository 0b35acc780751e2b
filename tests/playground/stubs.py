"""Programs that only note that they were called, for scripts that would change a cluster."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "playground"
BASH = shutil.which("bash") or "/bin/bash"
_STUB = """#!{bash}
printf '%s\\n' "{name} $*" >> "{calls}"
case "$*" in
  *'--filename -') {{ printf '%s\\n' ---; cat; }} >> "{calls}.applied" ;;
esac
case "$*" in
{cases}esac
"""
_CASE = """  {pattern}) printf '%s' '{said}'; exit {code} ;;
"""


class Stubs:
    """A PATH on which nothing is but these programs, and `cat`."""

    def __init__(self, folder: Path, *programs: str) -> None:
        self._calls = folder / "calls"
        self._bin = folder / "bin"
        self._bin.mkdir()
        cat = shutil.which("cat")
        assert cat is not None
        (self._bin / "cat").symlink_to(cat)
        for program in programs:
            self.add(program)

    def add(
        self, name: str, says: Mapping[str, str] | None = None, fails: tuple[str, ...] = ()
    ) -> None:
        """Add a program; for arguments of some patterns it says something, for some it fails."""
        cases = [_CASE.format(pattern=p, said="", code=1) for p in fails]
        cases += [_CASE.format(pattern=p, said=s, code=0) for p, s in (says or {}).items()]
        path = self._bin / name
        path.write_text(_STUB.format(bash=BASH, name=name, calls=self._calls, cases="".join(cases)))
        path.chmod(0o755)

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the playground."""
        return subprocess.run(
            [BASH, SCRIPTS / script, *words],
            env={"PATH": str(self._bin), "HOME": os.devnull},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )

    @property
    def applied(self) -> str:
        """What `--filename -` was given, all of it."""
        path = self._calls.with_suffix(".applied")
        return path.read_text() if path.exists() else ""

    @property
    def calls(self) -> list[str]:
        """What was called, in order."""
        return self._calls.read_text().splitlines() if self._calls.exists() else []
