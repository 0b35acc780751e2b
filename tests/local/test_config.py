"""What a configuration means once it is accepted."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from istio.address import TcpAddress
from local.config import LocalConfig, Match, Protocol, WorkloadConfig
from local.duration import seconds


def workload(**fields: Any) -> WorkloadConfig:
    """Make a workload that is right but for what the caller changes."""
    return WorkloadConfig.model_validate({"name": "shop", "command": "serve", **fields})


def test_name_and_command_are_enough():
    """Anything else has a default that suits a first try."""
    expected = {
        "name": "shop",
        "command": ("serve",),
        "port": None,
        "protocol": Protocol.HTTP1,
        "env": {},
        "cwd": Path.cwd(),
        "hosts": ("*",),
        "prefixes": ("/",),
        "readiness": {"tcp": None, "http": None, "timeout": 60.0, "interval": 0.05},
        "hold": {"timeout": 60.0, "max_pending": 1000},
        "release": {"per_second": None},
        "wake": {"backoff": 1.0},
        "idle": {"after": 300.0},
        "stop": {"grace": 10.0},
        "probes": (),
    }

    assert expected == workload().model_dump()


def test_whole_configuration_has_defaults():
    """A file lists its workloads and need not say where to listen."""
    config = LocalConfig(workloads=(workload(),))

    expected = {"listen": TcpAddress("127.0.0.1", 8080), "max_pending": 20_000, "drain": 10.0}
    assert expected == config.model_dump(exclude={"workloads"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", TcpAddress("127.0.0.1", 8080)),
        ("localhost:1", TcpAddress("127.0.0.1", 1)),
        ("0.0.0.0:65535", TcpAddress("0.0.0.0", 65535)),
        ("[::1]:80", TcpAddress("::1", 80)),
    ],
)
def test_listen_is_an_ip_address(text: str, expected: TcpAddress):
    """Envoy resolves no names for its listeners."""
    config = LocalConfig.model_validate({"listen": text, "workloads": [workload()]})

    assert expected == config.listen


@pytest.mark.parametrize("text", ["127.0.0.1:80", "[::1]:80"])
def test_address_prints_as_in_a_url(text: str):
    """It is printed into `http://...` for the user to click."""
    config = LocalConfig.model_validate({"listen": text, "workloads": [workload()]})

    assert text == str(config.listen)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (3, 3.0),
        (0.5, 0.5),
        ("60", 60.0),
        ("250ms", 0.25),
        ("5s", 5.0),
        ("1.5s", 1.5),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("1m30s", 90.0),
        (" 5s ", 5.0),
        ("-3s", -3.0),
        (10**400, 1e12),
    ],
)
def test_duration_is_read_as_written(written: object, expected: float):
    """Kubernetes users write `5m`, others write seconds."""
    assert expected == seconds(written)


@pytest.mark.parametrize(
    "written", ["", "s", "5 s", "5d", "1s2", "five", True, None, [5], "--3s", float("nan")]
)
def test_what_is_no_duration_is_refused(written: object):
    """A typo must not become zero seconds."""
    with pytest.raises(ValueError, match="should be a duration such as 250ms, 5s or 2m"):
        seconds(written)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("serve --port $PORT", ("serve", "--port", "9")),
        ("serve --at=localhost:${PORT}/", ("serve", "--at=localhost:9/")),
        (["serve", "a b", "$PORT$PORT"], ("serve", "a b", "99")),
        ("serve '$PORT' \"a b\"", ("serve", "9", "a b")),
        (
            "serve $PORTAL $PORT_X ${PORTAL} $port",
            ("serve", "$PORTAL", "$PORT_X", "${PORTAL}", "$port"),
        ),
    ],
)
def test_port_is_filled_into_the_command(command: object, expected: tuple[str, ...]):
    """Many programs take their port as an argument only; other variables are not ours."""
    assert expected == workload(command=command).arguments(9)


def test_routes_are_all_pairs_of_hosts_and_prefixes():
    """Host names do not depend on case."""
    shop = workload(hosts=["Shop.test", "*.shop.test"], prefixes=["/", "/api/"])

    assert (
        Match("shop.test", "/"),
        Match("shop.test", "/api/"),
        Match("*.shop.test", "/"),
        Match("*.shop.test", "/api/"),
    ) == shop.matches


def test_probe_method_does_not_depend_on_case():
    """HTTP methods are upper case; people write `get`."""
    (probe,) = workload(probes=[{"method": "get", "path": "/health*"}]).probes

    expected = {"path": "/health*", "user_agent": None, "method": "GET", "status": 200}
    assert expected == probe.model_dump()


def test_configuration_cannot_be_changed():
    """It is read by many tasks."""
    shop = workload()
    with pytest.raises(ValidationError, match="frozen"):
        shop.name = "other"


def test_same_prefix_on_another_host_is_no_conflict():
    """Hosts are told apart before paths."""
    workloads = (
        workload(hosts=["a.test"]),
        workload(name="b", hosts=["b.test"], prefixes=["/", "/x"]),
        workload(name="c", prefixes=["/x"]),
    )

    assert workloads == LocalConfig(workloads=workloads).workloads
