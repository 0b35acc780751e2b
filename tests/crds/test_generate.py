import sys

import pytest

from crds import generate


def test_the_files_are_current():
    """They are what people apply and what the chart ships."""
    current = {path.name: path.read_text() for path in generate.FOLDER.iterdir()}
    assert current == generate.render()


def test_check_says_what_to_do(monkeypatch, tmp_path):
    """In a pipeline, the message is all that one sees."""
    monkeypatch.setattr(generate, "FOLDER", tmp_path)
    monkeypatch.setattr(generate, "PAGES", tmp_path / "pages")
    generate.PAGES.mkdir()
    (tmp_path / "old.yaml").write_text("")
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    with pytest.raises(SystemExit, match=r"^crds/yaml is stale: run python -m crds\.generate$"):
        generate.main()
    monkeypatch.setattr(sys, "argv", ["generate"])
    generate.main()
    assert generate.render().keys() == {path.name for path in tmp_path.glob("*.yaml")}
    assert generate.render_pages().keys() == {path.name for path in generate.PAGES.iterdir()}
    monkeypatch.setattr(sys, "argv", ["generate", "--check"])
    generate.main()
    (generate.PAGES / "trafficholds.md").write_text("")
    with pytest.raises(SystemExit, match=r"docs/reference/trafficholds\.md is stale"):
        generate.main()
