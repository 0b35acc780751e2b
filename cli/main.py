"""The `layby` command and its options for all; each subcommand is a module of its own."""

import click

from cli import __version__
from cli.controller import controller
from cli.demo import demo
from cli.explain import explain
from cli.extproc import extproc
from cli.local import local
from cli.manifests import crds, envoyfilter
from cli.scale import sleep, wake
from cli.status import status


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="layby")
def main() -> None:
    """Scale workloads to zero without losing a request.

    Layby parks a request's headers while its workload has no endpoint, wakes the workload, and
    lets the request go on. A warm request never touches it.
    """


for command in (
    local,
    demo,
    extproc,
    controller,
    crds,
    envoyfilter,
    status,
    explain,
    wake,
    sleep,
):
    main.add_command(command)

if __name__ == "__main__":
    main()
