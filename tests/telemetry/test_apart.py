"""Work in a thread that nobody has to wait for."""

import asyncio
import threading

import pytest

from telemetry.apart import apart


async def test_its_result_comes_back_to_the_loop():
    here = threading.get_ident()
    assert here != await apart(threading.get_ident, "elsewhere")


async def test_its_error_comes_back_too():
    def fail():
        raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        await apart(fail, "failing")


async def test_whoever_is_tired_of_waiting_may_go():
    """And what the work says then is heard by nobody."""
    go, gone = threading.Event(), threading.Event()

    def work():
        go.wait(10)
        gone.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await apart(work, "slow")
    go.set()
    await apart(lambda: gone.wait(10), "after it")


def test_the_loop_may_end_without_it():
    """A collector that does not answer must not keep the process."""
    go = threading.Event()
    threads = []

    def work():
        threads.append(threading.current_thread())
        go.wait(10)

    async def main():
        async with asyncio.timeout(0.01):
            await apart(work, "slow")

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    go.set()
    threads[0].join(10)
    assert not threads[0].is_alive()
    assert threads[0].daemon
