"""What holds for all tests, those of `tests/` and those of `e2e/`."""

import asyncio


def pytest_sessionstart() -> None:
    """Leave no loop for the first test to open by asking for one; nobody would close it."""
    asyncio.set_event_loop(None)
