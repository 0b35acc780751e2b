"""An HTTP/1.1 server on `$POD_IP:$PORT`: `python -m e2e.workloads.web`.

/healthz        200 once it serves, 503 once it is asked to end
/call?url=      what another server answers
/pause?seconds= the answer comes later
/status/CODE    that status
/anything       what it was asked, who it is, and when it was started, as JSON

On SIGTERM it goes on serving for `--linger` seconds, then finishes what it is at; with `--abrupt`
it drops everything at once. `--delay` is how long it takes to start. With `--also PORT` it listens
there too; the header `x-port` says where a request came in.
"""

import argparse
import asyncio
import http.client
import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

CALL_SECONDS = 60.0
_ERROR = 400
_THREADS = 64
_HEAD_END = b"\r\n\r\n"
_STARTED_BY_KERNEL = 21
"""The place of a process's start time in /proc/PID/stat, after its name's two fields: 22 - 1."""

Answer = tuple[int, object]


def born() -> float:
    """When the kernel started this process, as Unix time: before Python had started."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[_STARTED_BY_KERNEL - 2])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


class Server:
    """What the workload knows, and the requests it is at."""

    def __init__(self) -> None:
        self.born = born()
        self.started = 0.0
        """Unix time when it began to listen."""
        self.served = 0
        self.busy = 0
        self.idle = asyncio.Event()
        self.ending = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests, one after the other."""
        try:
            more = True
            while more:
                head = (await reader.readuntil(_HEAD_END)).decode("latin-1")
                self.busy += 1
                try:
                    more = await self._exchange(head, reader, writer)
                finally:
                    self.busy -= 1
                    if not self.busy:
                        self.idle.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _exchange(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; tell whether another may follow."""
        line, *rest = head.strip().split("\r\n")
        method, target, _ = line.split(" ")
        headers = {k.lower(): v for k, _, v in (field.partition(": ") for field in rest)}
        body = await _body(headers, reader)
        status, told = await self._answer(method, target, headers, len(body))
        content = json.dumps(told).encode()
        last = self.ending or headers.get("connection") == "close"
        phrase = "OK" if status < _ERROR else "No"
        lines = (
            f"HTTP/1.1 {status} {phrase}",
            "content-type: application/json",
            f"content-length: {len(content)}",
            f"x-port: {writer.get_extra_info('sockname')[1]}",
            f"connection: {'close' if last else 'keep-alive'}",
        )
        writer.write("\r\n".join(lines).encode() + _HEAD_END + content)
        await writer.drain()
        return not last

    async def _answer(
        self, method: str, target: str, headers: dict[str, str], length: int
    ) -> Answer:
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.served += 1
        match url.path.strip("/").split("/"):
            case ["healthz"]:
                return (503 if self.ending else 200), {"ending": self.ending}
            case ["call"]:
                return await asyncio.to_thread(_call, query["url"])
            case ["status", code]:
                return int(code), {"status": int(code)}
            case ["pause"]:
                await asyncio.sleep(float(query["seconds"]))
            case _:
                pass
        return 200, {
            "pod": os.environ.get("POD_NAME", ""),
            "born": self.born,
            "started": self.started,
            "now": time.time(),
            "served": self.served,
            "method": method,
            "path": target,
            "headers": headers,
            "body_bytes": length,
        }


async def _body(headers: dict[str, str], reader: asyncio.StreamReader) -> bytes:
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
        return body
    return await reader.readexactly(int(headers.get("content-length", 0)))


def _call(url: str) -> Answer:
    """Ask another server: the link of a chain. `URL#HOST` sends another Host header."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.netloc, timeout=CALL_SECONDS)
    try:
        path = f"{where.path or '/'}?{where.query}"
        connection.request("GET", path, headers={"Host": where.fragment or where.netloc})
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    try:
        told = json.loads(text)
    except ValueError:
        told = text
    return answer.status, {"pod": os.environ.get("POD_NAME", ""), "called": url, "told": told}


async def main(arguments: argparse.Namespace) -> None:
    """Serve until asked to end."""
    asked = asyncio.Event()
    # Callers wait in threads.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
    if not arguments.abrupt:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    await asyncio.sleep(arguments.delay)
    state = Server()
    address = os.environ.get("POD_IP", "127.0.0.1")
    servers = [
        await asyncio.start_server(state.serve, address, port, backlog=4096)
        for port in (int(os.environ["PORT"]), *arguments.also)
    ]
    state.started = time.time()
    await asked.wait()
    await asyncio.sleep(arguments.linger)
    state.ending = True
    for server in servers:
        server.close()
    while state.busy:
        state.idle.clear()
        await state.idle.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--delay", type=float, default=float(os.environ.get("START_DELAY", "0")))
    parser.add_argument("--linger", type=float, default=0.5)
    parser.add_argument("--abrupt", action="store_true")
    parser.add_argument("--also", type=int, action="append", default=[])
    asyncio.run(main(parser.parse_args()))
