import io
from pathlib import Path

import pytest
from rich.console import Console

from cli.table import render
from extproc.core.workload import Workload
from local.app import LocalMesh
from local.config import LocalConfig
from local.supervisor import Phase


@pytest.fixture
def show(tmp_path: Path):
    """Render the table of a mesh that has never run."""

    async def print_table(names, change, lines=40):
        workloads = [{"name": name, "command": "x", "prefixes": [f"/{name}"]} for name in names]
        config = LocalConfig.model_validate({"workloads": workloads})
        mesh = LocalMesh(config, tmp_path)
        mesh.hold.replace({key: Workload(key) for key in mesh.supervisors})
        change({key.name: supervisor for key, supervisor in mesh.supervisors.items()})
        text = io.StringIO()
        console = Console(file=text, width=150, height=lines)
        console.print(render(mesh, lines))
        return text.getvalue()

    return print_table


@pytest.mark.parametrize("words", ["no closing [/tag]", "[red]", "[link=x", "\\[a]"])
async def test_last_words_are_shown_as_they_are(show, words):
    """They are a workload's own; as markup they would end layby, or vanish."""

    def fail(supervisors):
        supervisors["shop"].last_failure = words

    assert words in await show(["shop"], fail)


async def test_no_more_workloads_than_lines(show):
    """Drawing hundreds, ten times a second, would take the loop from the hold server."""

    def wake_last(supervisors):
        supervisors["w199"].phase = Phase.WARM

    text = await show([f"w{number}" for number in range(200)], wake_last, lines=12)
    assert len(text.splitlines()) <= 12
    assert "w199" in text, "those that are awake go first"
    assert "w0 " in text
    assert "and 194 more" in text
