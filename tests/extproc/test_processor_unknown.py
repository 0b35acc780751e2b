"""What becomes of requests while it is not known yet which workloads are managed."""

import asyncio

import pytest

from extproc.core.hold import HoldQueue
from extproc.core.settle import Settle
from extproc.processor import KNOWN_WITHIN_SECONDS, Processor
from extproc.throttler import Throttler
from extproc.wire.ext_proc import CONTINUE, PASS
from tests.extproc.fake_envoy import request_headers
from tests.extproc.fake_waker import FakeWaker

pytestmark = pytest.mark.looptime


class ScriptedStream:
    """A stream whose first message has come."""

    async def read(self) -> bytes:
        """Read it."""
        return request_headers()

    def invocation_metadata(self) -> None:
        """There is none."""


@pytest.mark.parametrize(("known", "answer", "after"), [(True, PASS, 0), (False, CONTINUE, 5)])
async def test_only_who_knows_all_says_that_a_request_is_none_of_laybys(
    looptime, known, answer, after
):
    """Another hold server may know better, and the gate's next chance may come to that one."""
    event = asyncio.Event()
    if known:
        event.set()
    throttler = Throttler(HoldQueue(max_pending=1, settle=Settle(first=0.0)), FakeWaker())
    processor = Processor(throttler, lambda _: None, lambda _: None, event)
    assert answer == await processor.process(None, ScriptedStream())  # type: ignore[arg-type]
    assert (after, KNOWN_WITHIN_SECONDS) == (looptime, 5)
