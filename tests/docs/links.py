"""The links of a page, and where they lead, as GitHub shows the file.

Must not ask the network: what begins with a scheme is none of ours.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

_FENCED = re.compile(r"^( *)(`{3,}|~{3,}).*?^ *\2`*$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)|^ *\[[^\]]+\]:\s*<?([^\s>]+)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
_LINKED = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|//")


def anchors(text: str) -> set[str]:
    """Return what GitHub calls the headings of a page.

    In lower case, without punctuation but `-` and `_`, with `-` for each space, and with a number
    from the second of a name on.
    """
    found = set()
    seen: Counter[str] = Counter()
    for heading in _HEADING.findall(_FENCED.sub("", text)):
        words = _LINKED.sub(r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def links(text: str) -> Iterator[str]:
    """Find where the links and pictures of a page lead that are relative."""
    for inline, reference in _LINK.findall(_INLINE.sub("", _FENCED.sub("", text))):
        target = inline or reference
        if not _SCHEME.match(target):
            yield target


def broken(page: Path, root: Path) -> list[str]:
    """Return the links of a page that lead nowhere in the repository at `root`."""
    return [link for link in links(page.read_text()) if not _resolves(link, page, root)]


def _resolves(link: str, page: Path, root: Path) -> bool:
    path, _, anchor = unquote(link).partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_relative_to(root) or not target.exists():
        return False
    return not anchor or (target.suffix == ".md" and anchor in anchors(target.read_text()))
