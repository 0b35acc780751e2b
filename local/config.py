"""What `layby.yaml` may say: the workloads, their routes, and how each is held, woken and stopped.

Owns every field, its bounds and its default. Must not know YAML, line numbers, nor how a process
is run.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from istio.address import TcpAddress
from local.address import LOOPBACK
from local.duration import Duration
from local.fields import (
    Command,
    Directory,
    Hosts,
    Listen,
    Method,
    Name,
    Prefixes,
    ProbePath,
    Text,
    UrlPath,
    VariableName,
    VariableValue,
    at_least_one,
)

CONFLICT = "conflict"  # the type of an error between fields, each of which is fine by itself
_PORT_REFERENCE = re.compile(r"\$(?:PORT\b|\{PORT\})")


class Match(NamedTuple):
    """A host pattern and a path prefix."""

    host: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.host}{self.prefix}"


class Conflict(NamedTuple):
    """Fields that contradict one another: where to look, and why."""

    location: tuple[str | int, ...]
    reason: str


class Protocol(StrEnum):
    """What a workload speaks; `http2` is prior-knowledge h2c, as gRPC servers want it."""

    HTTP1 = "http1"
    HTTP2 = "http2"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ReadinessConfig(_Section):
    """When a started process counts as ready: its port accepts, or a path answers 2xx or 3xx."""

    tcp: Literal[True] | None = None
    """The default, unless `http` is given."""
    http: UrlPath | None = None
    """A path to GET over HTTP/1.1; for a server that speaks HTTP/2 only, use `tcp`."""
    timeout: Duration = Field(default=60.0, gt=0)
    """A start that takes longer has failed."""
    interval: Duration = Field(default=0.05, ge=0.001)
    """The pause between two attempts."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.tcp and self.http is not None:
            _refuse([Conflict(("http",), "give either `tcp` or `http`, not both")])
        return self


class HoldConfig(_Section):
    """How long and how many requests are parked while the workload is asleep."""

    timeout: Duration = Field(default=60.0, gt=0, le=3590)
    """A request parked for longer is answered 504; Envoy, which waits an hour at most, must not
    give up first: it would let the request go on."""
    max_pending: int = Field(default=1000, ge=1, strict=True)
    """One more parked request than this is answered 503 with Retry-After."""


class ReleaseConfig(_Section):
    """How parked requests are let go once the workload is ready."""

    per_second: float | None = Field(default=None, gt=0, allow_inf_nan=False, strict=True)
    """Requests a second per ready endpoint; all at once by default."""


class WakeConfig(_Section):
    """How the workload is started."""

    backoff: Duration = Field(default=1.0, ge=0)
    """For this long after a failed start, requests get its failure instead of another start.

    It doubles with each further failure, up to 30 s.
    """


class IdleConfig(_Section):
    """When the workload is stopped."""

    after: Duration = Field(default=300.0, gt=0)
    """Time without a request, and with none in flight."""


class StopConfig(_Section):
    """How the workload is stopped."""

    grace: Duration = Field(default=10.0, ge=0)
    """Time between SIGTERM and SIGKILL."""


class ProbeConfig(_Section):
    """Requests to answer while the workload sleeps, without waking it; all given fields match."""

    path: ProbePath | None = None
    """The exact path, or a prefix that ends in `*`."""
    user_agent: Text | None = None
    """The exact User-Agent, or a prefix that ends in `*`."""
    method: Method | None = None
    """The request method."""
    status: int = Field(default=200, ge=200, le=599, strict=True)
    """The status to answer."""

    @model_validator(mode="after")
    def _matches_something(self) -> Self:
        if self.path is None and self.user_agent is None and self.method is None:
            _refuse([Conflict((), "give at least one of `path`, `user_agent` and `method`")])
        return self


