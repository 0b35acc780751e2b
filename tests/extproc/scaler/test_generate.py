import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("grpc_tools", reason="needs grpcio-tools, of the `gen` dependency group")

from extproc.scaler import generate

GEN = Path(generate.__file__).parent / "gen"
VERSION = re.compile(r"^# Protobuf Python Version: (.*)$", re.MULTILINE)


def modules(folder: Path) -> dict[str, str]:
    """The generated files by name."""
    return {path.name: path.read_text() for path in folder.glob("*.py*")}


def versions(folder: Path) -> set[str]:
    """The versions of protoc that wrote the modules."""
    return {found for text in modules(folder).values() for found in VERSION.findall(text)}


def test_the_checked_in_module_is_what_the_proto_says(tmp_path):
    """A proto that was edited without this would change nothing, and nobody would see."""
    generate.render(tmp_path)
    if versions(tmp_path) != versions(GEN):
        pytest.skip(f"written by protoc {versions(GEN)}, here is {versions(tmp_path)}")
    assert modules(GEN) == modules(tmp_path)


def test_the_module_does_not_touch_the_default_pool(tmp_path):
    """The rewriting is textual: a new protoc may write something that it misses."""
    generate.render(tmp_path)
    for name, text in modules(tmp_path).items():
        assert "descriptor_pool" not in text, name


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A package folder of its own, with the same proto and no generated module."""
    (tmp_path / "gen").mkdir()
    (tmp_path / "proto").symlink_to(GEN.parent / "proto")
    monkeypatch.setattr(generate, "HERE", tmp_path)
    return tmp_path / "gen"


def test_check_tells_a_stale_module_from_a_current_one_and_writes_nothing(scratch, monkeypatch):
    """Continuous integration calls it."""
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    with pytest.raises(SystemExit, match="stale"):
        generate.main()
    assert modules(scratch) == {}
    generate.render(scratch)
    generate.main()


def test_generating_replaces(scratch, monkeypatch):
    """What was there is of no interest."""
    monkeypatch.setattr(sys, "argv", ["generate"])
    (scratch / "externalscaler_pb2.py").write_text("old")
    generate.main()
    assert "_POOL.AddSerializedFile" in modules(scratch)["externalscaler_pb2.py"]
    assert modules(GEN).keys() == modules(scratch).keys()


def test_a_proto_with_an_error_in_it_writes_nothing(scratch, tmp_path, monkeypatch, capfd):
    """The error is protoc's own."""
    (tmp_path / "proto").unlink()
    (tmp_path / "proto").mkdir()
    (tmp_path / "proto" / "externalscaler.proto").write_text("massage X {}")
    monkeypatch.setattr(sys, "argv", ["generate"])
    with pytest.raises(SystemExit):
        generate.main()
    assert {} == modules(scratch)
    assert "externalscaler.proto" in capfd.readouterr().err
