"""The way to the API server: who we are, TLS, connections, and HTTP errors as ours.

Owns the one client session. Must not know resources, nor retry anything.
"""

import os
import socket
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import aiohttp
import yaml
from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from kube.errors import TIMEOUT, unreachable
from kube.request import Request

CONNECT_SECONDS = 10.0
NOWHERE = (
    "no API server to ask: KUBECONFIG is not set, there is no ~/.kube/config, and this is no pod."
    " Name a kubeconfig file by KUBECONFIG, or by --kubeconfig if the command has it; or run in a"
    " pod with a service account"
)
KEEPALIVE = {
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 25_000,
}
"""A watch may be silent for a minute; a peer that is gone is noticed after 25 s all the same."""


class ConfigError(Exception):
    """There is no usable account of where the API server is and who we are."""


class Reply:
    """The answer to a request; its body may still be on its way."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    @property
    def retry_after(self) -> str | None:
        """The seconds after which the server wants to be asked again."""
        return self._response.headers.get("Retry-After")

    async def read(self) -> bytes:
        """Return the whole body."""
        with _as_ours():
            return await self._response.read()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Return the body piece by piece, as it comes."""
        while chunk := await self._some():
            yield chunk

    def close(self) -> None:
        """Let go of the connection. It is used again if the body has been read."""
        connection = self._response.connection
        if connection and connection.transport:
            # A watch has no end: TLS would wait for the server's goodbye, for half a minute.
            connection.transport.abort()
        self._response.close()

    async def _some(self) -> bytes:
        with _as_ours():
            return await self._response.content.readany()


class Connection:
    """A client session with the API server. It is for one event loop."""

    def __init__(self, configuration: Configuration, user_agent: str = "layby") -> None:
        self._configuration = configuration
        self._user_agent = user_agent
        with _as_config_error():
            self._rest = RESTClientObject(configuration)
        configuration.proxy = configuration.proxy or _proxy_for(configuration.host)
        # No limit: each watch takes a connection for good, and who sends has a bound already.
        self._connector = aiohttp.TCPConnector(
            limit=0, ssl=self._rest.ssl_context, socket_factory=_socket
        )
        configuration.client_session_kwargs = {
            "connector": self._connector,
            # With it aiohttp looks for a ~/.netrc, in a thread, before every request.
            "trust_env": False,
            "cookie_jar": aiohttp.DummyCookieJar(),
        }

    @classmethod
    async def open(
        cls, *, kubeconfig: Path | None = None, context: str | None = None, user_agent: str
    ) -> Self:
        """Find the API server as kubectl and controllers do, and get ready to talk to it.

        A file that is named, then `$KUBECONFIG`, then the pod's service account (whose token is
        read again every minute), then `~/.kube/config`.

        Raises:
            ConfigError: there is no such thing, or it is not usable.
        """
        configuration = Configuration()
        with _as_config_error():
            if file := _kubeconfig(kubeconfig):
                await _load(configuration, file, context)
            else:
                config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        return cls(configuration, user_agent)

    @property
    def host(self) -> str:
        """The URL of the API server."""
        return self._configuration.host

    async def send(self, request: Request) -> Reply:
        """Send a request and return the answer, once its head has come.

        Raises:
            UnreachableError: there was none.
        """
        query = f"?{urlencode(request.query)}" if request.query else ""
        timeout = aiohttp.ClientTimeout(
            total=request.timeout_seconds,
            sock_connect=CONNECT_SECONDS,
            sock_read=request.silence_seconds,
        )
        with _as_ours():
            answer = await self._rest.request(  # type: ignore[no-untyped-call]
                request.method,
                f"{self.host}{request.path}{query}",
                headers=await self._headers(request),
                body=request.body,
                _request_timeout=timeout,
            )
        return Reply(answer.response)

    async def close(self) -> None:
        """Close all connections."""
        await self._rest.close()
        await self._connector.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _headers(self, request: Request) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "Content-Type": request.content_type,
            "User-Agent": self._user_agent,
        }
        if token := await self._configuration.get_api_key_with_prefix("BearerToken"):
            headers["Authorization"] = token
        return headers


@contextmanager
def _as_ours() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise unreachable(TIMEOUT, error) from error
    except (aiohttp.ClientError, OSError, config.ConfigException) as error:
        raise unreachable("Unreachable", error) from error


@contextmanager
def _as_config_error() -> Iterator[None]:
    try:
        yield
    except (config.ConfigException, yaml.YAMLError, OSError, ValueError) as error:
        raise ConfigError(str(error)) from error


def _kubeconfig(given: Path | None) -> str | None:
    """Return the file or files to read; None if the pod's service account is to be used."""
    if given:
        if not given.is_file():
            raise ConfigError(f"{given}: no such file")
        return str(given)
    if named := os.environ.get("KUBECONFIG"):
        files = [Path(each).expanduser() for each in named.split(os.pathsep) if each]
        if not any(file.exists() for file in files):
            raise ConfigError(f"KUBECONFIG: no such file: {named}")
        return named
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return None
    home = Path.home() / ".kube" / "config"
    if not home.is_file():
        raise ConfigError(NOWHERE)
    return str(home)


async def _load(configuration: Configuration, file: str, context: str | None) -> None:
    loader = await config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=file, context=context, client_configuration=configuration, persist_config=False
    )
    if not hasattr(loader, "exec_plugin_expiry"):
        return

    async def refresh(configuration: Configuration) -> None:
        # The loader runs the program again only when what it gave is about to expire.
        await loader.load_from_exec_plugin()
        configuration.api_key["BearerToken"] = loader.token

    configuration.refresh_api_key_hook = refresh  # type: ignore[assignment] # declared as None


def _proxy_for(host: str) -> str | None:
    url = urlsplit(host)
    if not url.hostname or urllib.request.proxy_bypass(url.hostname):
        return None
    return urllib.request.getproxies().get(url.scheme)


def _socket(address: Any) -> socket.socket:  # noqa: ANN401 - a tuple of aiohttp's
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made
