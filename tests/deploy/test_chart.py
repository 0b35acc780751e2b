"""What the chart makes of its values, and what it says to wrong ones."""

import json
from pathlib import Path

import pytest
import yaml

from cli.leave import leave
from deploy.generate import CHART, copies
from tests.deploy.charts import (
    CASES,
    SETTINGS,
    SOME,
    environment,
    of_kind,
    only,
    pods,
)

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "deploy" / "manifests"


def key(document):
    metadata = document["metadata"]
    return document["kind"], metadata.get("namespace", ""), metadata["name"]


@pytest.mark.parametrize("values", CASES)
def test_lint_has_nothing_to_say(helm, values):
    """`helm lint` is the first thing that a reviewer runs."""
    done = helm("lint", CHART, "--strict", "--values", "-", stdin=yaml.safe_dump(values))
    assert not done.returncode, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("values", CASES)
def test_pods_keep_to_the_restricted_standard(render, values):
    """A namespace that enforces it would refuse them otherwise."""
    for template in pods(render(values)).values():
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        assert {"type": "RuntimeDefault"} == spec["securityContext"]["seccompProfile"]
        assert spec.keys().isdisjoint({"hostNetwork", "hostPID", "hostIPC"})
        kinds = {kind for v in spec.get("volumes", ()) for kind in v if kind != "name"}
        assert {"secret", "projected"} >= kinds
        for container in spec["containers"]:
            security = container["securityContext"]
            assert {"drop": ["ALL"]} == security["capabilities"]
            assert not security["allowPrivilegeEscalation"]
            assert security["readOnlyRootFilesystem"]
            assert all("hostPort" not in port for port in container.get("ports", ()))


@pytest.mark.parametrize("values", CASES)
def test_every_object_is_labelled_and_in_its_place(render, values):
    """What belongs to Layby is found by one label, also the hooks, which Helm does not track."""
    for document in render(values):
        if document["kind"] == "CustomResourceDefinition":
            continue
        labels = document["metadata"]["labels"]
        assert "layby" == labels["app.kubernetes.io/part-of"]
        assert values.get("commonLabels", {}).items() <= labels.items()
        cluster_wide = document["kind"].startswith("ClusterRole")
        assert cluster_wide == ("namespace" not in document["metadata"])


@pytest.mark.parametrize("part", SETTINGS)
@pytest.mark.parametrize("values", CASES)
def test_variables_are_settings_and_are_accepted(render, values, part, monkeypatch):
    """A variable that no setting reads would be a value without effect."""
    if part == "controller" and not values.get("controller", {}).get("enabled", True):
        return
    settings = SETTINGS[part]
    variables = environment(render(values), part, values.get("fullnameOverride", "layby"))
    prefix = f"LAYBY_{part.upper()}_"
    ours = {n: v.replace("$(POD_IP)", "192.0.2.1") for n, v in variables.items() if prefix in n}
    assert {n.removeprefix(prefix).lower() for n in ours} <= settings.model_fields.keys()
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    settings()


@pytest.mark.parametrize("part", SETTINGS)
def test_the_charts_defaults_are_the_programs(render, part, monkeypatch):
    """Two answers to what happens if one says nothing would be one too many."""
    alone = SETTINGS[part]()
    for name, value in environment(render(), part).items():
        if "$(POD_IP)" not in value and "_SCALER_" not in name and "_TOKEN_" not in name:
            monkeypatch.setenv(name, value)
    assert alone == SETTINGS[part]()


def test_names_follow_the_release(render):
    """Two releases in one cluster must not share a ClusterRole; the gate must find its servers."""
    objects = render(name="blue", namespace="blue")
    assert of_kind(objects, "ClusterRole", "blue-layby-extproc")
    assert (
        "blue-layby-extproc"
        == environment(objects, "controller", "blue-layby")["LAYBY_CONTROLLER_HOLD_SERVICE"]
    )
    assert "blue" == environment(objects, "controller", "blue-layby")["LAYBY_CONTROLLER_NAMESPACE"]


@pytest.mark.parametrize("part", SETTINGS)
def test_the_manifests_grant_what_the_chart_grants(render, part):
    """tests/deploy/test_rbac.py says which call needs each right of the manifests."""
    documents = yaml.safe_load_all((MANIFESTS / f"{part}.yaml").read_text())
    plain = {key(d): d["rules"] for d in documents if "rules" in d}
    charts = {key(d): d["rules"] for d in render() if "rules" in d}
    assert plain == {k: rules for k, rules in charts.items() if k[2] == f"layby-{part}"}


def test_all_of_an_install_watches_the_same_namespaces(render):
    """What one held and the other did not look after would never sleep, or never wake."""
    objects = render(SOME)
    for part in SETTINGS:
        variable = f"LAYBY_{part.upper()}_WATCH_NAMESPACES"
        assert "shop,mesh" == environment(objects, part)[variable]
        assert variable not in environment(render(), part)
    [container] = pods(objects)["layby-uninstall"]["spec"]["containers"]
    told = leave.make_context("leave", container["args"]).params["watch_namespaces"]
    assert {"shop", "mesh"} == told


@pytest.mark.parametrize("controller", [True, False])
@pytest.mark.parametrize("hook", [True, False])
def test_what_sleeps_is_woken_before_the_hold_servers_go(render, controller, hook):
    """They wake it also where there is no controller, and nobody would any more."""
    found = pods(render({"controller": {"enabled": controller}, "uninstall": {"enabled": hook}}))
    assert hook == ("layby-uninstall" in found)
    assert controller == ("layby-controller" in found)


