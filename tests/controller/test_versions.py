import re
from pathlib import Path

import pytest

from controller.surroundings import tell_version
from controller.versions import ALL, ENVOY, ISTIO, KEDA, KUBERNETES, Support
from e2e.stack import istiod
from e2e.stack.releases import TOOLS
from istio.envoyfilter import NEW_ENOUGH
from local import envoy
from tests.kube.fake_api import FakeApi

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("support", "version", "expected"),
    [
        (ISTIO, "1.28.9", True),
        (ISTIO, "1.29.0", False),
        (ISTIO, "1.29-alpha.0", False),
        (ISTIO, "2.0.0", False),
        (ISTIO, "unknown", False),
        (ISTIO, "", False),
        (ENVOY, "1.36.2", True),
        (KUBERNETES, "v1.29.15+k3s1", True),
        (KUBERNETES, "v1.36.3", False),
        (KEDA, "1.0.0", False),
    ],
)
def test_what_is_too_old_is_told_from_what_says_nothing(support, version, expected):
    """A build without a version is more often a new one of somebody's own than an old one."""
    assert expected is support.is_too_old(version)
    assert expected is bool(support.complaint(version))


def test_a_complaint_says_what_will_not_work():
    """`Unsupported version` would leave everybody to find out."""
    assert "Istio 1.28.9 is older than 1.29: its Envoy would reject" in ISTIO.complaint("1.28.9")


@pytest.mark.parametrize("version", ["1.28.9", "1.29.0", "1.9.1", "1.30.0", "2.1.0", "dev"])
def test_the_proxies_that_get_the_gate_are_those_that_are_not_too_old(version):
    """One that is left out, and not told of, would lose requests in silence."""
    assert ISTIO.is_too_old(version) is not bool(re.search(NEW_ENOUGH, version))


def test_local_mode_and_mesh_need_the_same_envoy():
    """There is one gate."""
    assert ENVOY.oldest == envoy.OLDEST


@pytest.mark.parametrize(
    ("support", "tool"), [(KUBERNETES, "kubernetes"), (KEDA, "keda")], ids=["kubernetes", "keda"]
)
def test_what_counts_as_tested_is_what_the_stack_pins(support: Support, tool: str):
    """The table of versions is worth what the tests are."""
    required = re.search(
        r"^require \S+ v(\S+)$", (TOOLS / tool / "go.mod").read_text(), re.MULTILINE
    )
    assert required is not None
    assert required[1] == support.tested


def test_the_chart_wants_the_same_kubernetes():
    """Helm refuses what is older; by plain manifests nobody does."""
    chart = (REPOSITORY / "deploy/helm/layby/Chart.yaml").read_text()
    assert f'kubeVersion: ">={KUBERNETES.since}.0-0"' in chart


def test_the_istio_that_counts_as_tested_is_the_one_that_the_stack_is():
    """It is built from a commit, and tells its proxies this version."""
    assert istiod.VERSION.startswith(f"{ISTIO.tested}.")


@pytest.mark.parametrize("support", ALL)
def test_the_table_for_people_says_the_same(support: Support):
    """Whoever decides by it does not read Python."""
    table = (REPOSITORY / "docs/compatibility.md").read_text()
    (row,) = [line for line in table.splitlines() if line.startswith(f"| {support.name} |")]
    assert support.tested in row
    assert (support.since or "none known") in row


@pytest.mark.parametrize(
    ("version", "level", "said"),
    [
        ("v1.36.3", "INFO", "Kubernetes 1.36.3; tested with 1.36.3"),
        ("v1.20.1", "WARNING", "Kubernetes 1.20.1 is older than 1.30"),
        ("", "INFO", "Kubernetes of no version; tested with"),
        (None, "INFO", "the API server does not tell its version"),
    ],
)
async def test_the_version_of_the_api_server_is_told_once(caplog, version, level, said):
    """Nothing depends on it, so nothing fails if it cannot be told."""
    api = FakeApi()
    if version is not None:
        api.objects["/version"] = {"gitVersion": version}
    with caplog.at_level("INFO", "controller.surroundings"):
        await tell_version(api.kube)
    (record,) = [each for each in caplog.records if each.name == "controller.surroundings"]
    assert level == record.levelname
    assert said in record.getMessage()
