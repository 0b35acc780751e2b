"""What can be woken, whatever its kind, and what is said while it cannot start."""

import pytest

from e2e import layby
from e2e.stack.kubelet import FAILURE, PROBE_PERIOD
from e2e.stack.processes import until
from e2e.stack.whole import GATEWAY_LABELS
from e2e.workloads import manifests
from e2e.workloads.held import PROBE, is_known, reason
from e2e.workloads.kinds import Kind, controlled

WITHIN = 20.0
ASLEEP_WITHIN = 40.0
"""Nothing goes to sleep until the controller has heard from all hold servers for a while."""
RETRIED_WITHIN = 60.0
ROLLOUT = Kind("argoproj.io", "v1alpha1", "Rollout")
FLEET = Kind("e2e.layby.dev", "v1", "Fleet")
FAST = {PROBE_PERIOD: "20ms"}


@pytest.fixture(scope="module", autouse=True)
def installed(stack):
    """Layby, as a platform engineer installs it, and kinds that others have defined."""
    layby.install(stack.api)
    stack.api.apply([ROLLOUT.definition(), FLEET.definition()])


@pytest.fixture
def held(stack, apply, namespace, host):
    """Have a workload named `web`, which is at zero, held, and reached through the gateway."""

    def do(workload, **spec):
        kind = {"api_version": workload["apiVersion"], "kind": workload["kind"]}
        apply(
            [
                workload,
                manifests.service("web"),
                manifests.gateway("web", [host], GATEWAY_LABELS, stack.gateway.address),
                manifests.route("web", host, f"web.{namespace}.svc.cluster.local", "web"),
                manifests.hold("web", **kind, probes=[PROBE], **spec),
            ]
        )

    return do


@pytest.fixture
def known(stack, namespace, host):
    """Wait until the hold is ready, and the gateway and the hold servers know of it."""

    def do():
        assert until(lambda: "Ready" == reason(stack.api, namespace), WITHIN)
        assert until(lambda: is_known(stack.gateway, host), WITHIN)

    return do


def test_a_stateful_set_sleeps_and_wakes(stack, held, known, pods, host):
    """Everything with a scale is to be held alike; its pods have no hash, and end in order."""
    held(manifests.stateful_set("web", annotations=FAST), idle={"after": "1s"})
    known()
    assert not pods()
    assert "web-0" == stack.gateway.get(host).json()["pod"]
    assert until(lambda: not pods(), ASLEEP_WITHIN)
    assert 200 == stack.gateway.get(host).status


def test_a_rollout_sleeps_and_wakes_with_the_roles_as_they_come(
    stack, held, known, pods, namespace, host
):
    """Argo's is the one kind of its sort that the manifests know by name."""
    held(
        ROLLOUT.like(manifests.deployment("web", annotations=FAST, grace_seconds=2)),
        idle={"after": "1s"},
    )
    with controlled(stack.api, ROLLOUT, "web", namespace):
        known()
        assert 200 == stack.gateway.get(host).status
        assert until(lambda: not pods(), ASLEEP_WITHIN)
        assert 200 == stack.gateway.get(host).status


def test_a_kind_of_ones_own_is_held_once_a_role_covers_it(
    stack, apply, held, known, namespace, host
):
    """Layby may not look at what nobody has let it look at, and says which verbs it lacks."""
    held(FLEET.like(manifests.deployment("web", annotations=FAST)))
    with controlled(stack.api, FLEET, "web", namespace):
        assert until(
            lambda: "TargetNotScalable" == reason(stack.api, namespace, kind="Accepted"), WITHIN
        )
        apply(roles(FLEET))
        assert until(
            lambda: "Accepted" == reason(stack.api, namespace, kind="Accepted"), ASLEEP_WITHIN
        )
        known()
        assert 200 == stack.gateway.get(host).status


def roles(kind: Kind) -> list[dict[str, object]]:
    """Let Layby see a kind, and find out why one of it does not start."""
    rule = {"apiGroups": [kind.group], "resources": [kind.plural]}
    wanted = {"layby-controller": ["list", "watch"], "layby-extproc": ["get"]}
    group = "rbac.authorization.k8s.io"
    made: list[dict[str, object]] = []
    for account, verbs in wanted.items():
        name = f"{account}-{kind.plural}"
        subject = {"kind": "ServiceAccount", "name": account, "namespace": layby.NAMESPACE}
        made += [
            {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRole",
                "metadata": {"name": name},
                "rules": [{**rule, "verbs": verbs}],
            },
            {
                "apiVersion": f"{group}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
                "subjects": [subject],
            },
        ]
    return made


