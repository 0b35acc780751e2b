"""Requests that a sleeping workload cannot have: each is told so, in time, and in its own terms."""

import asyncio
import json
from collections import Counter

import pytest

from local.supervisor import Phase

pytestmark = pytest.mark.envoy

LAYBY_HEADERS = ("x-layby-reason", "x-layby-held-ms")


async def test_one_request_too_many_is_shed_and_harms_nobody(run_mesh, workload, gate):
    """A bounded queue is what keeps a stampede from taking the hold server with it."""
    web = workload("web", "--open-when", gate, hold={"max_pending": 3})
    async with run_mesh(web) as running, running.crowd(3) as parked:
        await running.parked(3)
        refused = await running.get()
        gate.touch()
        assert Counter({200: 3}) == await parked.statuses()
    assert 503 == refused.status
    assert "queue-full" == refused.headers["x-layby-reason"]
    assert int(refused.headers["retry-after"]) >= 1
    assert "0" == refused.headers["x-layby-held-ms"]
    assert b"3 requests already wait for web." in refused.body


async def test_all_workloads_share_one_bound(run_mesh, workload, gate):
    """Many small queues are one large one."""
    configs = [
        workload("web", "--open-when", gate, name=name, prefixes=[f"/{name}"]) for name in "ab"
    ]
    async with run_mesh(*configs, max_pending=2) as running, running.crowd(2, "/a/") as parked:
        await running.parked(2)
        refused = await running.get("/b/")
        assert (503, "server-full") == (refused.status, refused.headers["x-layby-reason"])
        assert 0 == running.supervisor("b").wakes
        gate.touch()
        assert Counter({200: 2}) == await parked.statuses()


async def test_client_that_leaves_makes_room(run_mesh, workload, gate):
    """A place held for nobody is a place refused to somebody."""
    web = workload("web", "--open-when", gate, hold={"max_pending": 1})
    async with run_mesh(web) as running:
        async with running.crowd():
            await running.parked(1)
        await running.parked(0)
        async with running.crowd() as second:
            await running.parked(1)
            gate.touch()
            assert Counter({200: 1}) == await second.statuses()


async def test_start_that_takes_too_long_is_a_gateway_timeout(run_mesh, workload, gate):
    """The client is told in the time that the workload's owner chose, not in its own."""
    web = workload("web", "--open-when", gate, hold={"timeout": "300ms"})
    async with run_mesh(web) as running:
        late = await running.get()
        assert (504, "timeout") == (late.status, late.headers["x-layby-reason"])
        assert 300 <= int(late.headers["x-layby-held-ms"]) < 1000
        assert late.answered_at - late.sent_at < 1
        # The start goes on all the same, and serves whoever tries again.
        gate.touch()
        async with asyncio.timeout(10):
            while (await running.get()).status != 200:
                pass
        assert 1 == running.supervisor().wakes


async def test_probes_are_answered_and_wake_nothing(run_mesh, workload):
    """A load balancer asks every few seconds: nothing would ever sleep."""
    web = workload(probes=[{"path": "/healthz"}, {"user_agent": "kube-probe*", "status": 204}])
    async with run_mesh(web) as running:
        by_path = await running.get("/healthz?full=1")
        by_agent = await running.get("/", [("user-agent", "kube-probe/1.36")])
        assert (200, b"asleep\n") == (by_path.status, by_path.body)
        assert 204 == by_agent.status
        assert {"probe"} == {answer.headers["x-layby-reason"] for answer in (by_path, by_agent)}
        assert 0 == running.supervisor().wakes
        assert Phase.ZERO is running.supervisor().phase


async def test_probes_keep_nothing_awake(run_mesh, workload):
    """While the workload runs they reach it, but they are no demand."""
    web = workload(probes=[{"path": "/healthz"}], idle={"after": "200ms"})
    async with run_mesh(web) as running:
        assert 200 == (await running.get()).status
        probed = await running.get("/healthz")
        assert b"ok" in probed.body
        async with asyncio.timeout(5):
            while running.supervisor().phase is not Phase.ZERO:
                assert 200 == (await running.get("/healthz")).status
        assert 1 == running.supervisor().wakes


