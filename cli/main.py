"""The `layby` command: its subcommands by name, each loaded when it is asked for."""

from importlib import import_module
from typing import Final

import click

from cli import __version__
from cli.examples import examples

SUBCOMMANDS: Final = {
    "local": "cli.local",
    "demo": "cli.demo",
    "extproc": "cli.extproc",
    "controller": "cli.controller",
    "crds": "cli.manifests",
    "envoyfilter": "cli.manifests",
    "status": "cli.status",
    "explain": "cli.explain",
    "wake": "cli.scale",
    "sleep": "cli.scale",
    "leave": "cli.leave",
    "health": "cli.health",
    "completion": "cli.completion",
}
"""Where each subcommand is. What one of them imports (gRPC, Kubernetes, Envoy's whole API) takes a
second, which `layby --version` and the shell's completion should not."""

EPILOG: Final = (
    examples(
        "layby demo                    see it work on this machine",
        "layby local --check           check a file of your own workloads",
        "layby crds | kubectl apply --server-side -f -",
        "layby status -A               who sleeps, who is parked",
        "layby explain cart -n shop    why a workload is held, or is not",
        "layby leave                   before Layby is uninstalled",
    )
    + "\n\n`layby COMMAND --help` describes each, with its options and environment variables."
)


class Subcommands(click.Group):
    """A group whose commands are imported by need."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return the names, in the order in which a newcomer needs them."""
        return list(SUBCOMMANDS)

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Return a command by its name."""
        module = SUBCOMMANDS.get(name)
        if module is None:
            return None
        command: click.Command = getattr(import_module(module), name)
        return command


@click.command(
    cls=Subcommands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.version_option(__version__, prog_name="layby")
def main() -> None:
    """Scale workloads to zero without losing a request.

    Layby parks a request's headers while its workload has no endpoint, wakes the workload, and
    lets the request go on. A warm request never touches it.
    """


if __name__ == "__main__":
    main()
