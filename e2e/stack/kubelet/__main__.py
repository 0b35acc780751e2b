"""The kubelet's process: `python -m e2e.stack.kubelet --kubeconfig FILE --folder FOLDER`."""

import argparse
import asyncio
import logging
import os
import signal
from contextlib import suppress
from pathlib import Path

from e2e.stack.kubeconfig import Access
from e2e.stack.kubelet.client import Client
from e2e.stack.kubelet.node import Node
from e2e.stack.kubelet.pod import Host
from local.guard import Guard

FIRST, LAST = 50, 250
"""The pods' addresses, in 192.0.2.0/24."""


async def main(kubeconfig: Path, folder: Path) -> None:
    """Be a kubelet until SIGTERM."""
    access = Access.load(kubeconfig)
    guard = Guard(grace_seconds=0)
    await guard.start()
    client = Client(access)
    addresses: asyncio.Queue[str] = asyncio.Queue()
    for number in range(FIRST, LAST + 1):
        addresses.put_nowait(f"192.0.2.{number}")
    host, port = access.server.removeprefix("https://").split(":")
    environment = {**os.environ, "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    logs = folder / "logs" / "pods"
    logs.mkdir(parents=True, exist_ok=True)
    node = Node(Host(client, guard, addresses, folder / "pods", logs, environment))
    task = asyncio.create_task(node.run(), name="node")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        with suppress(asyncio.CancelledError):
            await task
    finally:
        await client.close()
        await guard.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main(**vars(parser.parse_args())))
