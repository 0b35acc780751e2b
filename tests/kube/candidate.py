"""One process of several that may lead, with what it does while it leads."""

import asyncio

from kube.leader import Leader, Term
from kube.resource import LEASES, Key

KEY = Key("layby", "controller")
PATH = LEASES.path_of(KEY)
TERM = Term(lease_seconds=15, act_seconds=10, renew_seconds=2)


class Candidate:
    """One process: its leader, what it does, and when it did."""

    def __init__(self, api, name, acting):
        self.name = name
        self.leader = Leader(api.kube, KEY, name, TERM)
        self.acting = acting
        self.times = []
        self.most = 0
        self.end = asyncio.Event()
        self.error = None
        self.cleanup = 0.0
        self.task = asyncio.create_task(self.leader.lead(self._body))

    async def _body(self):
        loop = asyncio.get_running_loop()
        assert self.leader.leading
        self.acting.append(self.name)
        self.most = max(self.most, len(self.acting))
        begun = loop.time()
        try:
            await self.end.wait()
            if self.error:
                raise self.error
        finally:
            try:
                await asyncio.sleep(self.cleanup)
            finally:
                self.acting.remove(self.name)
                self.times.append((round(begun, 1), round(loop.time(), 1)))

    async def stop(self):
        """End it, as SIGTERM does."""
        self.task.cancel()
        await asyncio.wait([self.task])
