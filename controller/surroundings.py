"""What a controller finds at its start: how old the API server is, said once in the log.

Owns the question. Must not judge: `versions` does. What the mesh's proxies are is asked of istiod
again and again, for they come and go.
"""

import logging

from controller.versions import KUBERNETES
from kube.client import Kube
from kube.errors import KubeError
from kube.request import Request

log = logging.getLogger(__name__)


async def tell_version(kube: Kube) -> None:
    """Say which Kubernetes this is, and what follows if it is too old. Nothing depends on it."""
    try:
        answer = await kube.send(Request("get", "GET", "/version"))
    except KubeError as error:
        log.info("the API server does not tell its version: %s", error)
        return
    version = str(answer.get("gitVersion", "")).removeprefix("v")
    if complaint := KUBERNETES.complaint(version):
        log.warning("%s", complaint)
    else:
        log.info("Kubernetes %s; tested with %s", version or "of no version", KUBERNETES.tested)