async def test_crash_is_told_at_once_with_its_last_words(run_mesh, workload, tmp_path):
    """Who waits out a minute for a typo in an environment variable does not come back."""
    starts = tmp_path / "starts"
    async with run_mesh(workload("crash", starts)) as running, running.crowd(20) as crowd:
        answers = await crowd.answers()
        assert {(503, "cannot-start")} == {
            (answer.status, answer.headers["x-layby-reason"]) for answer in answers
        }
        assert all(b"exited with code 7" in answer.body for answer in answers)
        assert all(b"no database at db.shop:5432" in answer.body for answer in answers)
        assert max(answer.answered_at - answer.sent_at for answer in answers) < 3
        # The next one within the back-off is told the same, and starts nothing.
        again = await running.get()
        assert (503, "cannot-start") == (again.status, again.headers["x-layby-reason"])
        assert int(again.headers["retry-after"]) >= 1
        assert "started\n" == starts.read_text()
        assert Phase.ZERO is running.supervisor().phase
        assert "no database" in running.supervisor().last_failure


async def test_workload_that_ends_once_it_listens_cannot_start_either(run_mesh, workload):
    """An open port is not a service: such a workload would be started until patience ends."""
    web = workload("flimsy")
    async with run_mesh(web) as running:
        answer = await running.get()
        assert (503, "cannot-start") == (answer.status, answer.headers["x-layby-reason"])
        assert b"exited with code 9" in answer.body
        assert b"the schema is too old" in answer.body
        assert answer.answered_at - answer.sent_at < 3


async def test_wrong_command_is_named(run_mesh, workload):
    """The most frequent mistake of all."""
    async with run_mesh(workload(command="no-such-program --port $PORT")) as running:
        answer = await running.get()
    assert (503, "cannot-start") == (answer.status, answer.headers["x-layby-reason"])
    assert b"command not found: no-such-program" in answer.body


async def test_one_broken_workload_is_no_concern_of_another(run_mesh, workload, tmp_path):
    """They share an Envoy and a hold server, and nothing else."""
    broken = workload("crash", tmp_path / "starts", name="broken", prefixes=["/broken"])
    async with (
        run_mesh(broken, workload()) as running,
        running.crowd(5, "/broken") as crowd,
        running.crowd(5) as others,
    ):
        assert Counter({503: 5}) == await crowd.statuses()
        assert Counter({200: 5}) == await others.statuses()


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/json", "application/problem+json"),
        ("application/problem+json, text/plain;q=0.1", "application/problem+json"),
        ("*/*", "text/plain; charset=utf-8"),
    ],
)
async def test_refusal_speaks_the_clients_language(run_mesh, workload, accept, expected):
    """A program that asked for JSON parses what it gets, and breaks on anything else."""
    async with run_mesh(workload(command="no-such-program")) as running:
        answer = await running.get("/", [("accept", accept)])
    assert expected == answer.headers["content-type"]
    if "json" in expected:
        problem = json.loads(answer.body)
        assert (503, "cannot-start") == (problem["status"], problem["reason"])
        assert "command not found: no-such-program" == problem["detail"]


async def test_paced_release_spreads_the_crowd(run_mesh, workload, gate):
    """A workload that has just started is at its weakest."""
    web = workload("web", "--open-when", gate, release={"per_second": 40})
    async with run_mesh(web) as running, running.crowd(21) as crowd:
        await running.parked(21)
        gate.touch()
        answers = await crowd.answers()
    assert Counter({200: 21}) == Counter(answer.status for answer in answers)
    times = sorted(answer.answered_at for answer in answers)
    # Twenty pauses of 25 ms; any quarter of a second has no more than ten, and one on its edge.
    assert times[-1] - times[0] == pytest.approx(0.5, abs=0.15)
    assert all(late - early > 0.2 for early, late in zip(times, times[12:], strict=False))
