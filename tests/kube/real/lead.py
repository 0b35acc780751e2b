"""A process that leads now and then: `python -m tests.kube.real.lead KUBECONFIG NAMESPACE NAME`.

It says when it begins to act, when it stops, and writes down each of its acts in an object.
"""

import asyncio
import signal
import sys
from pathlib import Path

from kube.client import Kube
from kube.connection import Connection
from kube.leader import Leader, Term
from kube.resource import Key

TERM = Term(lease_seconds=3.0, act_seconds=2.0, renew_seconds=0.4)


def say(text: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def act() -> None:
    """Lead."""
    say("acts")
    try:
        await asyncio.Event().wait()
    finally:
        say("stops")


async def main(kubeconfig: str, namespace: str, name: str) -> None:
    """Be a candidate, until told to end."""
    opened = await Connection.open(kubeconfig=Path(kubeconfig), user_agent=name)
    async with opened as connection:
        leader = Leader(Kube(connection), Key(namespace, "lead"), name, TERM)
        task = asyncio.create_task(leader.lead(act))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        say("stands by")
        await asyncio.wait([task])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
