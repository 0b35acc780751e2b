"""`layby crds` and `layby envoyfilter`: what would be applied to a cluster."""

from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from typing import TYPE_CHECKING, assert_never

import click
import yaml
from pydantic import ValidationError

from cli.examples import examples
from cli.settings import described
from controller.gate import gate_objects
from istio.address import TcpAddress
from istio.mesh import MeshGate
from istio.plain import Gateway, envoy_patch_policy, snippet

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


@click.command(
    short_help="Print the CustomResourceDefinitions.",
    epilog=examples(
        "layby crds | kubectl apply --server-side -f -",
        "layby crds | kubectl diff -f -",
    ),
)
def crds() -> None:
    """Print the CustomResourceDefinitions of TrafficHold and HoldPolicy."""
    folder = files("crds") / "yaml"
    for part in sorted(folder.iterdir(), key=lambda part: part.name):
        click.echo("---\n" + part.read_text(), nl=False)


def _options(
    _context: click.Context, _parameter: click.Parameter, given: tuple[str, ...]
) -> MeshGate:
    values = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE")
        if key not in MeshGate.model_fields:
            raise click.BadParameter(
                f"{key}: there is no such key, but {', '.join(MeshGate.model_fields)}"
            )
        values[key] = value
    try:
        return MeshGate.model_validate(values)
    except ValidationError as error:
        raise click.BadParameter("; ".join(map(_problem, error.errors()))) from error


def _problem(problem: "ErrorDetails") -> str:
    """Say what is wrong with a value. Some are wrong only beside others, which the text names."""
    said = problem["msg"].removeprefix("Value error, ")
    return ": ".join([*map(str, problem["loc"][:1]), said])


def _address(
    _context: click.Context, _parameter: click.Parameter, given: str | None
) -> TcpAddress | None:
    if given is None:
        return None
    host, _, port = given.rpartition(":")
    if not host or not port.isdecimal():
        raise click.BadParameter(f"{given!r} is not HOST:PORT")
    return TcpAddress(host.removeprefix("[").removesuffix("]"), int(port))


class _Form(StrEnum):
    """For whom the gate is rendered."""

    ISTIO = "istio"
    ENVOY = "envoy"
    ENVOY_GATEWAY = "envoy-gateway"


_PLACES = """\
# http_filters: in the connection manager's own list, right before envoy.filters.http.router.
# router: into the typed_config of that router.
# clusters: among the clusters. The router's log is how Layby learns that a workload is in use.
"""


@click.command(
    short_help="Print the EnvoyFilter that puts the gate into Envoys, or its like.",
    epilog=examples(
        "layby envoyfilter --set gate_attach=gateways --set chances=2",
        "layby envoyfilter --format envoy --hold-servers 10.0.0.7:9002",
        "layby envoyfilter --format envoy-gateway --gateway eg --listener http --listener https",
    )
    + "\n\n"
    + "\n".join(["\b", "Keys, each with its default if it has one:", *described(MeshGate)]),
)
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in _Form]),
    default=_Form.ISTIO.value,
    callback=lambda _context, _parameter, given: _Form(given),
    show_default=True,
    help="An EnvoyFilter, what to add to an Envoy's own configuration, or an EnvoyPatchPolicy.",
)
@click.option(
    "--set",
    "mesh",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_options,
    help="Have an option of the gate other than its default. May be given many times.",
)
@click.option(
    "--hold-servers",
    metavar="HOST:PORT",
    callback=_address,
    help="Where an Envoy finds them, if not by their Service. Not for istio.",
)
@click.option("--gateway", metavar="NAME", help="Which Gateway. Only for envoy-gateway.")
@click.option(
    "-n", "--namespace", default="default", show_default=True, help="Where that Gateway is."
)
@click.option(
    "--listener",
    "listeners",
    multiple=True,
    default=("http",),
    show_default=True,
    help="Which of its listeners. May be given many times.",
)
def envoyfilter(  # noqa: PLR0913 - click's parameters
    *,
    form: _Form,
    mesh: MeshGate,
    hold_servers: TcpAddress | None,
    gateway: str | None,
    namespace: str,
    listeners: tuple[str, ...],
) -> None:
    """Print what puts the gate into Envoys.

    By default that is the EnvoyFilter that the controller applies with these options; with a
    selector or a revision it is two, for the demand log is for all proxies even then. The
    controller is given each option by the environment variable LAYBY_CONTROLLER_ and the key in
    capitals.

    The other formats are for Envoys that no istiod configures. Layby applies them to nothing; see
    docs/compatibility.md for what else such an Envoy needs.
    """
    if (gateway is None) is (form is _Form.ENVOY_GATEWAY):
        raise click.UsageError("--gateway is for --format envoy-gateway, which needs it")
    if hold_servers is not None and form is _Form.ISTIO:
        raise click.UsageError("--hold-servers is not for --format istio: set hold_cluster")
    match form:
        case _Form.ISTIO:
            _print(*gate_objects(mesh))
        case _Form.ENVOY:
            click.echo(_PLACES, nl=False)
            _print(snippet(mesh, hold_servers))
        case _Form.ENVOY_GATEWAY:
            place = Gateway(namespace, gateway or "", listeners)
            _print(envoy_patch_policy(mesh, place, hold_servers))
        case _:
            assert_never(form)


def _print(*documents: Mapping[str, object]) -> None:
    click.echo(yaml.safe_dump_all(documents, sort_keys=False, width=200), nl=False)
