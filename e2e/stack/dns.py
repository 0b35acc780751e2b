"""The cluster's DNS, for those who need names: `python -m e2e.stack.dns`.

A Service's name means its ready endpoints, as a headless Service's does: there is no kube-proxy
to lead an address of its own anywhere. So whoever uses a name uses the pods' port.
"""

import argparse
import asyncio
import logging
import re
import socket
import struct
from pathlib import Path

import urllib3

from e2e.stack.api import Api, ApiError

DOMAIN = "cluster.local"
PORT = 53
PATIENCE_SECONDS = 2.0
_NAME = re.compile(rf"([^.]+)\.([^.]+)\.svc\.{re.escape(DOMAIN)}", re.IGNORECASE)
_HEAD = struct.Struct("!6H")
_TAIL = struct.Struct("!2H")
_RECORD = struct.Struct("!3HIH4s")
_ANSWER = 0x8400
"""A response, of an authority."""
_RECURSION = 0x0100
_FAILED, _NO_SUCH_NAME = 2, 3
_A, _INTERNET = 1, 1
_NAME_OF_QUESTION = 0xC000 | _HEAD.size
_MOST = 28
"""Addresses that fit into a datagram that everybody takes."""

log = logging.getLogger(__name__)


def resolv_conf(server: str, namespace: str) -> str:
    """Render what a pod of a namespace finds in `/etc/resolv.conf`."""
    search = f"{namespace}.svc.{DOMAIN} svc.{DOMAIN} {DOMAIN}"
    return f"nameserver {server}\nsearch {search}\noptions ndots:5\n"


def ask(server: str, name: str) -> list[str]:
    """Return the IPv4 addresses of a full name.

    Raises:
        OSError: nobody answers.
    """
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = _HEAD.pack(1, _RECURSION, 1, 0, 0, 0) + question + b"\0" + _TAIL.pack(_A, _INTERNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(PATIENCE_SECONDS)
        asked.connect((server, PORT))
        asked.send(query)
        answer = asked.recv(512)
    records = answer[len(query) :]
    found = [_RECORD.unpack_from(records, at) for at in range(0, len(records), _RECORD.size)]
    return [socket.inet_ntoa(record[-1]) for record in found]


class Server(asyncio.DatagramProtocol):
    """Answers; what it was told last serves while the API server is away."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[tuple[str, str], list[str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Remember where answers go out."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer, without keeping others waiting."""
        task = asyncio.create_task(self._answer(data, addr), name="answer")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, query: bytes, client: tuple[str, int]) -> None:
        try:
            name, question = _question(query)
        except (IndexError, UnicodeDecodeError, struct.error):
            return
        number, flags = struct.unpack_from("!2H", query)
        wants_a = _TAIL.unpack(question[-_TAIL.size :]) == (_A, _INTERNET)
        code, records = 0, []
        try:
            addresses = await asyncio.to_thread(self._addresses, name)
        except (ApiError, urllib3.exceptions.HTTPError) as error:
            log.warning("%s: %s", name, error)
            code = _FAILED
        else:
            code = 0 if addresses else _NO_SUCH_NAME
            records = [_record(address) for address in addresses[:_MOST] if wants_a]
        flags = _ANSWER | (flags & _RECURSION) | code
        head = _HEAD.pack(number, flags, 1, len(records), 0, 0)
        self._transport.sendto(b"".join([head, question, *records]), client)

    def _addresses(self, name: str) -> list[str]:
        """Look at a Service's EndpointSlices; without a Service there are none either."""
        found = _NAME.fullmatch(name)
        if found is None:
            return []
        service, namespace = found[1].lower(), found[2].lower()
        try:
            slices = self._api.items(
                "discovery.k8s.io/v1",
                "EndpointSlice",
                namespace,
                labelSelector=f"kubernetes.io/service-name={service}",
            )
        except (ApiError, urllib3.exceptions.HTTPError):
            if known := self._known.get((namespace, service)):
                return known
            raise
        ready = sorted(
            address
            for each in slices
            for endpoint in each.get("endpoints") or ()
            if endpoint.get("conditions", {}).get("ready", True)
            for address in endpoint["addresses"]
        )
        self._known[namespace, service] = ready
        return ready


def _question(query: bytes) -> tuple[str, bytes]:
    """Return the name that a query asks for, and its question as it stands."""
    labels, at = [], _HEAD.size
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    question = query[_HEAD.size : at + 1 + _TAIL.size]
    _TAIL.unpack(question[-_TAIL.size :])
    return ".".join(labels), question


def _record(address: str) -> bytes:
    # Not to be kept: a pod may be gone in a second.
    return _RECORD.pack(_NAME_OF_QUESTION, _A, _INTERNET, 0, 4, socket.inet_aton(address))


async def main(kubeconfig: Path, address: str) -> None:
    """Serve until SIGTERM, which ends it at once."""
    loop = asyncio.get_running_loop()
    api = Api(kubeconfig)
    await loop.create_datagram_endpoint(lambda: Server(api), (address, PORT))
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--address", required=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main(**vars(parser.parse_args())))