class WorkloadConfig(_Section):
    """A process that is started on demand, and the requests that go to it."""

    name: Name
    """Unique; the name of its Envoy cluster, its metrics and its log lines."""
    command: Command
    """The program and its arguments; a single line is split as a shell would. No shell runs it."""
    port: int | None = Field(default=None, ge=1, le=65535, strict=True)
    """Where it listens on loopback; by default a free port, chosen at each start: see $PORT."""
    protocol: Protocol = Protocol.HTTP1
    """What it speaks on that port."""
    env: dict[VariableName, VariableValue] = Field(default_factory=dict)
    """Added to layby's own environment; PORT is always set."""
    cwd: Directory = Field(default=Path(), validate_default=True)
    """Its working folder, relative to the configuration file."""
    hosts: Hosts = ("*",)
    """`*`, host names, or `*.` and a name; the request's port does not count."""
    prefixes: Prefixes = ("/",)
    """The longest prefix that matches wins; it is one of characters: `/api` takes `/apis` too."""
    readiness: ReadinessConfig = ReadinessConfig()
    hold: HoldConfig = HoldConfig()
    release: ReleaseConfig = ReleaseConfig()
    wake: WakeConfig = WakeConfig()
    idle: IdleConfig = IdleConfig()
    stop: StopConfig = StopConfig()
    probes: tuple[ProbeConfig, ...] = ()

    @property
    def matches(self) -> tuple[Match, ...]:
        """Every pair of a host and a prefix that leads here."""
        return tuple(Match(host, prefix) for host in self.hosts for prefix in self.prefixes)

    def arguments(self, port: int) -> tuple[str, ...]:
        """Return the command with `$PORT` and `${PORT}` filled in."""
        return tuple(_PORT_REFERENCE.sub(str(port), word) for word in self.command)


class LocalConfig(_Section):
    """The whole of `layby.yaml`."""

    listen: Listen = TcpAddress(LOOPBACK, 8080)
    """Where Envoy listens, written `host:port`."""
    max_pending: int = Field(default=20_000, ge=1, strict=True)
    """The bound on parked requests of all workloads together."""
    drain: Duration = Field(default=10.0, ge=0)
    """How long a stopping layby waits for what is in flight."""
    workloads: Annotated[tuple[WorkloadConfig, ...], AfterValidator(at_least_one)]

    @model_validator(mode="after")
    def _no_conflicts(self) -> Self:
        if conflicts := [*self._taken_names(), *self._taken_ports(), *self._taken_routes()]:
            _refuse(conflicts)
        return self

    def _taken_names(self) -> Iterator[Conflict]:
        first: dict[str, int] = {}
        for index, workload in enumerate(self.workloads):
            if (other := first.setdefault(workload.name, index)) != index:
                reason = f"`{workload.name}` is already the name of workloads[{other}]"
                yield Conflict(("workloads", index, "name"), reason)

    def _taken_ports(self) -> Iterator[Conflict]:
        owner: dict[int | None, str] = {self.listen.port: "layby itself (`listen`)"}
        for index, workload in enumerate(self.workloads):
            if workload.port is not None and workload.port in owner:
                reason = f"{workload.port} is already the port of {owner[workload.port]}"
                yield Conflict(("workloads", index, "port"), reason)
            owner.setdefault(workload.port, f"workload `{workload.name}`")

    def _taken_routes(self) -> Iterator[Conflict]:
        owner: dict[Match, str] = {}
        for index, workload in enumerate(self.workloads):
            said = [field for field in ("hosts", "prefixes") if field in workload.model_fields_set]
            for route in workload.matches:
                if route in owner:
                    reason = f"`{route}` already goes to workload `{owner[route]}`"
                    yield Conflict(("workloads", index, *said[:1]), reason)
                owner.setdefault(route, workload.name)


def _refuse(conflicts: list[Conflict]) -> None:
    """Raise with a location for each: a plain ValueError has that of the whole section only."""
    raise ValidationError.from_exception_data(
        "configuration",
        [
            InitErrorDetails(
                type=PydanticCustomError(CONFLICT, "{reason}", {"reason": conflict.reason}),
                loc=conflict.location,
                input=None,
            )
            for conflict in conflicts
        ],
    )
