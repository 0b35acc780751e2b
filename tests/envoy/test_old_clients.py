"""HTTP/1.0: what `ab` and many a health checker still speak."""

import asyncio

import pytest

pytestmark = pytest.mark.envoy


async def test_a_request_without_a_host_is_held_and_answered(run_mesh, workload):
    """Envoy's own default is 426 Upgrade Required."""
    async with run_mesh(workload()) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        answer = await reader.read()
        writer.close()
    assert b"200 OK" in answer.partition(b"\r\n")[0]
