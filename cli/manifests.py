"""`layby crds` and `layby envoyfilter`: what would be applied to a cluster."""

from importlib.resources import files

import click
import yaml

from istio.envoyfilter import HOLD_CLUSTER, Context, envoy_filter
from istio.gate import GateOptions

CONTEXTS: dict[str, tuple[Context, ...]] = {
    "all": ("GATEWAY", "SIDECAR_OUTBOUND"),
    "gateways": ("GATEWAY",),
    "sidecars": ("SIDECAR_OUTBOUND",),
}


@click.command(short_help="Print the CustomResourceDefinitions.")
def crds() -> None:
    """Print the CustomResourceDefinitions, for `kubectl apply --server-side -f -`."""
    folder = files("crds") / "yaml"
    for part in sorted(folder.iterdir(), key=lambda part: part.name):
        click.echo("---\n" + part.read_text(), nl=False)


@click.command(short_help="Print the EnvoyFilter that puts the gate into Envoys.")
@click.option("--name", default="layby", show_default=True, help="Its name.")
@click.option(
    "--namespace",
    default="istio-system",
    show_default=True,
    help="Its namespace: Istio's root namespace for the whole mesh.",
)
@click.option(
    "--attach",
    type=click.Choice(list(CONTEXTS)),
    default="all",
    show_default=True,
    help="Whose requests are held.",
)
@click.option(
    "--chances",
    type=click.IntRange(1, 5),
    default=3,
    show_default=True,
    help="How often a request may be parked before Envoy routes it whatever comes.",
)
@click.option(
    "--cluster",
    default=HOLD_CLUSTER,
    show_default=True,
    help="The Envoy cluster of the hold servers.",
)
def envoyfilter(name: str, namespace: str, attach: str, chances: int, cluster: str) -> None:
    """Print the EnvoyFilter that puts the gate into Envoys.

    The controller applies it by itself; this is to see it, or to manage it by other means.
    """
    options = GateOptions(cluster_name=cluster, chances=chances)
    document = envoy_filter(options, name=name, namespace=namespace, contexts=CONTEXTS[attach])
    click.echo(yaml.safe_dump(document, sort_keys=False, width=200), nl=False)
