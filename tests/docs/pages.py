"""The pages, and what they say in code."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "playground/README.md")),
    ],
    key=lambda path: path.relative_to(ROOT),
)
IDS = [str(path.relative_to(ROOT)) for path in PAGES]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_OPERATORS = re.compile(r"\|\||&&|[|;<>]|\bthen\b|\$\(|\)")
_LAYBY = re.compile(r"\s*(?:[A-Z_]+=\S+ )*layby((?: .*)?)$")
_HERE = re.compile(r"<<-?EOF\n.*?^EOF$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, *languages: str) -> list[str]:
    """The code blocks in some languages."""
    return [text for language, text in _BLOCK.findall(page.read_text()) if language in languages]


def inline(page: Path) -> list[str]:
    """What is in single backticks, outside of blocks."""
    return _INLINE.findall(_BLOCK.sub("", page.read_text()))


def commands(page: Path) -> Iterator[list[str]]:
    """Each `layby` command, as words."""
    lines = [line for text in blocks(page, "sh") for line in _script(text)]
    lines += [text for text in inline(page) if text.startswith("layby ")]
    for line in lines:
        for part in _OPERATORS.split(line):
            if found := _LAYBY.match(part):
                yield shlex.split(found[1], comments=True)


def manifests(page: Path) -> Iterator[str]:
    """What is applied, be it shown or piped."""
    yield from blocks(page, "yaml")
    for text in blocks(page, "sh"):
        for here in _HERE.findall(text):
            yield here.split("\n", 1)[1].rsplit("\nEOF", 1)[0]


def _script(text: str) -> list[str]:
    return _HERE.sub("", text).replace("\\\n", " ").splitlines()
