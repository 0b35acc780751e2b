"""Settings of `layby controller`: environment variables with the prefix `LAYBY_CONTROLLER_`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from istio.mesh import MeshGate
from kube.settings import Namespaces

_SUBDOMAIN = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
_ADDRESS = r"^(\S+:[0-9]{1,5})?$"


class Settings(MeshGate, BaseSettings):
    """What a controller can be told: of the gate that it keeps, and of itself."""

    model_config = SettingsConfigDict(
        env_prefix="LAYBY_CONTROLLER_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    watch_namespaces: Namespaces = frozenset()
    """The namespaces whose TrafficHolds are served, with commas between them; empty for all. If
    there are any, HoldPolicies, which are of the whole cluster, are not served."""
    identity: str = ""
    """This process's name among the candidates for the leader; by default its host's."""
    keda: bool = True
    """Whether to look after ScaledObjects where there is KEDA. If not, scaling.mode Auto is Direct,
    and the role need not allow any of it."""
    scaler_address: Annotated[str, Field(pattern=_ADDRESS)] = ""
    """Where KEDA finds the hold servers, as host:port; by default port 9091 of hold_service in
    Layby's namespace."""
    scaler_authentication: Annotated[str, Field(pattern=_SUBDOMAIN, max_length=253)] = ""
    """A ClusterTriggerAuthentication with the certificates by which KEDA and the hold servers know
    one another. Empty: none."""
    not_ready_endpoints: bool = True
    """Whether istiod sends endpoints that are not ready, as it does from Istio 1.31 on unless
    PILOT_AUTO_SEND_UNHEALTHY_ENDPOINTS is false. If not, Layby makes no DestinationRules."""
    istiod_url: str = ""
    """istiod's debug address, such as http://istiod.istio-system:15014, to see whether the proxies
    have the gate. A headless Service has all istiods asked. Empty: it is not looked up."""
    istiod_token: Path | None = None
    """A file with a token of audience istio-ca, which istiod asks for unless it is on this host.
    Read again each time. Its ServiceAccount has to be in the root namespace, unless istiod's
    ENABLE_DEBUG_ENDPOINT_AUTH is false."""
    feed_token_file: Path | None = None
    """A file whose first line hold servers are shown, that asks them for demand. Read again for
    each stream. Empty: nothing is shown."""
    workers: Annotated[int, Field(ge=1, le=64)] = 8
    """TrafficHolds looked at at once; each waits for the API server most of the time."""
    lease_seconds: Annotated[float, Field(ge=3, le=300)] = 15.0
    """After a leader is gone without a word, the next one acts so much later."""
    stop_seconds: Annotated[float, Field(ge=0, le=60)] = 5.0
    """How long work that goes on may take when the controller is to stop."""
    health_port: Annotated[int, Field(ge=0, le=65535)] = 8081
    """Where /healthz and /readyz are served; 0 for nowhere."""
    page_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Where the live page is served; 0 for nowhere."""
    page_host: str = ""
    """The address it is served at; empty for all of them."""
    health_host: str = "0.0.0.0"  # noqa: S104 - the kubelet asks from outside
    """The address they are served at."""
