"""istiod's debug endpoints: asked which proxies there are, and what listeners they were sent.

Owns the requests, and what need not be asked again. Must not judge what it hears.
"""

import asyncio
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp

from controller.attach import Found, Proxy, has_cluster, read_listeners, read_proxies

TIMEOUT_SECONDS = 10.0
AT_ONCE = 4
"""istiod generates what it dumps."""
SETTLE_TRIES = 6
SETTLE_SECONDS = 0.5
"""A push takes a moment to be acknowledged. Only one that is not for seconds says anything."""


class IstiodError(Exception):
    """istiod does not answer, or not to us; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to ask istiod."""

    url: str
    """Its debug address, such as http://istiod.istio-system:15014. Each address that the host
    name stands for is asked: no istiod knows the proxies of the others."""
    token: Path | None = None
    """A file with a token of audience istio-ca, read anew each time."""
    hold_cluster: str = ""
    """The cluster of the hold servers, which each proxy has to have."""


class _Place(NamedTuple):
    base: str
    proxy: Proxy


class Istiod:
    """All istiods behind one name."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._known: dict[tuple[str, str], Found] = {}

    async def look(self) -> dict[Proxy, Found]:
        """Return what each proxy has that is connected.

        Raises:
            IstiodError: that cannot be told.
        """
        try:
            async with aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS), headers=self._headers()
            ) as session:
                places = await self._settled(session)
                found = await self._found(session, places)
        except _NotShownError as error:
            raise IstiodError(
                f"istiod shows no /debug/syncz at {self._access.url}: are its debug endpoints off?"
            ) from error
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            why = str(error) or type(error).__name__
            raise IstiodError(f"istiod cannot be asked at {self._access.url}: {why}") from error
        self._known = {(proxy.name, proxy.pushed): what for proxy, what in found.items()}
        return found

    def _headers(self) -> dict[str, str]:
        if self._access.token is None:
            return {}
        return {"Authorization": f"Bearer {self._access.token.read_text().strip()}"}

    async def _settled(self, session: aiohttp.ClientSession) -> list[_Place]:
        for left in reversed(range(SETTLE_TRIES)):
            places = [
                _Place(base, proxy)
                for base in await self._bases()
                for proxy in read_proxies(json.loads(await _get(session, f"{base}/debug/syncz")))
            ]
            if not left or all(place.proxy.is_settled for place in places):
                break
            await asyncio.sleep(SETTLE_SECONDS)
        return places

    async def _found(
        self, session: aiohttp.ClientSession, places: Iterable[_Place]
    ) -> dict[Proxy, Found]:
        free = asyncio.Semaphore(AT_ONCE)

        async def ask(place: _Place) -> tuple[Proxy, Found]:
            known = self._known.get((place.proxy.name, place.proxy.pushed))
            if known is not None and known is not Found.UNSEEN:
                return place.proxy, known
            async with free:
                return place.proxy, await self._ask(session, place)

        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(ask(place), name=f"listeners of {place.proxy.name}")
                for place in places
            ]
        return dict(task.result() for task in tasks)

    async def _ask(self, session: aiohttp.ClientSession, place: _Place) -> Found:
        dump = f"{place.base}/debug/config_dump?proxyID={place.proxy.name}&types="
        try:
            found = read_listeners(await _get(session, f"{dump}lds"))
            cluster = self._access.hold_cluster
            if found is Found.GATE and cluster:
                clusters = await _get(session, f"{dump}cds")
                return found if has_cluster(clusters, cluster) else Found.HIDDEN
        except (_NotShownError, IstiodError, aiohttp.ClientError, TimeoutError):
            return Found.UNSEEN
        return found

    async def _bases(self) -> list[str]:
        url = urlsplit(self._access.url)
        port = url.port or 80
        answers = await asyncio.get_running_loop().getaddrinfo(
            url.hostname, port, type=socket.SOCK_STREAM
        )
        hosts = dict.fromkeys(str(address[0]) for *_, address in answers)
        return [
            f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}" for host in hosts
        ]


class _NotShownError(Exception):
    """istiod shows a proxy's configuration to others only, or has lost it."""


async def _get(session: aiohttp.ClientSession, url: str) -> bytes:
    async with session.get(url, allow_redirects=False) as answer:
        if answer.status == 404:  # noqa: PLR2004 - as HTTP has it
            raise _NotShownError
        if answer.status in {401, 403}:
            raise IstiodError(
                f"istiod answers {answer.status}: it takes a token of audience istio-ca, of a "
                "ServiceAccount in its root namespace, unless ENABLE_DEBUG_ENDPOINT_AUTH is false"
            )
        answer.raise_for_status()
        return await answer.read()
