"""`layby completion`: what a shell needs to complete the words of `layby`."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from cli.examples import examples

SHELLS: dict[str, type[ShellComplete]] = {
    "bash": BashComplete,
    "fish": FishComplete,
    "zsh": ZshComplete,
}
VARIABLE = "_LAYBY_COMPLETE"
"""By which the script asks `layby` for what may come next."""


@click.command(
    short_help="Print a script that completes the words of `layby`.",
    epilog=examples(
        "layby completion bash > ~/.local/share/bash-completion/completions/layby",
        'layby completion zsh > "${fpath[1]}/_layby"',
        "layby completion fish > ~/.config/fish/completions/layby.fish",
    ),
)
@click.argument("shell", type=click.Choice(sorted(SHELLS)))
def completion(shell: str) -> None:
    """Print a script that completes the words of `layby`, for the shell to read at its start."""
    root = click.get_current_context().find_root()
    script = SHELLS[shell](root.command, {}, "layby", VARIABLE)
    # `source()` would run bash, to complain of versions of ten years ago.
    click.echo(script.source_template % script.source_vars())
