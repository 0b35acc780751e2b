"""Which resource a reference by API version and kind means, and whether it can be scaled.

Owns what the API server says it serves, for a while. Must not know why anyone asks.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from kube.client import Kube
from kube.errors import NotFoundError
from kube.request import Request
from kube.resource import Object, Resource, group_path

KEEP_SECONDS = 600.0
KEEP_MISSING_SECONDS = 10.0
"""What is not there now may be installed any moment; but thousands may ask for it."""


class Found(NamedTuple):
    """What serves a kind."""

    resource: Resource
    has_scale: bool


class _Served(NamedTuple):
    kinds: Mapping[str, Found]
    asked_at: float


class Discovery:
    """What the API server serves."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._served: dict[str, _Served] = {}

    async def find(self, api_version: str, kind: str) -> Found | None:
        """Return what serves a kind; none if nothing does.

        Raises:
            KubeError: that cannot be found out.
        """
        now = asyncio.get_running_loop().time()
        served = self._served.get(api_version)
        if served is None or now - served.asked_at > _keep_seconds(served, kind):
            served = _Served(await self._ask(api_version), now)
            self._served[api_version] = served
        return served.kinds.get(kind)

    def forget(self, api_version: str) -> None:
        """Ask again next time: a resource found here was not found there."""
        self._served.pop(api_version, None)

    async def _ask(self, api_version: str) -> Mapping[str, Found]:
        try:
            answer = await self._kube.send(Request("get", "GET", group_path(api_version)))
        except NotFoundError:
            return {}
        return _kinds(api_version, answer.get("resources") or ())


def _keep_seconds(served: _Served, kind: str) -> float:
    return KEEP_SECONDS if kind in served.kinds else KEEP_MISSING_SECONDS


def _kinds(api_version: str, resources: tuple[Object, ...] | list[Object]) -> dict[str, Found]:
    group, _, version = api_version.rpartition("/")
    names = {item["name"] for item in resources}
    return {
        item["kind"]: Found(
            Resource(group, version, item["name"], item["kind"], item["namespaced"]),
            f"{item['name']}/scale" in names,
        )
        for item in resources
        if "/" not in item["name"]
    }
