"""Settings of `layby extproc`: environment variables with the prefix `LAYBY_EXTPROC_`."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What a hold server in a mesh can be told."""

    model_config = SettingsConfigDict(
        env_prefix="LAYBY_EXTPROC_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    listen: str = "0.0.0.0:9002"
    """Where ext_proc, access logs, the demand feed and health are served, as `host:port`."""
    namespace: str = ""
    """The only namespace whose TrafficHolds are served; empty for all."""
    domain: str = "cluster.local"
    """The cluster's DNS domain, as istiod has it."""
    max_pending: Annotated[int, Field(ge=1)] = 20_000
    """Requests parked here at once, of all workloads together; 23 kB of memory each."""
    settle_seconds: Annotated[float, Field(ge=0, le=10)] = 0.18
    """How long Envoy takes at least to learn of an endpoint, with some margin: istiod's debounce
    is 100 ms, and 110 to 130 ms are seen. The server learns longer waits from requests that come
    back."""
    drain_seconds: Annotated[float, Field(ge=0, le=3600)] = 20.0
    """How long a stopping server waits for what it has parked; less than the pod's grace."""
    hand_over: bool = True
    """Whether another hold server is up while this one stops, and takes over what is parked."""
