"""Regenerate `feed_pb2`: `python -m feed.generate` (needs grpcio-tools)."""

from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).parent


def render(target: Path) -> None:
    """Write the generated module and its type stub into `target`."""
    arguments = [f"-I{HERE}", f"--python_out={target}", f"--pyi_out={target}", "feed.proto"]
    if status := protoc.main(["protoc", *arguments]):
        raise SystemExit(status)


if __name__ == "__main__":
    render(HERE)
