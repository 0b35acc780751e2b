import asyncio
import logging

import pytest

from telemetry.seldom import MOST, SILENT_SECONDS, Seldom

pytestmark = pytest.mark.looptime


@pytest.fixture
def seldom():
    return Seldom(logging.getLogger("test"), "%s of them")


async def test_it_warns_at_once_and_then_once_in_a_while(seldom, caplog):
    """Whoever floods a port must not fill the log, and one that goes on has to be seen."""
    for number in range(100):
        seldom.warn(number)
    await asyncio.sleep(SILENT_SECONDS - 1)
    seldom.warn(100)
    assert ["0 of them"] == caplog.messages
    await asyncio.sleep(1)
    seldom.warn(101)
    assert ["0 of them", "101 of them (left out since the last one: 100)"] == caplog.messages
    await asyncio.sleep(SILENT_SECONDS)
    seldom.warn(102)
    assert "102 of them" == caplog.messages[-1]


async def test_another_peer_is_told_of_at_once(seldom, caplog):
    """It may be the one that matters, among others who are always wrong."""
    for of in ("ipv4:10.0.0.1", "ipv4:10.0.0.1", "ipv4:10.0.0.2", "ipv4:10.0.0.1"):
        seldom.warn(of, of=of)
        await asyncio.sleep(1)
    first, second = caplog.messages
    assert "ipv4:10.0.0.1 of them" == first
    assert "ipv4:10.0.0.2 of them (left out since the last one: 1)" == second


async def test_many_addresses_fill_neither_the_memory_nor_the_log(seldom, caplog):
    """Whoever has a network of IPv6 has as many as they like."""
    for number in range(10 * MOST):
        seldom.warn(number, of=f"ipv6:{number}")
        await asyncio.sleep(1 / MOST)
    assert [f"{number} of them" for number in range(MOST)] == caplog.messages
    assert MOST == len(seldom._told)
    await asyncio.sleep(SILENT_SECONDS)
    seldom.warn("late", of="ipv6:late")
    assert f"late of them (left out since the last one: {9 * MOST})" == caplog.messages[-1]
    assert 1 == len(seldom._told)
