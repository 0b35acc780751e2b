"""Regenerate a package's `gen/` from its `proto/` (needs grpcio-tools).

For the packages whose messages live in a descriptor pool of their own (`pool.py`): the generated
modules are moved there and made to import one another from their package; nothing else of protoc's
output is touched. Must not know which packages there are.
"""

import re
import sys
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from grpc_tools import protoc

SIBLING = re.compile(r"^import (\w+_pb2) as", re.MULTILINE)


def render(here: Path, package: str, target: Path) -> None:
    """Write the modules of `package`, whose folder is `here`, and their stubs into `target`."""
    sources = sorted(path.name for path in (here / "proto").glob("*.proto"))
    include = str(files("grpc_tools") / "_proto")
    status = protoc.main(
        [
            "protoc",
            f"-I{here / 'proto'}",
            f"-I{include}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            *sources,
        ]
    )
    if status:
        raise SystemExit(status)
    for path in target.iterdir():
        path.write_text(_own_pool(path.read_text(), package))
    (target / "__init__.py").write_text("")


def _own_pool(source: str, package: str) -> str:
    source = SIBLING.sub(rf"from {package}.gen import \1 as", source)
    source = source.replace(
        "from google.protobuf import descriptor_pool as _descriptor_pool\n",
        f"from {package}.pool import POOL as _POOL\n",
    )
    return source.replace("_descriptor_pool.Default()", "_POOL")


def replace(here: Path, package: str) -> None:
    """Replace `gen/`, or with `--check` say whether it is current."""
    with TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        render(here, package, fresh)
        current = {path.name: path.read_text() for path in (here / "gen").glob("*.py*")}
        wanted = {path.name: path.read_text() for path in fresh.iterdir()}
        if "--check" in sys.argv[1:]:
            if current != wanted:
                raise SystemExit(f"gen/ is stale: run python -m {package}.generate")
            return
        for name in current.keys() - wanted.keys():
            (here / "gen" / name).unlink()
        for name, text in wanted.items():
            (here / "gen" / name).write_text(text)
