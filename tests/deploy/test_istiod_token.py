"""The token that controllers show istiod, as the chart has the kubelet make it."""

from pathlib import PurePosixPath

import pytest

from tests.deploy.charts import environment, pods

URL = "http://istiod.istio-system:15014"
VARIABLE = "LAYBY_CONTROLLER_ISTIOD_TOKEN"


def projected(objects, part):
    """The volumes of a part that the kubelet makes, by where they are mounted."""
    spec = pods(objects)[f"layby-{part}"]["spec"]
    [container] = spec["containers"]
    volumes = {each["name"]: each for each in spec.get("volumes", ())}
    mounts = {each["mountPath"]: volumes[each["name"]] for each in container["volumeMounts"]}
    return {path: each["projected"] for path, each in mounts.items() if "projected" in each}


@pytest.mark.parametrize("feed", [True, False])
def test_a_controller_that_asks_istiod_has_what_istiod_asks_for(render, feed):
    """Without a token of this audience istiod answers 401 to other hosts."""
    values = {"istio": {"istiodUrl": URL}, "feed": {"token": {"generate": feed}}}
    objects = render(values)
    told = environment(objects, "controller")
    assert URL == told["LAYBY_CONTROLLER_ISTIOD_URL"]
    file = PurePosixPath(told[VARIABLE])
    [(folder, volume)] = projected(objects, "controller").items()
    assert str(file.parent) == folder
    [source] = volume["sources"]
    token = source["serviceAccountToken"]
    assert ("istio-ca", file.name) == (token["audience"], token["path"])
    # The API server makes none that is shorter; a stolen one is good until then.
    assert 600 <= token["expirationSeconds"] <= 3600


def test_what_does_not_ask_istiod_has_no_token_for_it(render):
    """Whoever has it can ask for a certificate of the mesh."""
    objects = render()
    assert VARIABLE not in environment(objects, "controller")
    assert {} == projected(objects, "controller")
    assert {} == projected(render({"istio": {"istiodUrl": URL}}), "extproc")
