"""Regenerate `gen/` from `proto/`: `python -m extproc.scaler.generate` (needs grpcio-tools).

The generated module is moved to a descriptor pool of its own (see `pool.py`); nothing else of
protoc's output is touched.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from grpc_tools import protoc

HERE = Path(__file__).parent


def render(target: Path) -> None:
    """Write the generated module and its type stub into `target`."""
    options = [f"-I{HERE / 'proto'}", f"--python_out={target}", f"--pyi_out={target}"]
    if status := protoc.main(["protoc", *options, "externalscaler.proto"]):
        raise SystemExit(status)
    for path in target.iterdir():
        path.write_text(_own_pool(path.read_text()))
    (target / "__init__.py").write_text("")


def _own_pool(source: str) -> str:
    source = source.replace(
        "from google.protobuf import descriptor_pool as _descriptor_pool\n",
        "from extproc.scaler.pool import POOL as _POOL\n",
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
                raise SystemExit("gen/ is stale: run python -m extproc.scaler.generate")
            return
        for name, text in wanted.items():
            (HERE / "gen" / name).write_text(text)


if __name__ == "__main__":
    main()
