"""A data path on this machine: a real Envoy, hold servers as processes, an upstream of Envoy's own.

For benchmarks and for the tests that need several hold servers. The rig stands where the control
plane stands: it tells Envoy (over real xDS) and the hold servers about endpoints.
"""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from extproc.server import Server
from istio.address import TcpAddress, UnixAddress
from istio.gate import GateOptions
from local.address import free_port
from local.bootstrap import HOLD_CLUSTER, BootstrapOptions, Workload, bootstrap
from local.envoy import Envoy
from local.guard import Guard
from local.routes import Route, cluster_name
from local.xds import EndpointDiscovery

COLD, WARM = "cold", "warm"


class Replica:
    """A hold server in a process of its own (`bench.replica`)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.port = 0

    @classmethod
    async def start(cls, guard: Guard, *arguments: str) -> Self:
        """Start one and wait until it serves."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.replica", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **guard.environment},
            start_new_session=True,
        )
        guard.adopt(process.pid)
        replica = cls(process)
        replica.port = (await replica.hear("port"))["port"]
        return replica

    def signal(self, number: int) -> None:
        """Send a signal to the process."""
        self._process.send_signal(number)

    def order(self, **fields: object) -> None:
        """Give an order (see `bench.replica`)."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(fields).encode() + b"\n")

    async def hear(self, word: str) -> dict[str, Any]:
        """Wait for the next line that has the key `word`."""
        assert self._process.stdout
        while line := await self._process.stdout.readline():
            said: dict[str, Any] = json.loads(line)
            if word in said:
                return said
        raise RuntimeError(f"the replica ended without saying {word!r}")

    async def stats(self) -> dict[str, Any]:
        """What the replica holds and has used."""
        self.order(stats=True)
        return await self.hear("rss_kb")

    async def wait(self) -> int:
        """Wait for the process to end; return its exit code."""
        return await self._process.wait()


class Rig:
    """The data path; use as an async context manager.

    Args:
        replicas: hold servers.
        arguments: of each of them (see `bench.replica --help`).
        eds_delay: seconds between a change of endpoints and Envoy's being told, as istiod
            debounces.
        gated: whether Envoy has the gate.
        chances: the gate's hold filters.
    """

    def __init__(
        self,
        *,
        replicas: int = 1,
        arguments: tuple[str, ...] = (),
        eds_delay: float = 0.0,
        gated: bool = True,
        chances: int = 3,
    ) -> None:
        self._count = replicas
        self._arguments = arguments
        self._gated = gated
        self._chances = chances
        self._guard = Guard()
        self._stack = AsyncExitStack()
        self.endpoints = EndpointDiscovery(delay=eds_delay)
        self.replicas: list[Replica] = []
        self.port = free_port()
        self.upstream_port = free_port()
        self.envoy: Envoy
        self.upstream: Envoy

    async def __aenter__(self) -> Self:
        """Start everything; the workload `warm` has an endpoint, `cold` has none."""
        try:
            await self._start_all()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End everything."""
        await self._stack.aclose()

    async def _start_all(self) -> None:
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="layby-rig-")))
        await self._guard.start()
        self._stack.push_async_callback(self._guard.close)
        control = Server([self.endpoints.handler()])
        control.listen(f"unix:{folder}/control.sock")
        await control.start()
        self._stack.push_async_callback(control.stop, 0)
        for _ in range(self._count):
            self.replicas.append(await Replica.start(self._guard, *self._arguments))
        self.endpoints.set_endpoints(
            cluster_name(WARM), [TcpAddress("127.0.0.1", self.upstream_port)]
        )
        self.upstream = await self._start(folder / "up", _upstream(self.upstream_port))
        self.envoy = await self._start(folder / "gate", self._bootstrap(folder))

    async def _start(self, folder: Path, config: dict[str, Any]) -> Envoy:
        folder.mkdir()
        envoy = Envoy(folder, self._guard)
        config["admin"] = {"address": {"pipe": {"path": str(envoy.admin_socket)}}}
        self._stack.push_async_callback(envoy.stop)
        await envoy.start(config, concurrency=1)
        return envoy

    def _bootstrap(self, folder: Path) -> dict[str, Any]:
        ports = [replica.port for replica in self.replicas] or [free_port()]
        return bootstrap(
            BootstrapOptions(
                listen=TcpAddress("127.0.0.1", self.port),
                workloads=(Workload(COLD), Workload(WARM)),
                routes=(Route(COLD, prefix="/"), Route(WARM, prefix="/warm")),
                hold_endpoints=tuple(TcpAddress("127.0.0.1", port) for port in ports),
                control_endpoint=UnixAddress(f"{folder}/control.sock"),
                gated=self._gated,
                gate=GateOptions(cluster_name=HOLD_CLUSTER, chances=self._chances),
            )
        )

    def wake(self, *, tell: bool = True) -> int:
        """Give `cold` its endpoint: tell Envoy, and the hold servers; return the version."""
        address = TcpAddress("127.0.0.1", self.upstream_port)
        version = self.endpoints.set_endpoints(cluster_name(COLD), [address])
        for replica in self.replicas if tell else []:
            replica.order(ready=1)
        return version

    async def sleep(self) -> None:
        """Take the endpoint of `cold` away, and wait until Envoy knows."""
        version = self.endpoints.set_endpoints(cluster_name(COLD), [])
        for replica in self.replicas:
            replica.order(ready=0)
        await self.endpoints.applied(version)

    async def parked(self, count: int) -> None:
        """Wait until the hold servers together hold exactly `count` requests."""
        while sum([(await replica.stats())["pending"] for replica in self.replicas]) != count:
            await asyncio.sleep(0.01)


def _upstream(port: int) -> dict[str, Any]:
    """An Envoy that answers everything with 200: nothing here is faster."""
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network."
        "http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "upstream",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "response_headers_to_add": [
                        {"header": {"key": "seen-mark", "value": "%REQ(x-layby-eps)%"}}
                    ],
                    "routes": [
                        {
                            "match": {"prefix": "/"},
                            "direct_response": {"status": 200, "body": {"inline_string": "ok"}},
                        }
                    ],
                }
            ]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    listener = {
        "name": "upstream",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "tcp_backlog_size": 4096,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    return {"static_resources": {"listeners": [listener]}}
