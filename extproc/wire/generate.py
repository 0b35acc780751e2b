"""Regenerate `gen/` from `proto/`: `python -m extproc.wire.generate` (needs grpcio-tools).

The generated modules are moved to a descriptor pool of their own (see `pool.py`) and made to
import one another from this package; nothing else of protoc's output is touched.
"""

import re
import sys
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from grpc_tools import protoc

HERE = Path(__file__).parent
SIBLING = re.compile(r"^import (\w+_pb2) as", re.MULTILINE)


def render(target: Path) -> None:
    """Write the generated modules and their type stubs into `target`."""
    sources = sorted(path.name for path in (HERE / "proto").glob("*.proto"))
    include = str(files("grpc_tools") / "_proto")
    status = protoc.main(
        [
            "protoc",
            f"-I{HERE / 'proto'}",
            f"-I{include}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            *sources,
        ]
    )
    if status:
        raise SystemExit(status)
    for path in target.iterdir():
        path.write_text(_own_pool(path.read_text()))
    (target / "__init__.py").write_text("")


def _own_pool(source: str) -> str:
    source = SIBLING.sub(r"from extproc.wire.gen import \1 as", source)
    source = source.replace(
        "from google.protobuf import descriptor_pool as _descriptor_pool\n",
        "from extproc.wire.pool import POOL as _POOL\n",
    )
    return source.replace("_descriptor_pool.Default()", "_POOL")


def main() -> None:
    """Replace `gen/`, or with `--check` say whether it is current."""
    with TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        render(fresh)
        current = {path.name: path.read_text() for path in (HERE / "gen").glob("*.py*")}
        wanted = {path.name: path.read_text() for path in fresh.iterdir()}
        if "--check" in sys.argv[1:]:
            if current != wanted:
                raise SystemExit("gen/ is stale: run python -m extproc.wire.generate")
            return
        for name in current.keys() - wanted.keys():
            (HERE / "gen" / name).unlink()
        for name, text in wanted.items():
            (HERE / "gen" / name).write_text(text)


if __name__ == "__main__":
    main()
