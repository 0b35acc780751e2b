"""Local meshes behind a real Envoy, for the tests to send requests to."""

import asyncio
import http.client
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bench.client import Crowd
from extproc.core.workload import WorkloadKey
from local.address import free_port
from local.app import NAMESPACE, LocalMesh
from local.config import LocalConfig
from local.envoy import EnvoyError, find_envoy
from local.supervisor import Phase, Supervisor

PATIENCE = 30.0
WORKLOADS = Path(__file__).with_name("workloads")


class Running:
    """A mesh that serves, and the questions that a test asks of it."""

    def __init__(self, mesh: LocalMesh) -> None:
        self.mesh = mesh
        self.port = mesh.config.listen.port

    def supervisor(self, name: str = "web") -> Supervisor:
        """One workload's supervisor."""
        return self.mesh.supervisors[WorkloadKey(NAMESPACE, name)]

    @asynccontextmanager
    async def crowd(self, count=1, path="/", headers=()):
        """`count` GET requests under way, over HTTP/2."""
        crowd = Crowd()
        try:
            await crowd.send(self.port, count, path, headers)
            yield crowd
        finally:
            crowd.close()

    async def get(self, path="/", headers=()):
        """Send one GET request over HTTP/2, and wait for its answer."""
        async with self.crowd(1, path, headers) as crowd:
            return (await crowd.answers())[0]

    async def get_http1(self, path="/", headers=()):
        """Send one GET request over HTTP/1.1; a header may come twice."""
        return await asyncio.to_thread(get_http1, self.port, path, headers)

    async def parked(self, count: int) -> None:
        """Wait until exactly `count` requests are parked."""
        await until(lambda: self.mesh.hold.throttler.pending() == count)

    async def asleep(self, name: str = "web") -> None:
        """Wait until a workload has been stopped."""
        await until(lambda: self.supervisor(name).phase is Phase.ZERO)

    async def streams_started(self) -> int:
        """How often Envoy has asked the hold server."""
        answer = await self.mesh.envoy.ask("GET", "/stats?filter=ext_proc.*streams_started")
        return sum(int(line.split(": ")[1]) for line in answer.splitlines() if "started:" in line)


def get_http1(port, path="/", headers=()):
    """Send one GET request; return its answer, read to the end, as `body`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.putrequest("GET", path)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


async def until(condition, within=10.0):
    """Wait for another process: there is nothing but to look."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture(name="until")
def until_fixture():
    """Wait until a condition holds, for a bounded time."""
    return until


@pytest.fixture
def envoy():
    """Skip the test where there is no Envoy."""
    try:
        return find_envoy()
    except EnvoyError as error:
        pytest.skip(str(error))


@pytest.fixture
def workload():
    """The configuration of a workload that runs one of the programs in `workloads/`."""

    def configure(program="web", *arguments, **fields):
        return {
            "name": "web",
            "command": [sys.executable, str(WORKLOADS / f"{program}.py"), *map(str, arguments)],
            "readiness": {"interval": 0.01},
            **fields,
        }

    return configure


@pytest.fixture
def run_mesh(envoy):
    """Run workloads behind Envoy while a block runs, in the block's own loop."""
    assert envoy

    @asynccontextmanager
    async def run(*workloads, within=PATIENCE, **fields):
        listen = f"127.0.0.1:{free_port()}"
        document = {"listen": listen, "drain": 2, "workloads": workloads, **fields}
        config = LocalConfig.model_validate(document)
        ready, stopping = asyncio.Event(), asyncio.Event()
        failure = None
        with TemporaryDirectory(prefix="layby-") as folder:
            mesh = LocalMesh(config, Path(folder))
            async with asyncio.timeout(within), asyncio.TaskGroup() as tasks:
                tasks.create_task(mesh.run(ready, stopping), name="mesh")
                await ready.wait()
                try:
                    yield Running(mesh)
                except Exception as error:  # noqa: BLE001 - raised again, outside of the group
                    failure = error
                finally:
                    stopping.set()
        if failure:
            raise failure

    return run


@pytest.fixture
def gate(tmp_path):
    """A file that workloads given `--open-when` wait for before they listen."""
    return tmp_path / "open"


@pytest.fixture
def clock():
    """The clock that all processes of a machine share."""
    return time.monotonic
