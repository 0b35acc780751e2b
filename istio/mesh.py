"""What may be chosen of the gate of a mesh, with the bounds and the reason of each default.

The one model of it: the controller's settings have these fields, `layby envoyfilter` sets them.
Must not know where values come from, nor how an EnvoyFilter is made of them.
"""

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    TypeAdapter,
    model_validator,
)

from istio.gate import MAX_CHANCES, MAX_MESSAGE_TIMEOUT_SECONDS, GateOptions

Context: TypeAlias = Literal["GATEWAY", "SIDECAR_OUTBOUND"]

_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
_INT32 = 2**31 - 1
_LABELS = TypeAdapter(Json[dict[str, str]])

Name = Annotated[str, Field(pattern=_NAME, max_length=63)]


class Attach(StrEnum):
    """Whose requests are held."""

    ALL = "all"
    GATEWAYS = "gateways"
    SIDECARS = "sidecars"

    @property
    def contexts(self) -> tuple[Context, ...]:
        """The listeners that get the gate, in Istio's words."""
        match self:
            case Attach.ALL:
                return ("GATEWAY", "SIDECAR_OUTBOUND")
            case Attach.GATEWAYS:
                return ("GATEWAY",)
            case Attach.SIDECARS:
                return ("SIDECAR_OUTBOUND",)


def _labels(value: object) -> object:
    return _LABELS.validate_python(value) if isinstance(value, str) else value


class MeshGate(BaseModel):
    """The gate of a mesh."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    namespace: Name = "layby-system"
    """Where Layby is installed: its Lease is there, and no policy touches it."""
    root_namespace: Name = "istio-system"
    """Istio's root namespace: an EnvoyFilter there is for the whole mesh."""
    domain: str = "cluster.local"
    """The cluster's DNS domain, as istiod has it."""
    gate_name: Name = "layby"
    """The name of the EnvoyFilter."""
    gate_attach: Attach = Attach.ALL
    """Whose requests are held: those that `gateways` take, those that `sidecars` send, or all."""
    gate_selector: Annotated[dict[str, str], BeforeValidator(_labels)] = Field(default_factory=dict)
    """The labels of the proxies that shall have the gate, as JSON; all gateways and sidecars if
    there are none."""
    gate_priority: Annotated[int, Field(ge=-_INT32, le=_INT32)] = 10
    """Among EnvoyFilters: of those that insert filters before the router, the last one applied has
    the place next to it, which the gate needs."""
    gate_revision: Annotated[str, Field(pattern=_LABEL_VALUE, max_length=63)] = ""
    """The only revision of istiod that shall see the EnvoyFilter; empty for all."""
    hold_service: Name = "layby-extproc"
    """The Service of the hold servers, in Layby's namespace."""
    hold_port: Annotated[int, Field(ge=1, le=65535)] = 9002
    """Its port."""
    hold_cluster: str = ""
    """The Envoy cluster of the hold servers, if it is another than the one that istiod makes for
    that Service."""
    keepalive_interval_seconds: Annotated[float, Field(ge=0.1, le=300)] = 2.0
    """How often an Envoy pings the hold servers: one that is dead closes its connections, one that
    is frozen or cut off only leaves pings unanswered."""
    keepalive_timeout_seconds: Annotated[float, Field(ge=0.1, le=300)] = 1.0
    """How long a ping may take before what a hold server holds moves to another."""
    chances: Annotated[int, Field(ge=1, le=MAX_CHANCES)] = 3
    """How often one request may be parked: a chance is spent by an early release, or by a hold
    server that is lost."""
    message_timeout_seconds: Annotated[float, Field(gt=0, le=MAX_MESSAGE_TIMEOUT_SECONDS)] = (
        MAX_MESSAGE_TIMEOUT_SECONDS
    )
    """How long Envoy waits for a hold server's answer before it lets the request go on. Less than
    the longest hold cuts it short."""
    cluster_prefix: str = "outbound|"
    """Requests to Envoy clusters of other names are never held."""
    retries: Annotated[int, Field(ge=0, le=100)] = 5
    """How often a parked request is handed to another hold server within one chance."""
    retry_base_seconds: Annotated[float, Field(gt=0, le=60)] = 0.025
    """How long Envoy waits before the first of these."""
    retry_max_seconds: Annotated[float, Field(gt=0, le=60)] = 0.25
    """How long before any of these."""

    @property
    def hold_host(self) -> str:
        """The DNS name of the hold servers."""
        return f"{self.hold_service}.{self.namespace}.svc.{self.domain}"

    @property
    def cluster_name(self) -> str:
        """The Envoy cluster of the hold servers."""
        return self.hold_cluster or f"outbound|{self.hold_port}||{self.hold_host}"

    @property
    def options(self) -> GateOptions:
        """What the filters are made of."""
        return GateOptions(
            cluster_name=self.cluster_name,
            chances=self.chances,
            message_timeout_seconds=self.message_timeout_seconds,
            cluster_prefix=self.cluster_prefix,
            retries=self.retries,
            retry_base_seconds=self.retry_base_seconds,
            retry_max_seconds=self.retry_max_seconds,
        )

    @model_validator(mode="after")
    def _check(self) -> "MeshGate":
        # What holds of a gate anywhere is said there.
        _ = self.options
        return self
