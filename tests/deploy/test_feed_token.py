"""The token by which hold servers and controllers know one another, as the chart makes it."""

from base64 import b64decode
from pathlib import PurePosixPath

import pytest

from feed.tokens import Tokens
from tests.deploy.charts import of_kind, pods

PARTS = ("extproc", "controller")
NAME = "layby-feed"


def secret(objects):
    """What there is in the one Secret for it."""
    [found] = of_kind(objects, "Secret", NAME)
    return found


def told(objects, part):
    """The file that a part is told to read, and the Secret that is mounted there."""
    spec = pods(objects)[f"layby-{part}"]["spec"]
    [container] = spec["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    file = variables.get(f"LAYBY_{part.upper()}_FEED_TOKEN_FILE")
    if file is None:
        return None, None
    folder = str(PurePosixPath(file).parent)
    [volume] = [m["name"] for m in container["volumeMounts"] if m["mountPath"] == folder]
    [mounted] = [v["secret"] for v in spec["volumes"] if v["name"] == volume]
    return PurePosixPath(file).name, mounted["secretName"]


def test_hold_servers_and_controllers_read_the_same_one(render):
    """By default: whoever else reaches the port is not told of demand."""
    objects = render()
    assert {("token", NAME)} == {told(objects, part) for part in PARTS}
    assert {"token"} == secret(objects)["data"].keys()


def test_it_is_one_that_can_be_shown_and_not_guessed(render, tmp_path):
    """No two installations have the same."""
    file = tmp_path / "token"
    found = set()
    for _ in range(2):
        file.write_bytes(b64decode(secret(render())["data"]["token"]))
        tokens = Tokens(file, "LAYBY_EXTPROC_FEED_TOKEN_FILE")
        [(_, value)] = tokens.metadata()
        assert tokens.accept(tokens.metadata())
        assert len(value) > 40
        found.add(value)
    assert 2 == len(found)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ({"existingSecret": "mine"}, ("token", "mine")),
        ({"existingSecret": "mine", "generate": False}, ("token", "mine")),
        ({"generate": False}, (None, None)),
    ],
)
def test_nothing_is_generated_unless_it_is_used(render, token, expected):
    """Argo CD would make another one each time."""
    objects = render({"feed": {"token": token}})
    assert not of_kind(objects, "Secret", NAME)
    assert {expected} == {told(objects, part) for part in PARTS}


@pytest.mark.parametrize("feed", [True, False])
@pytest.mark.parametrize("keda", [True, False])
@pytest.mark.parametrize("istiod", ["http://istiod.istio-system:15014", ""])
def test_volumes_are_those_that_are_mounted(render, feed, keda, istiod):
    """One that is left over, or is not there, would keep the pod from starting."""
    values = {
        "feed": {"token": {"generate": feed}},
        "keda": {"tls": {"generate": keda}},
        "istio": {"istiodUrl": istiod},
    }
    for template in pods(render(values)).values():
        [container] = template["spec"]["containers"]
        mounted = [each["name"] for each in container.get("volumeMounts", ())]
        assert mounted == [each["name"] for each in template["spec"].get("volumes", ())]
