"""The demo as a visitor runs it."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.envoy

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_demo(envoy):
    """Start the demo as a process."""
    assert envoy

    async def run(*arguments):
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "cli.main", "demo", *arguments),
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "120"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )

    return run


async def test_demo_keeps_its_promises(run_demo):
    """It is the first thing that a visitor sees of us, and it judges itself."""
    demo = await run_demo()
    async with asyncio.timeout(40):
        said, _ = await demo.communicate()
    text = said.decode()
    assert 0 == demo.returncode, text
    assert 5 == text.count("kept:")
    assert "BROKEN" not in text
    assert "Every request was answered as promised." in text
    assert "200 of 200 answered 200" in text
    assert "exited with code 3" in text


async def test_demo_stays_for_the_visitors_own_requests(run_demo):
    """The tour ends, the ports stay open, Ctrl-C ends it well."""
    demo = await run_demo("--stay")
    async with asyncio.timeout(40):
        text = ""
        while "Try it: curl" not in text:
            line = await demo.stdout.readline()
            assert line, text
            text += line.decode()
        (port,) = re.findall(r"curl http://127\.0\.0\.1:(\d+)/", text)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow/own HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 200 OK")
        os.killpg(demo.pid, signal.SIGINT)
        said, _ = await demo.communicate()
    assert 0 == demo.returncode, text + said.decode()
