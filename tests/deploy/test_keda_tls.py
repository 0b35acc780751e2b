"""The certificates by which KEDA and the hold servers know one another, as the chart makes them."""

import subprocess
from base64 import b64decode

import pytest

from tests.deploy.charts import of_kind, only, pods

KEDA = ("keda.sh/v1alpha1",)
HOST = "layby-extproc.layby-system.svc.cluster.local"
YEARS = 10 * 365 * 24 * 3600


def opened(secret, folder):
    """Write the files of a Secret; return the folder."""
    folder.mkdir()
    for name, value in secret["data"].items():
        (folder / name).write_bytes(b64decode(value))
    return folder


def openssl(*words):
    done = subprocess.run(["openssl", *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def variables(objects, name):
    [container] = pods(objects)[name]["spec"]["containers"]
    return {each["name"]: each.get("value") for each in container["env"]}


@pytest.fixture
def render(render):
    """Render the chart without the other Secret that it makes."""

    def do(values=None, **more):
        return render({"feed": {"token": {"generate": False}}, **(values or {})}, **more)

    return do


@pytest.fixture
def objects(render):
    """The chart with its defaults, where there is KEDA."""
    return render(versions=KEDA)


def test_each_side_shows_what_the_other_one_trusts(objects, tmp_path):
    """By default: nobody but KEDA may ask for demand, and nobody can be taken for a hold server."""
    server = opened(only(objects, "Secret", "layby-keda-server"), tmp_path / "server")
    client = opened(only(objects, "Secret", "layby-keda-client"), tmp_path / "client")
    for authority, shown, purpose, *more in (
        (client, server, "sslserver", "-verify_hostname", HOST),
        (server, client, "sslclient"),
    ):
        words = ("verify", "-x509_strict", "-purpose", purpose, "-CAfile", authority / "ca.crt")
        assert (0, f"{shown / 'tls.crt'}: OK\n") == openssl(*words, *more, shown / "tls.crt")
    for file in (server / "ca.crt", server / "tls.crt", client / "tls.crt"):
        lasts = openssl("x509", "-noout", "-checkend", str(YEARS - 3600), "-in", file)
        assert (0, "Certificate will not expire\n") == lasts


def test_nobody_keeps_the_authoritys_key(objects):
    """Whoever read it could make themselves a hold server, or KEDA."""
    names = {name for each in of_kind(objects, "Secret") for name in each["data"]}
    assert {"ca.crt", "tls.crt", "tls.key", "client.crt", "client.key"} == names


def test_hold_servers_see_their_own_key_only(objects):
    """That of KEDA's certificate lies in the same Secret, for the next upgrade."""
    spec = pods(objects)["layby-extproc"]["spec"]
    [volume] = spec["volumes"]
    assert "layby-keda-server" == volume["secret"]["secretName"]
    assert ["tls.crt", "tls.key", "ca.crt"] == [e["path"] for e in volume["secret"]["items"]]
    [mount] = spec["containers"][0]["volumeMounts"]
    told = variables(objects, "layby-extproc")
    assert {f"{mount['mountPath']}/{name}" for name in ("tls.crt", "tls.key", "ca.crt")} == {
        told[f"LAYBY_EXTPROC_SCALER_{name}"] for name in ("CERT", "KEY", "CLIENT_CA")
    }


def test_triggers_name_what_keda_finds(objects):
    """KEDA looks into its own namespace for what a ClusterTriggerAuthentication names."""
    told = variables(objects, "layby-controller")["LAYBY_CONTROLLER_SCALER_AUTHENTICATION"]
    targets = only(objects, "ClusterTriggerAuthentication", told)["spec"]["secretTargetRef"]
    secret = only(objects, "Secret", targets[0]["name"])
    assert "keda" == secret["metadata"]["namespace"]
    assert {
        "caCert": "ca.crt",
        "tlsClientCert": "tls.crt",
        "tlsClientKey": "tls.key",
    } == {each["parameter"]: each["key"] for each in targets}
    assert secret["data"].keys() == {each["key"] for each in targets}


def test_kedas_namespace_can_be_another(render):
    """OpenShift's is `openshift-keda`."""
    objects = render({"keda": {"namespace": "scaling"}}, versions=KEDA)
    assert "scaling" == only(objects, "Secret", "layby-keda-client")["metadata"]["namespace"]


def test_kedas_key_is_in_none_of_the_namespaces_that_are_watched(render):
    """Whoever reads Secrets in one of them could ask for the demand in all of them."""
    objects = render({"watchNamespaces": ["shop", "till"]}, versions=KEDA)
    assert {"keda", "layby-system"} >= {
        each["metadata"]["namespace"] for each in of_kind(objects, "Secret")
    }
    told = variables(objects, "layby-controller")["LAYBY_CONTROLLER_SCALER_AUTHENTICATION"]
    assert only(objects, "ClusterTriggerAuthentication", told)


def test_without_keda_nothing_of_kedas_kinds_is_made(render):
    """The API server would refuse it, and with it the whole chart."""
    objects = render()
    assert not of_kind(objects, "ClusterTriggerAuthentication")
    assert ["layby-keda-server"] == [e["metadata"]["name"] for e in of_kind(objects, "Secret")]


@pytest.mark.parametrize(
    ("keda", "secret", "authentication", "protocol"),
    [
        ({"tls": {"generate": False}}, None, None, "grpc"),
        ({"enabled": False}, None, None, "grpc"),
        (
            {"tls": {"existingSecret": "mine", "authentication": "of-keda"}},
            "mine",
            "of-keda",
            "tls",
        ),
    ],
)
def test_nothing_is_generated_unless_it_is_used(render, keda, secret, authentication, protocol):
    """cert-manager's certificates take the place of the chart's."""
    objects = render({"keda": keda}, versions=KEDA)
    assert not of_kind(objects, "Secret")
    assert not of_kind(objects, "ClusterTriggerAuthentication")
    volumes = pods(objects)["layby-extproc"]["spec"].get("volumes", ())
    assert ([secret] if secret else []) == [each["secret"]["secretName"] for each in volumes]
    told = variables(objects, "layby-controller")
    assert authentication == told.get("LAYBY_CONTROLLER_SCALER_AUTHENTICATION")
    ports = {each["name"]: each for each in only(objects, "Service")["spec"]["ports"]}
    assert protocol == ports["grpc-keda"]["appProtocol"]
