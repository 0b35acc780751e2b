"""Readiness probes: one look at a container by HTTP, TCP, gRPC or a command.

Must not know what follows from an answer.
"""

import asyncio
import re
from asyncio.subprocess import DEVNULL
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_HTTP_GOOD = range(200, 400)


def seconds(text: str) -> float:
    """Read a duration such as `1.5s`."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"not a duration, such as 1.5s or 50ms: {text!r}")
    return float(found[1]) * _SECONDS[found[2]]


@dataclass(frozen=True, slots=True)
class Probe:
    """A readiness probe, of a container with an address."""

    spec: Mapping[str, Any]
    container: Mapping[str, Any]
    address: str
    environment: Mapping[str, str]
    period: float
    """Seconds."""

    @property
    def delay(self) -> float:
        """Seconds before the first look."""
        return float(self.spec.get("initialDelaySeconds", 0))

    @property
    def successes(self) -> int:
        """Good looks in a row that make a container ready."""
        return int(self.spec.get("successThreshold", 1))

    @property
    def failures(self) -> int:
        """Bad looks in a row that make it unready."""
        return int(self.spec.get("failureThreshold", 3))

    async def look(self) -> bool:
        """Ask once."""
        try:
            async with asyncio.timeout(float(self.spec.get("timeoutSeconds", 1))):
                return await self._ask()
        except (OSError, TimeoutError, aiohttp.ClientError):
            return False

    async def _ask(self) -> bool:
        match self.spec:
            case {"httpGet": how}:
                return await self._http(how)
            case {"tcpSocket": how}:
                _, writer = await asyncio.open_connection(self.address, self._port(how["port"]))
                writer.close()
                return True
            case {"grpc": how}:
                return await self._grpc(how)
            case {"exec": how}:
                return await self._command(how["command"])
            case _:
                return False

    async def _http(self, how: Mapping[str, Any]) -> bool:
        host = how.get("host") or self.address
        url = f"http://{host}:{self._port(how['port'])}{how.get('path', '/')}"
        headers = {header["name"]: header["value"] for header in how.get("httpHeaders", ())}
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status in _HTTP_GOOD

    async def _grpc(self, how: Mapping[str, Any]) -> bool:
        import grpc.aio  # noqa: PLC0415 - 0.1 s that most pods need not wait for
        from grpc_health.v1 import health_pb2  # noqa: PLC0415

        async with grpc.aio.insecure_channel(f"{self.address}:{how['port']}") as channel:
            question = health_pb2.HealthCheckRequest(service=how.get("service") or "")
            ask = channel.unary_unary(
                "/grpc.health.v1.Health/Check",
                request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
                response_deserializer=health_pb2.HealthCheckResponse.FromString,
            )
            try:
                answer = await ask(question)
            except grpc.aio.AioRpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def _command(self, command: list[str]) -> bool:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, env=self.environment
        )
        try:
            return await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()

    def _port(self, port: int | str) -> int:
        if isinstance(port, int) or port.isdecimal():
            return int(port)
        named = (p for p in self.container.get("ports", ()) if p.get("name") == port)
        return int(next(named)["containerPort"])
