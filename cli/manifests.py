"""`layby crds` and `layby envoyfilter`: what would be applied to a cluster."""

import json
from importlib.resources import files
from textwrap import wrap
from typing import TYPE_CHECKING

import click
import yaml
from pydantic import ValidationError

from controller.gate import gate_object
from istio.mesh import MeshGate

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


@click.command(short_help="Print the CustomResourceDefinitions.")
def crds() -> None:
    """Print the CustomResourceDefinitions, for `kubectl apply --server-side -f -`."""
    folder = files("crds") / "yaml"
    for part in sorted(folder.iterdir(), key=lambda part: part.name):
        click.echo("---\n" + part.read_text(), nl=False)


def _described() -> str:
    """Describe the keys that can be set."""
    lines = ["\b", "Keys, each with its default:"]
    for name, field in MeshGate.model_fields.items():
        lines.append(f"  {name}  [{_shown(field.get_default(call_default_factory=True))}]")
        description = " ".join((field.description or "").split())
        lines += wrap(description, 92, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


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


@click.command(
    short_help="Print the EnvoyFilter that puts the gate into Envoys.", epilog=_described()
)
@click.option(
    "--set",
    "mesh",
    metavar="KEY=VALUE",
    multiple=True,
    callback=_options,
    help="Have an option of the gate other than its default. May be given many times.",
)
def envoyfilter(mesh: MeshGate) -> None:
    """Print the EnvoyFilter that puts the gate into Envoys.

    It is what the controller applies with these options. The controller is given each of them by
    the environment variable LAYBY_CONTROLLER_ and the key in capitals.
    """
    click.echo(yaml.safe_dump(gate_object(mesh), sort_keys=False, width=200), nl=False)