@pytest.mark.parametrize("controller", [True, False])
def test_the_hook_takes_out_the_gate_that_the_controller_keeps(render, controller):
    """Where there is none, there may be no Istio: a Role in a namespace of its would be refused."""
    objects = render({"controller": {"enabled": controller}})
    [container] = pods(objects)["layby-uninstall"]["spec"]["containers"]
    told = leave.make_context("leave", container["args"]).params["gate"]
    assert ("layby" if controller else "") == told
    root = {each["kind"] for each in objects if each["metadata"].get("namespace") == "istio-system"}
    assert controller == ("Role" in root)


def test_a_namespace_has_one_role_however_many_reasons_there_are(render):
    """Of two of one name Helm would keep the last."""
    where = ["layby-system", "istio-system", "shop"]
    for values in ({"watchNamespaces": where}, {"istio": {"rootNamespace": "layby-system"}}):
        roles = [key(each) for each in render(values) if "rules" in each]
        assert len(set(roles)) == len(roles)


def test_the_grace_covers_the_drain(render):
    """A hold server that is killed in its drain loses what it holds."""
    objects = render({"extproc": {"drainSeconds": 90.5, "preStopSeconds": 7}})
    spec = pods(objects)["layby-extproc"]["spec"]
    [container] = spec["containers"]
    assert {"sleep": {"seconds": 7}} == container["lifecycle"]["preStop"]
    assert spec["terminationGracePeriodSeconds"] >= 7 + 90.5 + 2


def test_an_autoscaler_is_not_fought_over(render):
    """A replica count in the Deployment would be put back at each upgrade."""
    objects = render({"extproc": {"autoscaling": {"enabled": True, "maxReplicas": 4}}})
    assert "replicas" not in only(objects, "Deployment", "layby-extproc")["spec"]
    assert 4 == only(objects, "HorizontalPodAutoscaler")["spec"]["maxReplicas"]


def test_an_autoscaler_goes_by_cpu_alone_and_takes_one_at_a_time(render):
    """A hold server keeps the memory of a burst: by memory, replicas would come and never go."""
    spec = only(render({"extproc": {"autoscaling": {"enabled": True}}}), "HorizontalPodAutoscaler")[
        "spec"
    ]
    [metric] = spec["metrics"]
    assert ("cpu", "extproc") == (
        metric["containerResource"]["name"],
        metric["containerResource"]["container"],
    )
    assert [{"type": "Pods", "value": 1, "periodSeconds": 60}] == spec["behavior"]["scaleDown"][
        "policies"
    ]
    assert spec["minReplicas"] >= 2


def test_definitions_are_current_and_kept(render):
    """What is in a chart's `crds/` is never upgraded; and with them would go all TrafficHolds."""
    for path, text in copies().items():
        assert path.read_text() == text, "run python -m deploy.generate"
        wanted = yaml.safe_load(text)
        found = only(render(), "CustomResourceDefinition", wanted["metadata"]["name"])
        assert "keep" == found["metadata"].pop("annotations")["helm.sh/resource-policy"]
        assert wanted == found
    assert not of_kind(render({"crds": {"install": False}}), "CustomResourceDefinition")
    for found in of_kind(render({"crds": {"keep": False}}), "CustomResourceDefinition"):
        assert "annotations" not in found["metadata"]


def test_before_it_goes_holds_go(render):
    """What sleeps when the hold servers go answers 503 from then on."""
    hooks = [o for o in render() if "helm.sh/hook" in o["metadata"].get("annotations", {})]
    assert {"pre-delete"} == {o["metadata"]["annotations"]["helm.sh/hook"] for o in hooks}
    kinds = sorted(o["kind"] for o in hooks)
    roles = ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]
    assert sorted(["Job", "ServiceAccount", *roles]) == kinds
    for document in hooks:
        deleted_when = document["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
        assert "before-hook-creation,hook-succeeded" == deleted_when
    container = only(hooks, "Job")["spec"]["template"]["spec"]["containers"][0]
    assert ["-m", "cli.main", "leave"] == container["command"][1:]
    assert leave.make_context("leave", container["args"]).params["yes"]


def test_every_value_is_in_the_schema_with_its_default():
    """A value without a schema takes anything; a schema without a value is a secret."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def compare(part, value, path):
        if "properties" not in part or path[1:] == ("resources",):
            return
        assert part["additionalProperties"] is False, path
        names = part["properties"].keys() - {"global"}
        assert names == value.keys(), path
        for name in names:
            compare(part["properties"][name], value[name], (*path, name))

    compare(schema, values, ())


def test_an_old_cluster_is_refused(helm):
    """It would drop `preStop.sleep` without a word, and with it what a hold server hands over."""
    done = helm("template", "layby", CHART, "--kube-version", "1.29.0")
    assert "requires kubeVersion: >=1.30.0-0" in done.stderr


@pytest.mark.parametrize("enabled", [True, False])
def test_a_controller_without_the_right_to_scaled_objects_is_told(render, enabled):
    """It would wait for ever to know which there are, and put nothing to sleep meanwhile."""
    objects = render({"keda": {"enabled": enabled}})
    told = environment(objects, "controller")["LAYBY_CONTROLLER_KEDA"]
    rules = [rule for role in of_kind(objects, "ClusterRole") for rule in role["rules"]]
    groups = {group for rule in rules for group in rule["apiGroups"]}
    assert (told == "true") is enabled
    assert enabled is ("keda.sh" in groups)
