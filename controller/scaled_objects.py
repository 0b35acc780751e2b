"""How ScaledObjects are written: what was written, what was refused, and by whom.

Owns what a refusal of the API, or of KEDA's admission, means. Must not decide what is wanted.
"""

import asyncio
import logging
from collections.abc import Mapping

from controller.applied import has
from controller.autoscaler import Write
from controller.memory import Memory
from controller.overlay import Overlay, version_of
from kube.client import Kube
from kube.errors import ConflictError, KubeError, NotFoundError, UnreachableError
from kube.informer import Informer
from kube.resource import SCALED_OBJECTS, Object

_PASSING = frozenset({404, 410, 429, 503, 504})
"""What is over before long. All else is somebody's word on what was written."""

log = logging.getLogger(__name__)


class ScaledObjects:
    """Writes ScaledObjects."""

    def __init__(self, kube: Kube, informer: Informer) -> None:
        self._kube = kube
        self._informer = informer
        self.written: Overlay[Object] = Overlay()
        """ScaledObjects as they are after our writes, by key."""

    async def write(self, change: Write, memory: Memory) -> bool:
        """Make a change; tell whether it was made.

        Raises:
            KubeError: it could not be made now.
        """
        seen = version_of(self._informer.store.get(change.key))
        try:
            written = await self._written(change)
        except (ConflictError, NotFoundError):
            # It is another than it was. What it is now will be looked at.
            return False
        except UnreachableError:
            raise
        except KubeError as error:
            if error.status in _PASSING:
                raise
            self._refuse(change, error.message, memory)
            return False
        now = asyncio.get_running_loop().time()
        self.written.put(change.key, seen, written, now)
        if not has(written["spec"], _without_none(change.body.get("spec") or {})):
            self._refuse(change, "KEDA's definition does not have all of these fields", memory)
            return False
        log.info("%s/%s: ScaledObject written", *change.key)
        return True

    async def _written(self, change: Write) -> Object:
        if change.patches:
            return await self._kube.patch_merge(SCALED_OBJECTS, change.key, change.body)
        return await self._kube.apply(SCALED_OBJECTS, change.body, force=True)

    @staticmethod
    def _refuse(change: Write, why: str, memory: Memory) -> None:
        memory.rejected(change.digest, why, asyncio.get_running_loop().time())
        log.warning("%s/%s: ScaledObject refused: %s", *change.key, why)


def _without_none(patch: Mapping[str, object]) -> Mapping[str, object]:
    """Return what a merge patch sets."""
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in patch.items()
        if value is not None
    }
