"""Build what is released and try it: `python -m deploy.release FOLDER`.

Owns what a wheel and an sdist have to hold, and that each can be installed by itself. Must not
publish anything.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from cli import __version__

ROOT: Final = Path(__file__).parent.parent
COMMANDS: Final = (
    ("--version",),
    ("--help",),
    ("crds",),
    ("envoyfilter",),
    ("envoyfilter", "--format", "envoy"),
    ("extproc", "--help"),
    ("controller", "--help"),
    ("completion", "bash"),
)
"""What has to work with nothing but the dependencies that the metadata name."""
IN_SDIST: Final = (
    *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "ARCHITECTURE.md", "tox.ini"),
    *("mkdocs.yml", "docs/index.md", "deploy/image/Dockerfile", "deploy/helm/layby/Chart.yaml"),
    *("tests/conftest.py", "e2e/conftest.py", "bench/rig.py", "istio/golden/gate.yaml"),
)
"""One of each kind: from an sdist all can be built and tested."""


class ReleaseError(Exception):
    """What is built is not fit to be released; the text says what is wrong."""


def packages() -> list[str]:
    """Return the packages that a wheel has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    found: list[str] = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return found


def check_wheel(names: Iterable[str]) -> None:
    """Refuse a wheel that lacks a file of its packages, or has one of others.

    Raises:
        ReleaseError: it does.
    """
    files = {name for name in names if ".dist-info/" not in name}
    wanted = {str(path) for package in packages() for path in _tracked(package)}
    if missing := wanted - files:
        raise ReleaseError(f"the wheel lacks {', '.join(sorted(missing))}")
    if foreign := {name for name in files if name.split("/")[0] not in packages()}:
        raise ReleaseError(f"the wheel has {', '.join(sorted(foreign))}")


def check_sdist(names: Iterable[str]) -> None:
    """Refuse an sdist from which not all can be built and tested.

    Raises:
        ReleaseError: something is missing.
    """
    files = {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in names}
    if missing := set(IN_SDIST) - files:
        raise ReleaseError(f"the sdist lacks {', '.join(sorted(missing))}")


def try_out(distribution: Path, folder: Path) -> None:
    """Install a distribution in an environment of its own, and use the command.

    Raises:
        ReleaseError: it is of another version.
        subprocess.CalledProcessError: something fails.
    """
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", str(distribution))
    for arguments in COMMANDS:
        # From a folder where nothing can be imported but what is installed.
        said = _run(folder / "bin" / "layby", *arguments, cwd=folder)
        if arguments == ("--version",):
            _check_version(distribution.name, said)


def try_tools(wheel: Path, folder: Path) -> None:
    """Have pipx install a wheel, and uvx run it, with all that they keep in `folder`.

    Raises:
        ReleaseError: one of them fails, or what it brings is of another version.
    """
    kept = {
        # pipx takes uv where that is installed; its users may not have it.
        "PIPX_DEFAULT_BACKEND": "pip",
        **{f"PIPX_{name}": str(folder / name) for name in ("HOME", "BIN_DIR", "MAN_DIR")},
        **{f"UV_{name}": str(folder / name) for name in ("CACHE_DIR", "TOOL_DIR")},
        "UV_PYTHON": sys.executable,
    }
    _run(sys.executable, "-m", "pipx", "install", str(wheel), more=kept)
    _check_version("pipx install", _run(folder / "BIN_DIR" / "layby", "--version", cwd=folder))
    uvx = Path(sys.executable).with_name("uvx")
    said = _run(uvx, "--from", str(wheel), "layby", "--version", cwd=folder, more=kept)
    _check_version("uvx", said)


def _check_version(what: str, said: str) -> None:
    if said != f"layby, version {__version__}\n":
        raise ReleaseError(f"{what} says that it is {said!r}")


def _tracked(package: str) -> list[PurePosixPath]:
    """Return the files of a package that belong to it, not those that running it leaves."""
    return [
        PurePosixPath(path.relative_to(ROOT))
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "golden" not in path.parts
    ]


def _run(
    program: Path | str, *arguments: str, cwd: Path = ROOT, more: Mapping[str, str] | None = None
) -> str:
    """Return what a program prints, run with `more` in its environment."""
    done = subprocess.run(  # noqa: S603 - our own commands
        [program, *arguments],
        cwd=cwd,
        env={**os.environ, **(more or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ReleaseError(f"{Path(program).name} {' '.join(arguments)}:\n{done.stderr}")
    return done.stdout


def main(arguments: Sequence[str]) -> None:
    """Build into a folder, and check what is there then."""
    (target,) = arguments
    folder = Path(target).resolve()
    _run(sys.executable, "-m", "build", "--outdir", str(folder))
    (wheel,) = folder.glob(f"layby-{__version__}-*.whl")
    (sdist,) = folder.glob(f"layby-{__version__}.tar.gz")
    _run(sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist))
    with zipfile.ZipFile(wheel) as archive:
        check_wheel(archive.namelist())
    with tarfile.open(sdist) as archive:
        check_sdist(archive.getnames())
    for distribution in (wheel, sdist):
        with tempfile.TemporaryDirectory(prefix="layby-release-") as scratch:
            try_out(distribution, Path(scratch))
        size = distribution.stat().st_size // 1024
        sys.stdout.write(f"{distribution.name}: {size} KiB, works\n")
    with tempfile.TemporaryDirectory(prefix="layby-release-") as scratch:
        try_tools(wheel, Path(scratch))
    sys.stdout.write(f"{wheel.name}: works by pipx and uvx\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ReleaseError as error:
        raise SystemExit(str(error)) from error
