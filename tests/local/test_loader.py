"""A wrong `layby.yaml` is told with file, line and field, all problems at once."""

import re
from pathlib import Path

import pytest

from local.loader import ConfigError, load

FILE = Path("layby.yaml")

# The rules that are told in more words than fit on a line of the tables below.
DURATION = "input should be a duration such as 250ms, 5s or 2m"
HOST = "input should be `*`, a host name without a port, or `*.` and a name"
LISTEN = "input should be an IP address and a port, such as 127.0.0.1:8080"
METHOD = "input should be an HTTP method such as GET"
NAME = "input should be a DNS label: lower-case letters, digits and `-`"
PATH = "input should be a path that starts with `/`"
SHELL = "input should be a shell-like line of words: no closing quotation"


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refusal(content: str | bytes) -> list[str]:
    """Return what `load` says of a file, without the file's name."""
    FILE.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        load(FILE)
    return [line.removeprefix("layby.yaml") for line in str(caught.value).splitlines()]


def of_workload(fields: str) -> list[str]:
    """Refuse a workload that is right but for these fields, which start on line 4."""
    return refusal(f"workloads:\n- name: shop\n  command: serve\n{fields}")


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
    with pytest.raises(ConfigError, match=re.escape(".: cannot be read: Is a directory")):
        load(Path())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("", ": the file is empty", id="empty"),
        pytest.param("# nothing\n---\n", ": the file is empty", id="only-comments"),
        pytest.param(
            "workloads: [\n", ":2:1: expected the node content, but found '<stream end>' while"
            " parsing a flow node", id="unclosed-list",
        ),
        pytest.param(
            "workloads:\n- name: a: b\n", ":2:10: mapping values are not allowed here", id="colon"
        ),
        pytest.param(
            "workloads:\n\t- name: a\n",
            ":2:1: found character '\\t' that cannot start any token while scanning for the next"
            " token",
            id="tab",
        ),
        pytest.param(
            "hosts: [*]\n",
            ":1:10: expected alphabetic or numeric character, but found ']' while scanning an alias"
            ' (a plain * needs quotes: "*")',
            id="plain-star",
        ),
        pytest.param("a: *b\n", ":1:4: found undefined alias 'b'", id="undefined-alias"),
        pytest.param(
            "a: 1\n---\nb: 2\n",
            ":2:1: but found another document expected a single document in the stream",
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
            ":1:3: found unhashable key while constructing a mapping",
            id="list-as-key",
        ),
        pytest.param(
            b"a: 1\nb: \xff\n", ":2: is not UTF-8 text", id="not-utf-8"
        ),
        pytest.param(
            "a: 1\nb: \x01\n", ":2: unreadable: special characters are not allowed", id="control"
        ),
        pytest.param(
            "a: 0b_\n",
            ": unreadable: invalid literal for int() with base 2: ''",
            id="odd-number",
        ),
        pytest.param("[" * 2000, ": nested too deeply", id="nested"),
        pytest.param("- a\n", ":1: input should be a mapping of fields (got a list)", id="a-list"),
        pytest.param("{}\n", ":1: workloads: field required", id="no-workloads"),
        pytest.param(
            "workloads:\n", ":1: workloads: input should be a list (got nothing)", id="null"
        ),
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
        pytest.param("workloads:\n- name: shop\n", ":2: workloads[0].command: field required",
            id="no-command"),
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
def test_bad_file(content: str | bytes, expected: str):
    """One line says where and what."""
    assert [expected] == refusal(content)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("  comand: x", ":4: workloads[0].comand: unknown field; did you mean `command`?"),
        ("  zzz: x", ":4: workloads[0].zzz: unknown field"),
        (
            "  hold:\n    maxPending: 3",
            ":5: workloads[0].hold.maxPending: unknown field; did you mean `max_pending`?",
        ),
        (
            "  idle: {after_seconds: 3}",
            ":4: workloads[0].idle.after_seconds: unknown field; did you mean `after`?",
        ),
        (
            "  probes:\n  - path: /\n    userAgent: x",
            ":6: workloads[0].probes[0].userAgent: unknown field; did you mean `user_agent`?",
        ),
        ("  1: x", ":4: workloads[0].1: keys should be strings (got x)"),
        ("  port: 1\n  port: 2", ":5: workloads[0].port: repeated key (first on line 4)"),
        (
            "  hold:\n    timeout: -3",
            ":5: workloads[0].hold.timeout: input should be greater than 0 (got -3)",
        ),
        (
            "  hold: {timeout: 2h}",
            ":4: workloads[0].hold.timeout: input should be less than or equal to 3600 (got 2h)",
        ),
        (
            "  hold: {timeout: soon}",
            f":4: workloads[0].hold.timeout: {DURATION} (got soon)",
        ),
        (
            "  hold: {timeout: .inf}",
            ":4: workloads[0].hold.timeout: input should be less than or equal to 3600 (got .inf)",
        ),
        (
            "  idle: {after: 0}",
            ":4: workloads[0].idle.after: input should be greater than 0 (got 0)",
        ),
        (
            "  stop: {grace: .nan}",
            f":4: workloads[0].stop.grace: {DURATION} (got .nan)",
        ),
        ("  stop: 5s", ":4: workloads[0].stop: input should be a mapping of fields (got 5s)"),
        ("  port: 0", ":4: workloads[0].port: input should be greater than or equal to 1 (got 0)"),
        ("  port: true", ":4: workloads[0].port: input should be a valid integer (got true)"),
        ("  port: $PORT", ":4: workloads[0].port: input should be a valid integer (got $PORT)"),
        (
            "  protocol: h2",
            ":4: workloads[0].protocol: input should be 'http1' or 'http2' (got h2)",
        ),
        ("  env: [A=1]", ":4: workloads[0].env: input should be a mapping (got a list)"),
        (
            "  env:\n    A: 1",
            ":5: workloads[0].env.A: input should be text: put it in quotes (got 1)",
        ),
        (
            "  env:\n    A:",
            ":5: workloads[0].env.A: input should be text (got nothing)",
        ),
        ("  env: {PORT: '1'}", ":4: workloads[0].env.PORT: PORT is set by layby itself (got PORT)"),
        (
            "  env: {A=B: c}",
            ":4: workloads[0].env.A=B: a variable's name should have no `=` (got A=B)",
        ),
        (
            '  env: {A: "\\0"}',
            ":4: workloads[0].env.A: input should have no NUL character (got \0)",
        ),
        ("  hosts: []", ":4: workloads[0].hosts: input should have at least one item (got a list)"),
        ("  hosts: shop.test", ":4: workloads[0].hosts: input should be a list (got shop.test)"),
        (
            "  hosts:\n  - a.test\n  - a.test:80",
            f":6: workloads[0].hosts[1]: {HOST} (got a.test:80)",
        ),
        (
            "  prefixes: [api]",
            f":4: workloads[0].prefixes[0]: {PATH}, without `?`, `#` or `*` (got api)",
        ),
        (
            "  prefixes: [/api/*]",
            f":4: workloads[0].prefixes[0]: {PATH}, without `?`, `#` or `*` (got /api/*)",
        ),
        (
            "  readiness: {tcp: true, http: /}",
            ":4: workloads[0].readiness.http: give either `tcp` or `http`, not both",
        ),
        (
            "  readiness: {tcp: false}",
            ":4: workloads[0].readiness.tcp: input should be True (got false)",
        ),
        (
            "  readiness: {http: healthz}",
            f":4: workloads[0].readiness.http: {PATH} (got healthz)",
        ),
        (
            "  release: {per_second: 0}",
            ":4: workloads[0].release.per_second: input should be greater than 0 (got 0)",
        ),
        (
            "  probes:\n  - status: 204",
            ":5: workloads[0].probes[0]: give at least one of `path`, `user_agent` and `method`",
        ),
        (
            "  probes: [{path: '/a*b'}]",
            f":4: workloads[0].probes[0].path: {PATH}, with `*` only at its end (got /a*b)",
        ),
        (
            "  probes: [{method: 'GET /'}]",
            f":4: workloads[0].probes[0].method: {METHOD} (got GET /)",
        ),
        (
            "  probes: [{path: /, status: 99.5}]",
            ":4: workloads[0].probes[0].status: input should be a valid integer (got 99.5)",
        ),
        (
            "  cwd: /no/such/folder",
            ":4: workloads[0].cwd: no such folder: /no/such/folder (got /no/such/folder)",
        ),
    ],
)
def test_bad_field(fields: str, expected: str):
    """The line is that of the field, not that of the workload."""
    assert [expected] == of_workload(fields)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "serve 'x",
            f"{SHELL} (got serve 'x)",
        ),
        ("5", "input should be a list of words, or one line of them (got 5)"),
        ("[]", "input should name a program (got a list)"),
        ("''", "input should name a program (got nothing)"),
        ('["a\\0"]', "input should have no NUL character (got a list)"),
    ],
)
def test_bad_command(command: str, expected: str):
    """A command that cannot be run is refused before anybody waits for it."""
    lines = refusal(f"workloads:\n- name: shop\n  command: {command}\n")

    assert [f":3: workloads[0].command: {expected}"] == lines


