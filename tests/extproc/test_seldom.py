import asyncio
import logging

import pytest

from extproc.seldom import SILENT_SECONDS, Seldom

pytestmark = pytest.mark.looptime


async def test_it_warns_at_once_and_then_once_in_a_while(caplog):
    """Whoever floods a port must not fill the log, and one that goes on has to be seen."""
    seldom = Seldom(logging.getLogger("test"), "%d of them")
    for number in range(100):
        seldom.warn(number)
    await asyncio.sleep(SILENT_SECONDS - 1)
    seldom.warn(100)
    assert ["0 of them"] == caplog.messages
    await asyncio.sleep(1)
    seldom.warn(101)
    assert ["0 of them", "101 of them"] == caplog.messages
