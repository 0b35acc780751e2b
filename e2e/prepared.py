"""What tests need in the stack's network: made ready before the first of them, then given to them.

This process moves into that network, in which nothing can be downloaded, and no test's timeout
allows for a build. So a program that a test runs there is a fixture. Must not know the tests.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from e2e.stack import jaeger as jaegers
from e2e.stack.binaries import obtain
from e2e.stack.keda.installation import Keda
from e2e.stack.namespace import NamespaceError
from e2e.stack.releases import MissingError
from e2e.stack.whole import Stack, prepare, prepare_keda, running
from local.envoy import EnvoyError

STACK = pytest.StashKey[Stack]()
"""The stack, once there is one."""
_LACKING = pytest.StashKey[dict[str, str]]()
"""Why a fixture could not be prepared, by its name."""
_PROGRAMS = ("helm", "istioctl", "kubectl")
_PREPARATIONS: dict[str, Callable[[], object]] = {
    "stack": prepare,
    "keda": prepare_keda,
    "jaeger": partial(obtain, jaegers.PROGRAM),
    **{program: partial(obtain, program) for program in _PROGRAMS},
}
"""How a fixture is prepared, by its name; the stack comes first, for all others need it."""


def pytest_collection_modifyitems(items):
    """Run what needs the stack last: this process moves into the stack's network.

    What needs KEDA comes after all others, for once it is there, it is there for everybody.
    """
    items.sort(key=lambda item: (_needs_stack(item), "keda" in _fixtures(item)))


def pytest_collection_finish(session):
    """Build what is missing of what the tests ask for."""
    config = session.config
    lacking = config.stash[_LACKING] = {}
    items = [item for item in session.items if _needs_stack(item)]
    if config.option.collectonly or not items:
        return
    if config.option.kubeconfig or config.option.k3s:
        lacking["stack"] = "needs a stack of its own, not just an API server"
        return
    wanted = {"stack"}.union(*map(_fixtures, items))
    with _uncaptured(config):
        for name, prepare_it in _PREPARATIONS.items():
            if name in wanted and "stack" not in lacking:
                try:
                    prepare_it()
                except (MissingError, EnvoyError, NamespaceError) as error:
                    lacking[name] = str(error)


def lack(config: pytest.Config, reason: str) -> NoReturn:
    """Skip what lacks something; with `--stack-required` fail it."""
    (pytest.fail if config.option.stack_required else pytest.skip)(reason)


@pytest.fixture(scope="session")
def stack(request, tmp_path_factory) -> Iterator[Stack]:
    """The stack, with this process in its network."""
    _require(request.config, "stack")
    with running(tmp_path_factory.mktemp("stack")) as whole:
        request.config.stash[STACK] = whole
        yield whole


@pytest.fixture(scope="session")
def keda(request, stack) -> Keda:
    """KEDA in the stack, from the first test on that asks for it; it goes with the stack."""
    _require(request.config, "keda")
    stack.keda.install()
    return stack.keda


@pytest.fixture(scope="session")
def jaeger(request, stack) -> jaegers.Jaeger:
    """Jaeger in the stack, from the first test on that asks for it; it goes with the stack."""
    _require(request.config, "jaeger")
    started = jaegers.Jaeger(stack.children)
    started.child.wait()
    return started


def _program(name: str):
    @pytest.fixture(scope="session", name=name)
    def found(request, stack) -> Path:  # noqa: ARG001 - it is prepared with the stack
        """The program, to be run in the stack's network."""
        _require(request.config, name)
        return obtain(name)

    return found


helm, istioctl, kubectl = map(_program, _PROGRAMS)


def _require(config: pytest.Config, name: str) -> None:
    if reason := config.stash[_LACKING].get(name):
        lack(config, reason)


def _needs_stack(item: pytest.Item) -> bool:
    return not {"stack", "cluster"}.isdisjoint(_fixtures(item))


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])


def _uncaptured(config):
    return config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled()
