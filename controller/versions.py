"""Which versions of what Layby works with it can do without, and which it was tested with.

Owns the oldest of each, why, and the words when something is older. Must not know how versions are
asked for. No I/O, no clock.
"""

import re
from dataclasses import dataclass

_VERSION = re.compile(r"v?(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class Support:
    """What is known of one program's versions."""

    name: str
    oldest: tuple[int, int] | None
    """None if no older one was tried, nor anything found that it would lack."""
    tested: str
    """The one that this project's own tests run with."""
    reason: str = ""
    """What an older one lacks."""

    def is_too_old(self, version: str) -> bool:
        """Whether it lacks what Layby needs. A version that says nothing is taken."""
        found = _VERSION.match(version)
        if found is None or self.oldest is None:
            return False
        return (int(found[1]), int(found[2])) < self.oldest

    def complaint(self, version: str) -> str:
        """Say what is wrong with a version; nothing, if nothing is."""
        if not self.is_too_old(version):
            return ""
        return f"{self.name} {version} is older than {self.since}: {self.reason}"

    @property
    def since(self) -> str:
        """The oldest, as people write it."""
        return ".".join(map(str, self.oldest or ()))


ENVOY = Support(
    "Envoy",
    (1, 37),
    tested="1.40.0",
    reason="it rejects the gate's access log, and the listener with it",
)
ISTIO = Support(
    "Istio",
    (1, 29),
    tested="1.31",
    reason="its Envoy would reject the gate, so it is not given it",
)
KUBERNETES = Support(
    "Kubernetes",
    (1, 30),
    tested="1.36.3",
    reason="its kubelets lack preStop.sleep, by which a hold server lets Envoys hear that it goes",
)
KEDA = Support("KEDA", None, tested="2.20.2")
ALL = (ISTIO, ENVOY, KUBERNETES, KEDA)
