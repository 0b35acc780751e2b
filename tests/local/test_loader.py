"""A wrong `layby.yaml` is told with file, line and field, all problems at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from local.loader import ConfigError, load

FILE = Path("layby.yaml")
STAR = (
    "while scanning an alias, expected alphabetic or numeric character, but found ']'"
    ' (a plain * needs quotes: "*")'
)
LISTEN = "input should be an IP address and a port, such as 127.0.0.1:8080"
NAME = "input should be a DNS label: lower-case letters, digits and `-`"

Refusal = Callable[[str | bytes], list[str]]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_good_file_is_loaded():
    """Every field, in every way of writing that the documentation shows."""
    Path("shop").mkdir()
    FILE.write_text(
        """
listen: localhost:9090
max_pending: 10
drain: 5s
workloads:
  - name: shop
    command: python -m shop --port $PORT
    port: 9000
    protocol: http2
    env: {MODE: fast}
    cwd: shop
    hosts: [shop.test, "*.shop.test"]
    prefixes: [/api]
    readiness: {http: /ready, timeout: 1m, interval: 100ms}
    hold: {timeout: 30s, max_pending: 5}
    release: {per_second: 10}
    wake: {backoff: 2s}
    idle: {after: 5m}
    stop: {grace: 1500ms}
    probes:
      - {path: /healthz}
      - {user_agent: kube-probe/, method: GET, status: 204}
  - name: cart
    command: [node, cart.js]
    readiness: {tcp: true}
"""
    )

    config = load(FILE)

    shop, cart = config.workloads
    assert Path("shop").absolute() == shop.cwd
    assert Path.cwd() == cart.cwd
    durations = {"after": 300.0, "grace": 1.5, "timeout": 60.0, "interval": 0.1}
    read = shop.idle.model_dump() | shop.stop.model_dump() | shop.readiness.model_dump()
    assert durations == {name: read[name] for name in durations}
    assert ["python", "-m", "shop", "--port", "9000"] == list(shop.arguments(9000))


def test_cwd_is_relative_to_the_file_not_to_the_caller(tmp_path: Path):
    """`layby local -f elsewhere/layby.yaml` runs the same as from its folder."""
    (tmp_path / "elsewhere" / "shop").mkdir(parents=True)
    path = Path("elsewhere/layby.yaml")
    path.write_text("workloads: [{name: shop, command: serve, cwd: shop}]")

    assert tmp_path / "elsewhere" / "shop" == load(path).workloads[0].cwd


def test_merge_keys_do_not_count_as_repeated():
    """`<<: *defaults` exists to be overridden."""
    FILE.write_text(
        "workloads:\n"
        "- &shop {name: shop, command: serve, hold: {timeout: 5s}}\n"
        "- {<<: *shop, name: cart, prefixes: [/cart]}\n"
    )

    config = load(FILE)

    expected = {"shop": 5.0, "cart": 5.0}
    assert expected == {w.name: w.hold.timeout for w in config.workloads}


def test_missing_file():
    """The most common mistake of all."""
    with pytest.raises(ConfigError, match=r"^nowhere\.yaml: no such file$"):
        load(Path("nowhere.yaml"))


def test_folder_instead_of_a_file():
    """The system's reason is told."""
    with pytest.raises(ConfigError, match=r"^\.: cannot be read: Is a directory$"):
        load(Path())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("", ": the file is empty", id="empty"),
        pytest.param(
            "workloads: [\n",
            ":2:1: while parsing a flow node, expected the node content, but found '<stream end>'",
            id="unclosed-list",
        ),
        pytest.param("a: b: c\n", ":1:5: mapping values are not allowed here", id="two-colons"),
        pytest.param(
            "workloads:\n\t- name: a\n",
            ":2:1: while scanning for the next token, found character '\\t' that cannot start any"
            " token",
            id="tab",
        ),
        pytest.param("hosts: [*]\n", f":1:10: {STAR}", id="plain-star"),
        pytest.param("a: *b\n", ":1:4: found undefined alias 'b'", id="undefined-alias"),
        pytest.param(
            "a: 1\n---\nb: 2\n",
            ":2:1: expected a single document in the stream, but found another document",
            id="two-documents",
        ),
        pytest.param(
            "a: !!python/name:os.system x\n",
            ":1:4: could not determine a constructor for the tag"
            " 'tag:yaml.org,2002:python/name:os.system'",
            id="python-tag",
        ),
        pytest.param(
            "? [1]\n: 2\n",
            ":1:3: while constructing a mapping, found unhashable key",
            id="list-as-key",
        ),
        pytest.param(b"a: 1\nb: \xff\n", ":2: is not UTF-8 text", id="not-utf-8"),
        pytest.param(
            "a: 1\nb: \x01\n", ":2: unreadable: special characters are not allowed", id="control"
        ),
        pytest.param(
            "a: 0b_\n", ": unreadable: invalid literal for int() with base 2: ''", id="number"
        ),
        pytest.param("[" * 2000, ": nested too deeply", id="nested"),
        pytest.param("- a\n", ":1: input should be a mapping of fields (got a list)", id="a-list"),
        pytest.param("{}\n", ":1: workloads: field required", id="no-workloads"),
        ("workloads:", ":1: workloads: input should be a list (got nothing)"),
        pytest.param(
            "\nworkloads: []\n",
            ":2: workloads: input should have at least one item (got a list)",
            id="none",
        ),
        pytest.param(
            "workloads:\n- shop\n",
            ":2: workloads[0]: input should be a mapping of fields (got shop)",
            id="workload-is-text",
        ),
        pytest.param(
            "workloads: &all [*all]\n",
            ":1: workloads[0]: input should be a mapping of fields (got a list)",
            id="alias-of-itself",
        ),
        pytest.param(
            "workloads:\n- name: shop\n", ":2: workloads[0].command: field required", id="required"
        ),
        pytest.param(
            "listen: 8080\nworkloads: [{name: a, command: b}]\n",
            f":1: listen: {LISTEN} (got 8080)",
            id="listen-without-host",
        ),
        pytest.param(
            "listen: shop.test:80\nworkloads: [{name: a, command: b}]\n",
            f":1: listen: {LISTEN} (got shop.test:80)",
            id="listen-on-a-name",
        ),
        pytest.param(
            "listen: 127.0.0.1:65536\nworkloads: [{name: a, command: b}]\n",
            f":1: listen: {LISTEN} (got 127.0.0.1:65536)",
            id="listen-beyond-ports",
        ),
        pytest.param(
            "workloads: [{name: a, command: b}]\nmax_pending: 0\n",
            ":2: max_pending: input should be greater than or equal to 1 (got 0)",
            id="max-pending",
        ),
        pytest.param(
            "workloads: [{name: a, command: b}]\nworkload: []\n",
            ":2: workload: unknown field; did you mean `workloads`?",
            id="unknown-at-the-top",
        ),
    ],
)  # fmt: skip
def test_bad_file(refusal: Refusal, content: str | bytes, expected: str):
    """One line says where and what."""
    assert [expected] == refusal(content)


