"""Every link leads somewhere, also those of files that no site is built of."""

import pytest

from tests.docs.links import anchors, broken, links
from tests.docs.pages import ROOT

FILES = sorted(
    [
        *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")),
        *(each for name in ("docs", "playground", "e2e") for each in (ROOT / name).rglob("*.md")),
    ]
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_link_leads_somewhere(file):
    """A reader who is sent nowhere gives up there."""
    assert [] == broken(file, ROOT)


def test_there_are_links_of_each_kind():
    """A checker that finds no links finds none broken."""
    assert {"docs/page.md", "ARCHITECTURE.md#what-the-gate-costs", "playground/README.md"} <= set(
        links((ROOT / "README.md").read_text())
    )
    assert "images/page.png" in links((ROOT / "docs/page.md").read_text())


@pytest.mark.parametrize(
    "link",
    [
        *("there.md", "there.md#the-second", "#a-heading", "folder/", "a%20b.txt"),
        "https://example.com/not-there.md",
    ],
)
def test_what_leads_somewhere_is_not_broken(tmp_path, link):
    assert [] == broken(page(tmp_path, f"# A heading\n\nSee [it\nall]({link}).\n"), tmp_path)


@pytest.mark.parametrize(
    "link",
    ["gone.md", "gone.md#a", "#gone", "there.md#gone", "there.md#fenced", "../outside.md", "/x"],
)
def test_what_leads_nowhere_is_broken(tmp_path, link):
    """A file that is not there, a heading that is not there, a place outside of the repository."""
    (tmp_path / "outside.md").touch()
    root = tmp_path / "root"
    root.mkdir()
    assert [link] == broken(page(root, f"# A heading\n\nSee [it]({link}).\n"), root)
    assert [link] == broken(page(root, f"See [it][1].\n\n[1]: {link}\n"), root)


def page(folder, text):
    """A page with such a text, with other files beside it."""
    (folder / "there.md").write_text("## The second\n\n```sh\n# fenced\n```\n")
    (folder / "a b.txt").touch()
    (folder / "folder").mkdir(exist_ok=True)
    file = folder / "page.md"
    file.write_text(text)
    return file


def test_what_is_code_is_no_link():
    assert [] == list(links("`[a](b)` and ``c `[d](e)` ``\n\n* f\n  ```\n  [g](h)\n  ```\n"))


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Does it run?", "does-it-run"),
        ("`spec.probes[].userAgent`", "specprobesuseragent"),
        ("ext_proc, and KEDA's", "ext_proc-and-kedas"),
        ("A / B", "a--b"),
        ("[Named](page.md) by a link ##", "named-by-a-link"),
        ("Größe", "größe"),
    ],
)
def test_an_anchor_is_what_github_makes_of_a_heading(heading, anchor):
    """As github.com renders them, which is not in all what mkdocs does."""
    assert {anchor} == anchors(f"### {heading}\n")


def test_headings_of_one_name_are_numbered():
    assert {"fields", "fields-1", "fields-2"} == anchors("## Fields\n# Fields\n### Fields\n")
