import os
import subprocess
import sys

import pytest

from cli.main import SUBCOMMANDS


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_asks_layby(layby, shell):
    """It is written to a file once; the words come from the `layby` of the day."""
    result = layby("completion", shell)
    assert 0 == result.exit_code
    assert f"_LAYBY_COMPLETE={shell}_complete" in result.stdout


def test_the_words_of_layby_are_completed():
    """Without loading what the commands need."""
    asked = {"_LAYBY_COMPLETE": "bash_complete", "COMP_WORDS": "layby ", "COMP_CWORD": "1"}
    code = "from cli.main import main; import sys; sys.argv[0] = 'layby'; main(prog_name='layby')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(SUBCOMMANDS) == {line.partition(",")[2] for line in done.stdout.splitlines()}
