"""Settings of `layby controller`: environment variables with the prefix `LAYBY_CONTROLLER_`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

Name = Annotated[str, Field(pattern=_NAME, max_length=63)]


class Settings(BaseSettings):
    """What a controller can be told."""

    model_config = SettingsConfigDict(
        env_prefix="LAYBY_CONTROLLER_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    namespace: Name = "layby-system"
    """Where Layby is installed: its Lease is there, and no policy touches it."""
    identity: str = ""
    """This process's name among the candidates for the leader; by default its host's."""
    root_namespace: Name = "istio-system"
    """Istio's root namespace: an EnvoyFilter there is for the whole mesh."""
    domain: str = "cluster.local"
    """The cluster's DNS domain, as istiod has it."""
    gate_name: Name = "layby"
    """The name of the EnvoyFilter."""
    gate_selector: dict[str, str] = Field(default_factory=dict)
    """The labels of the proxies that shall have the gate, as JSON; all gateways and sidecars if
    there are none."""
    hold_service: Name = "layby-extproc"
    """The Service of the hold servers, in Layby's namespace."""
    hold_port: Annotated[int, Field(ge=1, le=65535)] = 9002
    """Its port."""
    chances: Annotated[int, Field(ge=1, le=5)] = 3
    """How often one request may be parked: a chance is spent by an early release, or by a hold
    server that is lost."""
    not_ready_endpoints: bool = True
    """Whether istiod sends endpoints that are not ready, as it does from Istio 1.31 on unless
    PILOT_AUTO_SEND_UNHEALTHY_ENDPOINTS is false. If not, Layby makes no DestinationRules."""
    istiod_url: str = ""
    """istiod's debug address, such as http://istiod.istio-system:15014, to see whether the proxies
    have the gate. A headless Service has all istiods asked. Empty: it is not looked up."""
    istiod_token: Path | None = None
    """A file with a token of audience istio-ca, of a ServiceAccount in the root namespace, which
    istiod asks for unless it is on this host."""
    workers: Annotated[int, Field(ge=1, le=64)] = 8
    """TrafficHolds looked at at once; each waits for the API server most of the time."""
    lease_seconds: Annotated[float, Field(ge=3, le=300)] = 15.0
    """After a leader is gone without a word, the next one acts so much later."""
    stop_seconds: Annotated[float, Field(ge=0, le=60)] = 5.0
    """How long work that goes on may take when the controller is to stop."""
    health_port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """Where /healthz and /readyz are served; 0 for nowhere."""
    health_host: str = "0.0.0.0"  # noqa: S104 - the kubelet asks from outside
    """The address they are served at."""
