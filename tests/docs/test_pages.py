"""What the pages say can be done as they say it, and what they name is there."""

import re
from configparser import ConfigParser
from pathlib import Path

import click
import pytest
import yaml
from pydantic_settings import BaseSettings

from cli.main import SUBCOMMANDS, main
from controller.settings import Settings as ControllerSettings
from crds.condition import Accepted, Attached, Ready, ScalerReady
from crds.resource import Resource
from crds.v1alpha1 import HoldPolicy, TrafficHold
from extproc.core.outcome import Cause
from extproc.settings import Settings as ExtprocSettings
from telemetry.catalogue import METRICS
from tests.docs.pages import IDS, PAGES, ROOT, blocks, commands, inline, manifests

KINDS: dict[str, type[Resource]] = {"TrafficHold": TrafficHold, "HoldPolicy": HoldPolicy}
SETTINGS: dict[str, type[BaseSettings]] = {
    "LAYBY_CONTROLLER_": ControllerSettings,
    "LAYBY_EXTPROC_": ExtprocSettings,
}
PLACEHOLDER = re.compile(r"[A-Z][A-Z-]*|\.\.\.")
each_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


@each_page
def test_every_command_is_one(page, tmp_path, monkeypatch):
    """A command that was renamed lives on in pages that nobody runs."""
    monkeypatch.chdir(tmp_path)
    Path("layby.yaml").write_text("")
    for words in commands(page):
        if not words or words[0].startswith("-") or PLACEHOLDER.fullmatch(words[0]):
            continue
        assert words[0] in SUBCOMMANDS, words
        context = main.make_context("layby", [], resilient_parsing=True)
        command = main.get_command(context, words[0])
        assert command is not None
        arguments = [word for word in words[1:] if word != "..."]
        options = {name for each in command.params for name in each.opts}
        if arguments and arguments[-1] in options:
            # The sentence around it says what would follow.
            del arguments[-1]
        try:
            command.make_context(words[0], arguments, context, resilient_parsing=not arguments)
        except click.exceptions.Exit:
            pass  # --help
        except click.UsageError as error:
            pytest.fail(f"layby {' '.join(words)}: {error.format_message()}")


@pytest.fixture(scope="module")
def tests():
    """The names of all tests, and of the files that they are in."""
    found = set()
    for folder in ("tests", "e2e"):
        for path in (ROOT / folder).rglob("test_*.py"):
            found.add(path.stem)
            found.update(re.findall(r"def (test_\w+)", path.read_text()))
    return found


@each_page
def test_every_test_that_is_named_is_there(page, tests):
    """A claim without its test is only a claim."""
    assert set() == set(re.findall(r"\btest_\w+", page.read_text())) - tests


@each_page
def test_every_row_of_a_table_of_failures_names_a_test(page):
    """Each says what happens; it has been seen."""
    shown = None
    for line in page.read_text().splitlines():
        if "| shown by |" in line:
            shown = line
        elif not line.startswith("|"):
            shown = None
        elif shown and "---" not in line:
            last = line.rstrip("|").rsplit("|", 1)[-1]
            assert "`test_" in last or "second of these" in last, line


@each_page
def test_every_manifest_is_valid(page):
    """It is copied, and the API server would not be as patient as the reader."""
    for text in manifests(page):
        for item in yaml.safe_load_all(text):
            kind = KINDS.get(item.get("kind", "")) if isinstance(item, dict) else None
            if kind is not None:
                assert item["kind"] == kind.parse(item).kind


@each_page
def test_every_variable_is_a_setting(page):
    """A variable that is misspelt is ignored without a word."""
    for prefix, settings in SETTINGS.items():
        named = set(re.findall(rf"{prefix}([A-Z_]+[A-Z])", page.read_text()))
        assert set() == {name.lower() for name in named} - settings.model_fields.keys()


@each_page
def test_every_metric_is_measured(page):
    """People build alerts from pages."""
    known = {metric.name.replace(".", "_") for metric in METRICS}
    for name in re.findall(r"`(layby_[a-z_]+)", page.read_text()):
        assert any(name.startswith(each) for each in known), name


def test_every_reason_is_explained():
    """Whoever has one looks it up."""
    said = (ROOT / "docs/troubleshooting.md").read_text() + (ROOT / "docs/keda.md").read_text()
    fine = {"Accepted", "Attached", "DryRun", "Invalid", "Direct", "KEDA", "KEDAAdopted", "Ready"}
    fine |= {"NotAccepted", "NotAttached", "ScalerNotReady", "Partial", "Terminating"}
    reasons = {str(each) for kind in (Accepted, Attached, ScalerReady, Ready) for each in kind}
    assert set() == {each for each in reasons - fine if f"`{each}`" not in said}
    assert set() == {
        each for each in Cause if each not in {Cause.NONE, Cause.PROBE} and each.value not in said
    }


@each_page
def test_every_file_that_is_named_is_there(page):
    """It is what the reader opens next."""
    folders = (
        *("deploy/", "docs/", "e2e/", "tests/", "crds/", "istio/", "extproc/", "bench/"),
        "playground/",
    )
    for text in inline(page):
        if text.startswith(folders) and re.fullmatch(r"[\w./-]+", text):
            assert (ROOT / text).exists(), text
    for name in re.findall(r"(?:apply|delete) -f (deploy/\S+)", page.read_text()):
        assert (ROOT / name).exists()


@each_page
def test_every_environment_of_tox_is_there(page):
    """It is the interface to every check."""
    parser = ConfigParser()
    parser.read(ROOT / "tox.ini")
    there = {section.removeprefix("testenv:") for section in parser.sections()}
    there |= {"py311", "py312", "py313"}
    for named in re.findall(r"tox -e ([\w,]+)", page.read_text()):
        assert set(named.split(",")) <= there


@each_page
def test_every_value_of_the_chart_is_there(page):
    """The chart refuses others."""
    values = yaml.safe_load((ROOT / "deploy/helm/layby/values.yaml").read_text())
    sections = {key for key, value in values.items() if isinstance(value, dict)}
    named = [text for text in inline(page) if re.fullmatch(r"[a-z]\w*(\.[A-Za-z]\w*)+", text)]
    texts = re.findall(r"--set ([\w.]+)=", "\n".join(blocks(page, "sh")))
    for text in [*named, *(each for each in texts if "." in each)]:
        head, *rest = text.split(".")
        if head not in sections - {"controller"} or f"{head}.py" == text:
            continue
        value = values[head]
        for name in rest:
            assert isinstance(value, dict), text
            assert name in value, text
            value = value[name]


def test_every_page_can_be_found():
    """A page that is in no menu is read by nobody."""
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")} == set(
        paths(menu)
    )


def paths(menu):
    """The pages of a menu."""
    for entry in menu:
        for value in entry.values():
            if isinstance(value, str):
                yield value
            else:
                yield from paths(value)


def test_nothing_that_is_only_ours_is_named():
    """Notes that are not in the repository, and machines of ours."""
    for page in PAGES:
        assert "../shared" not in page.read_text()
