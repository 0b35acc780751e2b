import asyncio

import pytest

from kube.discovery import Discovery, Found
from kube.errors import KubeError
from kube.resource import DEPLOYMENTS, NAMESPACES, Resource
from tests.kube.fake_api import CUT, FakeAnswer, status

pytestmark = pytest.mark.looptime

ROLLOUT = Resource("argoproj.io", "v1alpha1", "rollouts", "Rollout")
NOT_FOUND = FakeAnswer(404, status(404, "NotFound"))


def served(resource, *subresources):
    """Answer as an API server does that serves a resource."""
    parts = ["", *(f"/{name}" for name in subresources)]
    kinds = [resource.kind, *("Scale" for _ in subresources)]
    return FakeAnswer(
        200,
        {
            "resources": [
                {"name": resource.plural + part, "kind": kind, "namespaced": resource.namespaced}
                for part, kind in zip(parts, kinds, strict=True)
            ]
        },
    )


@pytest.fixture
def discovery(api):
    return Discovery(api.kube)


@pytest.mark.parametrize(
    ("answer", "path", "api_version", "expected"),
    [
        (served(DEPLOYMENTS, "scale"), "/apis/apps/v1", "apps/v1", Found(DEPLOYMENTS, True)),
        (served(DEPLOYMENTS, "status"), "/apis/apps/v1", "apps/v1", Found(DEPLOYMENTS, False)),
        (served(NAMESPACES), "/api/v1", "v1", Found(NAMESPACES, False)),
        (
            served(ROLLOUT, "scale"),
            "/apis/argoproj.io/v1alpha1",
            "argoproj.io/v1alpha1",
            Found(ROLLOUT, True),
        ),
    ],
)  # fmt: skip
async def test_a_kind_is_looked_up_where_its_group_is_served(
    api, discovery, answer, path, api_version, expected
):
    """A target may be of any kind, whoever made it."""
    api.next_is("get", answer)
    assert expected == await discovery.find(api_version, expected.resource.kind)
    assert path == api.asked[0].path


async def test_what_was_found_is_known_for_a_while(api, discovery):
    """Two thousand holds ask for Deployment."""
    api.next_is("get", served(DEPLOYMENTS, "scale"), served(DEPLOYMENTS))
    for _ in range(3):
        assert Found(DEPLOYMENTS, True) == await discovery.find("apps/v1", "Deployment")
    assert {"get": 1} == api.kube.requests
    await asyncio.sleep(601)
    assert Found(DEPLOYMENTS, False) == await discovery.find("apps/v1", "Deployment")


@pytest.mark.parametrize("answer", [NOT_FOUND, served(DEPLOYMENTS)])
async def test_what_is_missing_is_asked_for_again_soon(api, discovery, answer):
    """The one who made the hold is about to install it, but not in the next second."""
    api.next_is("get", answer, served(ROLLOUT, "scale"))
    for _ in range(3):
        assert await discovery.find("argoproj.io/v1alpha1", "Rollout") is None
    assert {"get": 1} == api.kube.requests
    await asyncio.sleep(11)
    assert Found(ROLLOUT, True) == await discovery.find("argoproj.io/v1alpha1", "Rollout")


async def test_what_proves_wrong_can_be_forgotten(api, discovery):
    """A 404 on a resource that was found: its definition has been taken away, or moved."""
    api.next_is("get", served(ROLLOUT), NOT_FOUND)
    assert await discovery.find("argoproj.io/v1alpha1", "Rollout")
    discovery.forget("argoproj.io/v1alpha1")
    assert await discovery.find("argoproj.io/v1alpha1", "Rollout") is None


async def test_not_knowing_is_not_the_same_as_missing(api, discovery):
    """An outage must not turn into a condition that says the target is of no known kind."""
    api.next_is("get", CUT, served(ROLLOUT))
    with pytest.raises(KubeError):
        await discovery.find("argoproj.io/v1alpha1", "Rollout")
    assert await discovery.find("argoproj.io/v1alpha1", "Rollout")
