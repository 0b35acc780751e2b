"""What a local mesh finds wrong before it starts anything."""

import asyncio
from pathlib import Path

import pytest

from local.app import LocalMesh
from local.config import LocalConfig

CONFIG = LocalConfig.model_validate({"workloads": [{"name": "shop", "command": "true"}]})


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
