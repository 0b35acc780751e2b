"""One Envoy's side of endpoint discovery, without the stream that carries it.

Owns what the Envoy asked for, was sent and accepted: state-of-the-world xDS, EDS only.
Must not await, nor know where endpoints come from.
"""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from envoy_data_plane.envoy.config.endpoint.v3 import ClusterLoadAssignment
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryRequest, DiscoveryResponse
from envoy_data_plane.google.protobuf import Any

from istio.address import TcpAddress
from istio.cluster import load_assignment

EDS_TYPE = Any.pack(ClusterLoadAssignment()).type_url

log = logging.getLogger(__name__)


class Assignment(NamedTuple):
    """A cluster's endpoints and the version that brought them."""

    version: int
    endpoints: tuple[TcpAddress, ...]


UNKNOWN = Assignment(0, ())


class Subscription:
    """What is to be sent to one Envoy, given what it said.

    At most one response is unanswered at a time, so an answer is never about an older one.
    """

    def __init__(self) -> None:
        self.accepted = -1
        """Whatever this Envoy asked for, it has in this version."""
        self._names: frozenset[str] | None = None
        self._sent = -1
        self._nonce = ""
        self._unanswered = False
        self._foreign_types: list[str] = []

    def __repr__(self) -> str:
        state = "unanswered" if self._unanswered else "answered"
        return f"<Subscription accepted={self.accepted} sent={self._sent} {state}>"

    def receive(self, request: DiscoveryRequest) -> None:
        """Take in a subscription, an ACK or a NACK."""
        if request.type_url != EDS_TYPE:
            if not request.response_nonce:
                self._foreign_types.append(request.type_url)
            return
        if request.response_nonce != self._nonce:
            return  # made before the last response arrived; the answer to that repeats the names
        if self._unanswered:
            self._unanswered = False
            if request.error_detail is None:
                self.accepted = self._sent
            else:
                log.error("Envoy refused endpoints: %s", request.error_detail.message)
        names = frozenset(request.resource_names)
        if self._names is None or not names <= self._names:
            # Envoy waits for each name it newly asks for, even one that has no endpoints.
            self.accepted = self._sent = -1
        self._names = names

    def respond(
        self, assignments: Mapping[str, Assignment], version: int
    ) -> DiscoveryResponse | None:
        """Return what brings the Envoy up to `version`, if something has to be sent now."""
        if self._foreign_types:
            return DiscoveryResponse(
                version_info="0", nonce="0", type_url=self._foreign_types.pop()
            )
        if self._names is None or self._unanswered or self._sent >= version:
            return None
        changed = {
            name: assignment.endpoints
            for name in sorted(self._names)
            if (assignment := assignments.get(name, UNKNOWN)).version > self.accepted
        }
        self._sent = version
        if not changed:
            self.accepted = version
            return None
        self._nonce = str(int(self._nonce or 0) + 1)
        self._unanswered = True
        return DiscoveryResponse(
            version_info=str(version),
            nonce=self._nonce,
            type_url=EDS_TYPE,
            resources=[Any.pack(load_assignment(*change)) for change in changed.items()],
        )
