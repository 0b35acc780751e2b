"""Settings of `layby extproc`: environment variables with the prefix `LAYBY_EXTPROC_`."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from extproc.scaler.tls import TlsFiles
from kube.settings import Namespaces


class Settings(BaseSettings):
    """What a hold server in a mesh can be told."""

    model_config = SettingsConfigDict(
        env_prefix="LAYBY_EXTPROC_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    listen: str = "0.0.0.0:9002"
    """Where ext_proc, access logs and health are served, as `host:port`."""
    feed_listen: str = "0.0.0.0:9003"
    """Where other hold servers and controllers are told the demand, as `host:port`. They dial
    a pod's address, which sidecars pass on in plain text: mTLS of the mesh would shut them out."""
    watch_namespaces: Namespaces = frozenset()
    """The namespaces whose TrafficHolds are served, with commas between them; empty for all. No
    right is needed in others, but to list and watch EndpointSlices in service_namespace."""
    service: str = "layby-extproc"
    """The Service of the hold servers, by which they find one another."""
    service_namespace: str = "layby-system"
    """The namespace of that Service."""
    scaler_listen: str = "0.0.0.0:9091"
    """Where KEDA is answered, as `host:port`."""
    scaler_cert: Path | None = None
    """A PEM file with the certificate chain that KEDA is shown; without it there is no TLS. Read
    again for each handshake."""
    scaler_key: Path | None = None
    """A PEM file with its key."""
    scaler_client_ca: Path | None = None
    """A PEM file with the authorities for KEDA's own certificate; without it anybody may ask."""
    feed_token_file: Path | None = None
    """A file with the tokens by which hold servers and controllers know one another, one a line:
    the first is shown to other hold servers, each is taken from whoever asks for demand. Read again
    for each stream. Empty: whoever reaches feed_listen may ask."""
    domain: str = "cluster.local"
    """The cluster's DNS domain, as istiod has it."""
    max_pending: Annotated[int, Field(ge=1)] = 20_000
    """Requests parked here at once, of all workloads together; 23 kB of memory each."""
    settle_seconds: Annotated[float, Field(ge=0, le=10)] = 0.18
    """How long Envoy takes at least to learn of an endpoint, with some margin: istiod's debounce
    is 100 ms, and 110 to 130 ms are seen. The server learns longer waits from requests that come
    back."""
    drain_seconds: Annotated[float, Field(ge=0, le=3600)] = 20.0
    """How long a stopping server that no other one can take over from waits for what it has
    parked; less than the pod's grace."""

    @property
    def scaler_tls(self) -> TlsFiles | None:
        """The TLS of the scaler; None if there is none."""
        return TlsFiles.given(self.scaler_cert, self.scaler_key, self.scaler_client_ca)

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        _ = self.scaler_tls
        return self