def quota(pods: int) -> dict[str, object]:
    """Leave room for so many pods."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "room"},
        "spec": {"hard": {"pods": str(pods)}},
    }


def refusal(stack, host: str) -> str:
    """Ask, be refused for a start that is known to be hopeless, and return why."""
    reply = stack.gateway.get(host)
    assert (503, "cannot-start") == (reply.status, reply.headers.get("x-layby-reason")), reply
    assert reply.seconds < 10
    return reply.body.decode()


def test_a_quota_that_leaves_no_room_is_told_and_its_end_is_noticed(
    stack, apply, held, known, host
):
    """No pod is ever made, so that only the workload itself can tell why."""
    apply(quota(0))
    held(manifests.deployment("web", annotations=FAST))
    known()
    assert "exceeded quota" in refusal(stack, host)
    apply(quota(1))
    assert until(lambda: 200 == stack.gateway.get(host).status, WITHIN)


def test_a_quota_with_room_for_some_replicas_refuses_nobody(stack, apply, held, known, host):
    """One pod is on its way; that there is no second is no reason to give up."""
    apply(quota(1))
    held(manifests.deployment("web", "--delay", "3", annotations=FAST), wake={"replicas": 2})
    known()
    assert 200 == stack.gateway.get(host).status


def test_a_stateful_set_that_no_quota_has_room_for_is_told(stack, apply, held, known, host):
    """It has no condition that would say so, only events."""
    apply(quota(0))
    held(manifests.stateful_set("web", annotations=FAST))
    known()
    assert "exceeded quota" in refusal(stack, host)
    apply(quota(1))
    # The StatefulSet controller tries again later and later.
    assert until(lambda: 200 == stack.gateway.get(host).status, RETRIED_WITHIN)


def test_an_image_that_is_put_right_is_noticed(stack, apply, held, known, pods, host):
    """Whoever has corrected the image must not be refused for the old one any longer."""
    held(manifests.deployment("web", annotations={**FAST, FAILURE: "ImagePullBackOff"}))
    known()
    assert "ImagePullBackOff" in refusal(stack, host)
    apply(manifests.deployment("web", "--delay", "4", annotations=FAST, replicas=1))
    # A rolling update keeps the old pod until the new one is ready.
    assert until(lambda: 2 == len(pods()), WITHIN)
    replies = []

    def served() -> bool:
        replies.append(stack.gateway.get(host))
        return 200 == replies[-1].status

    assert until(served, WITHIN)
    # It was held, not refused until the pod was there.
    assert replies[-1].seconds > 1


def test_a_rollout_with_a_wrong_image_is_told_too(stack, held, known, namespace, host):
    """The shipped roles must cover what it takes to find out."""
    wrong = manifests.deployment("web", annotations={**FAST, FAILURE: "ImagePullBackOff"})
    held(ROLLOUT.like(wrong), hold={"timeout": "5s"})
    with controlled(stack.api, ROLLOUT, "web", namespace):
        known()
        assert "ImagePullBackOff" in refusal(stack, host)


@pytest.mark.parametrize(
    ("fallback", "expected"),
    [
        (
            {"body": "<h1>soon</h1>", "contentType": "text/html", "retryAfter": "7s"},
            (504, "timeout", "7", "text/html", None, b"<h1>soon</h1>"),
        ),
        (
            {"redirect": "https://status.example/"},
            (307, "timeout", None, None, "https://status.example/", b""),
        ),
    ],
)
def test_whoever_waits_in_vain_is_told_what_the_owner_wants(
    stack, held, known, host, fallback, expected
):
    """A person who opens a sleeping preview should see a page, not an error."""
    held(
        manifests.deployment("web", "--delay", "30", annotations=FAST, grace_seconds=1),
        hold={"timeout": "1s", "fallback": fallback},
    )
    known()
    reply = stack.gateway.get(host)
    named = ("x-layby-reason", "retry-after", "content-type", "location")
    assert expected == (reply.status, *map(reply.headers.get, named), reply.body)
