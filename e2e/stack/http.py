"""One HTTP request as a client of a gateway or a sidecar sends it. Must not know Envoy."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PORT = 80
LOST = 0
"""The status of a request whose connection was refused or cut."""
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, and how long it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.body)


def get(
    address: str,
    host: str,
    path: str = "/",
    *,
    port: int = PORT,
    headers: Mapping[str, str] | None = None,
    patience: float = PATIENCE_SECONDS,
) -> Reply:
    """Send a GET request for `host` to an address, and wait for its answer."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection(address, port, timeout=patience)
    try:
        connection.request("GET", path, headers={"Host": host, **(headers or {})})
        answer = connection.getresponse()
        body = answer.read()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, fields, body, time.monotonic() - begun)
    except (OSError, http.client.HTTPException) as error:
        return Reply(LOST, {}, repr(error).encode(), time.monotonic() - begun)
    finally:
        connection.close()
