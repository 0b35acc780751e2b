"""`layby demo`: local mode at work, with workloads of Layby's own and requests it sends itself."""

import asyncio
import http.client
import sys
import time
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import click
from rich.console import Console
from rich.markup import escape

from cli import session
from cli.examples import examples
from cli.table import render, show
from local import samples
from local.address import free_port
from local.app import LocalMesh
from local.config import LocalConfig
from local.supervisor import Phase
from telemetry import logs

MANY = 200
WARM = 5
START_SECONDS = 2
IDLE_SECONDS = 2
PATIENCE_SECONDS = 30.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request got, and after how many seconds."""

    status: int
    seconds: float
    reason: str
    body: str


@click.command(
    short_help="See it work: a cold request, warm ones, many at once.",
    epilog=examples("layby demo", "layby demo --stay --port 8080"),
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Listen here (0: any free).")
@click.option("--stay", is_flag=True, help="Keep running afterwards, for your own curl.")
def demo(port: int, *, stay: bool) -> None:
    """Run two sample workloads and send them requests.

    One takes two seconds to start, the other cannot start. Nothing needs to be configured.
    The exit code is 0 only if every request was answered as promised.
    """
    logs.set_up("error")

    async def body(mesh: LocalMesh) -> int:
        tour = Tour(mesh, Console(highlight=False, soft_wrap=True))
        await tour.run()
        if stay:
            await tour.stay()
        return tour.conclude()

    raise SystemExit(session.run(configuration(port or free_port()), body, interrupted=1))


def configuration(port: int) -> LocalConfig:
    """Return the configuration of the demo, listening on `port`."""
    folder = samples.__path__[0]
    slow = {
        "name": "slow",
        "command": [sys.executable, f"{folder}/slow.py", str(START_SECONDS)],
        "prefixes": ["/slow"],
        "idle": {"after": IDLE_SECONDS},
    }
    broken = {
        "name": "broken",
        "command": [sys.executable, f"{folder}/broken.py"],
        "prefixes": ["/broken"],
    }
    return LocalConfig.model_validate(
        {"listen": f"127.0.0.1:{port}", "workloads": [slow, broken]},
    )


class Tour:
    """The steps of the demo, each with its promise."""

    def __init__(self, mesh: LocalMesh, console: Console) -> None:
        self._mesh = mesh
        self._console = console
        self._slow = next(iter(mesh.supervisors.values()))
        self._broken: list[str] = []

    async def run(self) -> None:
        """Take every step."""
        self._say(f"Envoy listens on http://{self._mesh.config.listen}; no workload is running.")
        await self._cold()
        await self._warm()
        await self._hopeless()
        await self._asleep()
        await self._crowd()

    async def stay(self) -> None:
        """Wait for the user's own requests until cancelled."""
        self._say(f"\nTry it: curl http://{self._mesh.config.listen}/slow/hello  (Ctrl-C stops)")
        try:
            await show(self._mesh, self._console)
        except asyncio.CancelledError:
            self._say("stopping")

    def conclude(self) -> int:
        """Return the exit code, and say it in words."""
        if self._broken:
            self._say(f"\n[red]Not as promised: {'; '.join(self._broken)}.")
            return 1
        self._say("\n[green]Every request was answered as promised.")
        return 0

    async def _cold(self) -> None:
        self._step(f"A cold request: /slow needs {START_SECONDS} s to start.")
        reply = await self._watched(self._ask("/slow/first"))
        self._say(f"  {reply.status} after {reply.seconds:.2f} s: {escape(reply.body)}")
        self._promise(
            "200, though nothing ran when it was sent", kept=reply.status == HTTPStatus.OK
        )

    async def _warm(self) -> None:
        self._step(f"{WARM} warm requests: Layby is not asked.")
        replies = [await self._ask("/slow/warm") for _ in range(WARM)]
        self._say("  " + ", ".join(f"{r.status} in {r.seconds * 1000:.1f} ms" for r in replies))
        kept = all(r.status == HTTPStatus.OK and r.seconds < START_SECONDS for r in replies)
        self._promise("200 each, without a wait", kept=kept)

    async def _hopeless(self) -> None:
        self._step("A workload that cannot start: /broken.")
        reply = await self._ask("/broken/")
        self._say(f"  {reply.status} after {reply.seconds:.2f} s: {escape(reply.body)}")
        said_why = reply.reason == "cannot-start" and "secret.yaml" in reply.body
        kept = reply.status == HTTPStatus.SERVICE_UNAVAILABLE and said_why
        self._promise("503 at once, with the exit code and its last words", kept=kept)

    async def _asleep(self) -> None:
        self._step(f"{IDLE_SECONDS} s without a request: /slow is stopped.")
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._watched(self._until_zero())
        except TimeoutError:
            pass
        self._promise("no workload is left running", kept=self._slow.phase is Phase.ZERO)

    async def _crowd(self) -> None:
        self._step(f"{MANY} requests at once for the sleeping /slow.")
        with ThreadPoolExecutor(MANY) as pool:
            calls = (self._ask(f"/slow/{number}", pool) for number in range(MANY))
            replies = await self._watched(asyncio.gather(*calls))
        good = sum(reply.status == HTTPStatus.OK for reply in replies)
        last = max(reply.seconds for reply in replies)
        self._say(f"  {good} of {MANY} answered 200, the last after {last:.2f} s")
        promise = f"{MANY} answers, and the workload was started once for all of them"
        self._promise(promise, kept=good == MANY and self._slow.wakes == 2)  # noqa: PLR2004

    async def _ask(self, path: str, pool: ThreadPoolExecutor | None = None) -> Reply:
        listen = self._mesh.config.listen
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(pool, ask, listen.host, listen.port, path)

    async def _until_zero(self) -> None:
        while self._slow.phase is not Phase.ZERO:
            await asyncio.sleep(0.05)

    async def _watched(self, work: Awaitable[T]) -> T:
        """Show the live table while `work` goes on."""
        table = asyncio.ensure_future(show(self._mesh, self._console))
        try:
            return await work
        finally:
            table.cancel()
            await asyncio.wait((table,))
            self._console.print(render(self._mesh, self._console.height))

    def _step(self, text: str) -> None:
        self._say(f"\n[bold]{text}")

    def _promise(self, text: str, *, kept: bool) -> None:
        self._say(f"  [green]kept:[/] {text}" if kept else f"  [red]BROKEN:[/] {text}")
        if not kept:
            self._broken.append(text)

    def _say(self, text: str) -> None:
        self._console.print(text)


def ask(host: str, port: int, path: str) -> Reply:
    """Send one GET request on a connection of its own."""
    begun = time.monotonic()
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode(errors="replace").strip().replace("\n", " ")
    finally:
        connection.close()
    reason = response.headers.get("x-layby-reason", "")
    return Reply(response.status, time.monotonic() - begun, reason, body)
