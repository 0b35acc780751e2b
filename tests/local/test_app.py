"""A local mesh that is not run: what it finds wrong before, and what it tells of a wake."""

import asyncio
import logging
import re
import time
from pathlib import Path

import pytest

from extproc.core.hold import RELEASED
from extproc.core.probe import Request
from extproc.core.workload import Chance, Workload, WorkloadKey
from local.app import NAMESPACE, LocalMesh
from local.config import LocalConfig

CONFIG = LocalConfig.model_validate({"workloads": [{"name": "shop", "command": "true"}]})
SHOP = WorkloadKey(NAMESPACE, "shop")


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("x" * 100, "^too long for a unix socket: .*/layby.sock; set TMPDIR to a shorter path$"),
        ("ab%20c", r"^a unix socket must have no % in its path: .*/layby.sock; change TMPDIR$"),
    ],
)
async def test_folder_that_no_socket_can_be_in_is_named(folder: str, expected: str):
    """TMPDIR may be anything; gRPC would only say that it failed."""
    mesh = LocalMesh(CONFIG, Path("/tmp") / folder)

    with pytest.raises(OSError, match=expected):
        await mesh.run(asyncio.Event(), asyncio.Event())


async def test_a_wake_is_told_without_a_word_of_scaling(tmp_path: Path, caplog):
    """There are no replicas here that anybody could have asked for."""
    caplog.set_level(logging.INFO, logger="telemetry")
    mesh = LocalMesh(CONFIG, tmp_path)
    mesh.wake(SHOP)
    mesh.cold_starts.released((NAMESPACE, "shop"), time.monotonic())

    [line] = caplog.messages
    assert re.fullmatch(r"local/shop woke in \d\.\d\d s \(eds \d\.\d\d\)", line)


@pytest.mark.looptime
async def test_envoy_has_ten_milliseconds_to_take_each_endpoint(tmp_path: Path, looptime):
    """Without them its workers meet a request that they cannot route yet; and all that is more is
    a cold start made longer. No run of good ones shortens them.
    """
    mesh = LocalMesh(CONFIG, tmp_path)
    mesh.hold.replace({SHOP: Workload(SHOP)})
    throttler = mesh.hold.throttler
    for _ in range(50):
        async with asyncio.TaskGroup() as tasks:
            held = tasks.create_task(throttler.hold(SHOP, Request(), Chance()), name="request")
            await asyncio.sleep(1)
            throttler.endpoints_changed(SHOP, 1)
            ready_at = float(looptime)
        assert RELEASED == held.result()
        assert pytest.approx(0.010, abs=0.001) == float(looptime) - ready_at
        throttler.endpoints_changed(SHOP, 0)
