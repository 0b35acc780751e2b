"""Each field that is refused is told with its line, its rule and what was written."""

from collections.abc import Callable

import pytest

# The rules that are told in more words than fit on a line of the tables below.
DURATION = "input should be a duration such as 250ms, 5s or 2m"
HOST = "input should be `*`, a host name without a port, or `*.` and a name"
METHOD = "input should be an HTTP method such as GET"
NAME = "input should be a DNS label: lower-case letters, digits and `-`"
PATH = "input should be a path that starts with `/`"
SHELL = "input should be a shell-like line of words: no closing quotation"

Refusal = Callable[[str | bytes], list[str]]


def of_workload(refusal: Refusal, fields: str) -> list[str]:
    """Refuse a workload that is right but for these fields, which start on line 4."""
    return refusal(f"workloads:\n- name: shop\n  command: serve\n{fields}")


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
            ":4: workloads[0].hold.timeout: input should be less than or equal to 3590 (got 2h)",
        ),
        (
            "  hold: {timeout: soon}",
            f":4: workloads[0].hold.timeout: {DURATION} (got soon)",
        ),
        (
            "  hold: {timeout: .inf}",
            ":4: workloads[0].hold.timeout: input should be less than or equal to 3590 (got .inf)",
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
def test_bad_field(refusal: Refusal, fields: str, expected: str):
    """The line is that of the field, not that of the workload."""
    assert [expected] == of_workload(refusal, fields)


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
def test_bad_command(refusal: Refusal, command: str, expected: str):
    """A command that cannot be run is refused before anybody waits for it."""
    lines = refusal(f"workloads:\n- name: shop\n  command: {command}\n")

    assert [f":3: workloads[0].command: {expected}"] == lines


@pytest.mark.parametrize("name", ["Shop", "a_b", "-a", "a-", "a" * 64, "a.b"])
def test_bad_name(refusal: Refusal, name: str):
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
def test_conflict(refusal: Refusal, fields: str, expected: str):
    """Two fields that are fine alone: the line is that of the later one."""
    assert [expected] == of_workload(refusal, fields)