@pytest.mark.parametrize("name", ["Shop", "a_b", "-a", "a-", "a" * 64, "a.b"])
def test_bad_name(name: str):
    """It becomes a cluster's, a metric's and a log's name."""
    lines = refusal(f"workloads:\n- name: {name}\n  command: serve\n")
    got = name if len(name) <= 60 else f"{name[:60]}..."

    expected = [f":2: workloads[0].name: {NAME} (got {got})"]
    assert expected == lines


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("- name: shop\n  command: b\n  prefixes: [/b]",
         ":4: workloads[1].name: `shop` is already the name of workloads[0]"),
        ("- name: b\n  command: b", ":4: workloads[1]: `*/` already goes to workload `shop`"),
        ("- name: b\n  command: b\n  prefixes: [/b, /]",
         ":6: workloads[1].prefixes: `*/` already goes to workload `shop`"),
        ("- name: b\n  command: b\n  hosts: ['*']",
         ":6: workloads[1].hosts: `*/` already goes to workload `shop`"),
        ("- name: b\n  command: b\n  hosts: [b.test, B.test]",
         ":6: workloads[1].hosts: `b.test/` already goes to workload `b`"),
        ("- name: b\n  command: b\n  prefixes: [/b]\n  port: 8080",
         ":7: workloads[1].port: 8080 is already the port of layby itself (`listen`)"),
        ("- &b {name: b, command: b, hosts: [b], port: 1}\n- {<<: *b, name: c, hosts: [c]}",
         ":4: workloads[2].port: 1 is already the port of workload `b`"),
    ],
)  # fmt: skip
def test_conflict(fields: str, expected: str):
    """Two fields that are fine alone: the line is that of the later one."""
    assert [expected] == of_workload(fields)


def test_all_problems_are_told_at_once_in_the_order_of_lines():
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


def test_problem_in_a_merged_mapping_is_told_where_it_is_written():
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
