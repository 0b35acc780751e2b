import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("grpc_tools", reason="needs grpcio-tools, of the `gen` dependency group")

from extproc.scaler import generate as scaler
from extproc.wire import generate as wire

VERSION = re.compile(r"^# Protobuf Python Version: (.*)$", re.MULTILINE)


@pytest.fixture(params=[wire, scaler], ids=["wire", "scaler"])
def generate(request):
    """The generator of a package."""
    return request.param


@pytest.fixture
def gen(generate):
    """The folder of its modules that is checked in."""
    return Path(generate.__file__).parent / "gen"


def modules(folder: Path) -> dict[str, str]:
    """The generated files by name."""
    return {path.name: path.read_text() for path in folder.glob("*.py*")}


def versions(folder: Path) -> set[str]:
    """The versions of protoc that wrote the modules."""
    return {found for text in modules(folder).values() for found in VERSION.findall(text)}


def test_the_checked_in_modules_are_what_the_protos_say(generate, gen, tmp_path):
    """A proto that was edited without this would change nothing, and nobody would see."""
    generate.render(tmp_path)
    if versions(tmp_path) != versions(gen):
        pytest.skip(f"written by protoc {versions(gen)}, here is {versions(tmp_path)}")
    assert modules(gen) == modules(tmp_path)


def test_no_generated_module_touches_the_default_pool(generate, tmp_path):
    """The rewriting is textual: a new protoc may write something that it misses."""
    generate.render(tmp_path)
    for name, text in modules(tmp_path).items():
        assert "descriptor_pool" not in text, name
        assert not re.search(r"^import \w+_pb2", text, re.MULTILINE), name


@pytest.fixture
def scratch(generate, gen, tmp_path, monkeypatch):
    """A package folder of its own, with the same protos and no generated modules."""
    (tmp_path / "gen").mkdir()
    (tmp_path / "proto").symlink_to(gen.parent / "proto")
    monkeypatch.setattr(generate, "HERE", tmp_path)
    return tmp_path / "gen"


def test_check_tells_stale_modules_from_current_ones_and_writes_nothing(
    generate, scratch, monkeypatch
):
    """Continuous integration calls it."""
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    with pytest.raises(SystemExit, match="stale"):
        generate.main()
    assert modules(scratch) == {}
    generate.render(scratch)
    generate.main()
    (scratch / "left_over_pb2.py").write_text("")
    with pytest.raises(SystemExit, match="stale"):
        generate.main()


def test_generating_replaces_and_removes(generate, gen, scratch, monkeypatch):
    """A proto that is gone takes its module with it."""
    monkeypatch.setattr(sys, "argv", ["generate"])
    (scratch / "left_over_pb2.py").write_text("")
    wanted = [path.name for path in gen.glob("*_pb2.py")]
    for name in wanted:
        (scratch / name).write_text("old")
    generate.main()
    written = modules(scratch)
    assert "left_over_pb2.py" not in written
    for name in wanted:
        assert "_POOL.AddSerializedFile" in written[name]
    assert modules(gen).keys() == written.keys()


def test_a_proto_with_an_error_in_it_writes_nothing(
    generate, scratch, tmp_path, capfd, monkeypatch
):
    """The error is protoc's own."""
    (tmp_path / "proto").unlink()
    (tmp_path / "proto").mkdir()
    (tmp_path / "proto" / "bad.proto").write_text("massage X {}")
    monkeypatch.setattr(sys, "argv", ["generate"])
    with pytest.raises(SystemExit) as raised:
        generate.main()
    assert raised.value.code == 1
    assert "bad.proto:1" in capfd.readouterr().err
    assert modules(scratch) == {}
