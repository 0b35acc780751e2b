"""What the gate and the hold servers agree on: the names by which they understand each other.

Must not know what either does with them. Imports no message: a hold server imports this.
"""

from enum import StrEnum

MARK_HEADER = "x-layby-eps"
"""The header between the filters of the gate; it never leaves it. A request without it is asked
about no more, nor made to wait."""
CHANCE_METADATA, CHANCES_METADATA = "x-layby-chance", "x-layby-chances"
"""gRPC metadata by which the gate says which of its hold filters asks."""
CLUSTER_ATTRIBUTE = "xds.cluster_name"
CLUSTER_TAG = "layby.cluster"
"""The tag that names the cluster: Envoy's own field for that may hold the name for statistics, to
which istiod adds a semicolon."""


class ForwardedHeader(StrEnum):
    """A header of a request that crosses to a hold server, which reads it; no other one does."""

    METHOD = ":method"
    PATH = ":path"
    USER_AGENT = "user-agent"
    ACCEPT = "accept"
    CONTENT_TYPE = "content-type"
    TRACEPARENT = "traceparent"
    TRACESTATE = "tracestate"
