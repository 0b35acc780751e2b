"""A service of the playground's Bookinfo, on `$POD_IP:$PORT`: `python -m e2e.workloads.bookinfo`.

/health    200
/anything  its own part as JSON, with those of the services that it asks, one after the other

It asks by a sidecar's address and the service's name in the mesh, and hands on who is signed in. If
one of them does not answer with 200 it says 502, and what it was told.
"""

import argparse
import json
import os
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from e2e.stack.http import get

SIGNED_IN = "end-user"


class Handler(BaseHTTPRequestHandler):
    """Answers as one service."""

    protocol_version = "HTTP/1.1"
    name: str
    sidecar: str
    port: int
    upstreams: tuple[str, ...]
    """Their names in the mesh."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log what was asked for, unless a kubelet did."""
        if self.path != "/health":
            super().log_request(code, size)

    def do_GET(self) -> None:
        """Answer a request."""
        status = HTTPStatus.OK
        told: dict[str, object] = {"service": self.name, "pod": os.environ.get("POD_NAME", "")}
        if self.path != "/health":
            user = self.headers.get(SIGNED_IN)
            headers = {SIGNED_IN: user} if user else {}
            for host in self.upstreams:
                reply = get(self.sidecar, host, port=self.port, headers=headers)
                if reply.status != HTTPStatus.OK:
                    status = HTTPStatus.BAD_GATEWAY
                    told[host] = f"{reply.status} {reply.body.decode(errors='replace')}"
                    break
                told[host.partition(".")[0]] = reply.json()
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Listens for as long as the process lives."""

    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--sidecar", required=True, help="the address that it asks others by")
    parser.add_argument("upstreams", nargs="*")
    arguments = parser.parse_args()
    Handler.name, Handler.sidecar = arguments.name, arguments.sidecar
    Handler.upstreams = tuple(arguments.upstreams)
    # As in the sample, all services have the same port.
    Handler.port = int(os.environ["PORT"])
    Server((os.environ.get("POD_IP", "127.0.0.1"), Handler.port), Handler).serve_forever()
