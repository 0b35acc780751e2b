"""A workload that ends by itself and leaves something of its group behind."""

import shlex

import pytest

pytestmark = pytest.mark.envoy

GRACE = 4


async def test_failure_is_told_before_what_is_left_has_ended(run_mesh, workload):
    """The group may take all of its grace, and the client need not wait for that."""
    flimsy = shlex.join(workload("flimsy")["command"])
    script = f"(trap '' TERM; exec sleep 30 >/dev/null 2>&1) & exec {flimsy}"
    web = workload(command=["sh", "-c", script], stop={"grace": GRACE})
    async with run_mesh(web) as running:
        answer = await running.get()
        assert (503, "cannot-start") == (answer.status, answer.headers["x-layby-reason"])
        assert b"the schema is too old" in answer.body
        assert answer.answered_at - answer.sent_at < GRACE
