"""The mark between the gate's filters: no client can set it, and no workload sees it."""

import json

import pytest

pytestmark = pytest.mark.envoy

MARK = "x-layby-eps"
FORGERIES = [
    [(MARK, "0")],
    [(MARK, "5")],
    [(MARK, "")],
    [(MARK, "0"), (MARK, "5")],
    [(MARK, "5"), (MARK, "0")],
    [("X-Layby-Eps", "0"), ("Connection", "x-layby-eps")],
]
NAMES = ["zero", "five", "empty", "zero and five", "five and zero", "nominated"]
forgery = pytest.mark.parametrize("headers", FORGERIES, ids=NAMES)


def names(body):
    """The names of the headers that the workload got."""
    return {name.lower() for name, _ in json.loads(body)}


@forgery
async def test_forged_mark_on_a_warm_workload_is_not_held(run_mesh, workload, headers):
    """A client must not be able to send everybody's requests through the hold server."""
    async with run_mesh(workload()) as running:
        assert 200 == (await running.get()).status
        asked = await running.streams_started()
        answer, body = await running.get_http1("/headers", headers)
        assert 200 == answer.status
        assert MARK not in names(body)
        assert asked == await running.streams_started()


@forgery
async def test_forged_mark_on_a_cold_workload_is_held(run_mesh, workload, headers):
    """Nor past it, to a workload that is not there."""
    async with run_mesh(workload()) as running:
        answer, body = await running.get_http1("/headers", headers)
        assert 200 == answer.status
        assert MARK not in names(body)
        assert 1 == await running.streams_started()
        assert 1 == running.supervisor().wakes


async def test_requests_without_a_mark_get_none(run_mesh, workload):
    """The gate's own mark stays inside, whether it asked the hold server or not."""
    async with run_mesh(workload()) as running:
        cold = await running.get("/headers")
        warm = await running.get("/headers")
        assert names(cold.body) == names(warm.body)
        assert not [name for name in names(cold.body) if "layby" in name]
        assert 1 == await running.streams_started()


async def test_other_headers_pass_unharmed(run_mesh, workload):
    """The rest of a request is none of our business, twice-named headers and empty ones least."""
    sent = [("x-tag", "a"), ("x-tag", "b"), ("x-empty", ""), ("x-layby-other", "0")]
    async with run_mesh(workload()) as running:
        for _ in ("cold", "warm"):
            _, body = await running.get_http1("/headers", sent)
            got = [(name, value) for name, value in json.loads(body) if name.startswith("x-")]
            assert sent == [header for header in got if header in sent]
