"""A network of the tests' own, with what is to run in it at hand.

Must not know what runs there.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from e2e.stack.binaries import locate
from e2e.stack.namespace import Namespace, NamespaceError


@contextmanager
def own_network(programs: Iterable[str]) -> Iterator[Namespace]:
    """Make a network, for the ports of two API servers would clash; skip if that cannot be."""
    if missing := [program for program in programs if locate(program) is None]:
        pytest.skip(f"not built yet: {', '.join(missing)}")
    try:
        namespace = Namespace.create()
    except NamespaceError as error:
        pytest.skip(str(error))
    yield namespace
    namespace.close()