def test_all_problems_are_told_at_once_in_the_order_of_lines(refusal: Refusal):
    """Nobody wants to find them one run at a time."""
    lines = refusal(
        """\
drain: -1
workloads:
- name: A
  comand: x
- name: b
  command: b
  command: c
  hold: {timeout: 0}
"""
    )

    expected = [
        ":1: drain: input should be greater than or equal to 0 (got -1)",
        f":3: workloads[0].name: {NAME} (got A)",
        ":3: workloads[0].command: field required",
        ":4: workloads[0].comand: unknown field; did you mean `command`?",
        ":7: workloads[1].command: repeated key (first on line 6)",
        ":8: workloads[1].hold.timeout: input should be greater than 0 (got 0)",
    ]
    assert expected == lines


def test_problem_in_a_merged_mapping_is_told_where_it_is_written(refusal: Refusal):
    """The alias has no such line; its anchor has."""
    lines = refusal(
        "workloads:\n"
        "- &shop\n  name: shop\n  command: serve\n  hold: {timeout: 0}\n"
        "- <<: *shop\n  name: cart\n"
    )

    expected = [
        ":5: workloads[0].hold.timeout: input should be greater than 0 (got 0)",
        ":5: workloads[1].hold.timeout: input should be greater than 0 (got 0)",
    ]
    assert expected == lines


def test_path_is_told_as_it_was_given(tmp_path: Path):
    """So that a terminal or an editor can open it."""
    path = tmp_path / "my.yaml"
    path.write_text("{}")

    with pytest.raises(ConfigError) as caught:
        load(path)

    assert f"{path}:1: workloads: field required" == str(caught.value)
    assert path == caught.value.path
