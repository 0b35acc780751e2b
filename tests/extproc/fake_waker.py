from collections.abc import Callable

from extproc.core.workload import WorkloadKey


class FakeWaker:
    """Starts nothing; remembers what it was asked for, and may act on it at once."""

    def __init__(self, act: Callable[[WorkloadKey], None] | None = None) -> None:
        self.woken: list[WorkloadKey] = []
        self.act = act

    def wake(self, key: WorkloadKey) -> None:
        """Note that `key` shall start."""
        self.woken.append(key)
        if self.act:
            self.act(key)
