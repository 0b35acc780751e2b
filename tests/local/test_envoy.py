"""Envoy as layby starts it, played by shell scripts: who is refused, and how an end is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from local.envoy import ROUTINE, Envoy, EnvoyError
from local.guard import Guard

Script = Callable[[str], Envoy]
VERSION = "[ $1 = --version ] && echo 'envoy  version: 9e558093/{}/Clean/RELEASE/X' && exit\n"


@pytest.fixture
def envoy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Make an Envoy of a script."""

    def make(script: str) -> Envoy:
        program = tmp_path / "envoy"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("LAYBY_ENVOY", str(program))
        return Envoy(tmp_path, Guard())

    return make


@pytest.mark.parametrize("version", ["1.36.9", "1.9.0", "0.40.0"])
async def test_old_envoy_is_refused(envoy: Script, version: str):
    """It would take the gate's expression for an error, and say so in many words."""
    old = envoy(VERSION.format(version))

    with pytest.raises(EnvoyError, match=f"is Envoy {version}; Layby needs 1.37 or later$"):
        await old.start({}, concurrency=1)


@pytest.mark.parametrize("version", ["1.37.0", "1.40.0-dev", "2.0.0", "mine"])
async def test_envoy_that_is_not_too_old_is_started(envoy: Script, version: str):
    """Nor is one refused that has a version of its own."""
    started = envoy(f"{VERSION.format(version)}echo I am up >&2; exit 3")

    with pytest.raises(EnvoyError, match=r"exited with code 3 while starting: I am up$"):
        await started.start({}, concurrency=1)
    await started.stop()


async def test_death_is_told_without_the_routine_warning(envoy: Script):
    """Somebody would look for its cause there."""
    script = f"{VERSION.format('1.40.0')}echo 'There is {ROUTINE}.' >&2; kill -SEGV $$"
    dying = envoy(script)

    message = "^Envoy killed by SIGSEGV while starting: it said nothing$"
    with pytest.raises(EnvoyError, match=message):
        await dying.start({}, concurrency=1)
    await dying.stop()


async def test_program_that_cannot_be_run_is_an_envoy_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A wrong path in `$LAYBY_ENVOY`."""
    monkeypatch.setenv("LAYBY_ENVOY", str(tmp_path / "missing"))

    with pytest.raises(EnvoyError, match=r"^Envoy cannot be started: .*missing"):
        await Envoy(tmp_path, Guard()).start({}, concurrency=1)
