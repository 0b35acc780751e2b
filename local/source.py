"""A YAML document that remembers its lines: parsed once, as a value and as nodes.

Owns YAML's own rules, and refuses what PyYAML lets through in silence: a repeated key.
Must not know which fields there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

_KEY = "[key]"  # pydantic's last step when a mapping's key, not its value, is wrong
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_NULL = "tag:yaml.org,2002:null"
_LONGEST_QUOTE = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a file; line and column count from 1."""

    message: str
    field: str = ""
    line: int | None = None
    column: int | None = None


class SourceError(Exception):
    """The text is not one YAML document."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Place:
    """Where a field is, or, if it is missing, where it should have been."""

    field: str
    line: int
    node: Node | None


class _Loader(yaml.SafeLoader):
    """No dates: none of our fields is one, and a bad one would raise from `datetime`."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own class attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Source:
    """One YAML document."""

    def __init__(self, text: str) -> None:
        try:
            loader = _Loader(text)
            root = loader.get_single_node()
            if root is None or (isinstance(root, ScalarNode) and root.tag == _NULL):
                raise SourceError(Problem("the file is empty"))
            self._root: Node = root
            # Before construction, which folds `<<` into the nodes and so repeats keys itself.
            self.repeated_keys = tuple(_repeated_keys(root, "", set()))
            self.value: object = loader.construct_document(root)
        except yaml.MarkedYAMLError as error:
            raise SourceError(_marked(error)) from error
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise SourceError(Problem(f"unreadable: {error.reason}", line=line)) from error
        except RecursionError as error:
            raise SourceError(Problem("nested too deeply")) from error
        except ValueError as error:  # `0b_` and its like
            raise SourceError(Problem(f"unreadable: {error}")) from error

    def find(self, location: Sequence[str | int]) -> Place:
        """Follow a location such as `("workloads", 0, "name")` as far as the document goes."""
        field, line = "", self._root.start_mark.line
        anchor: Node | None = self._root
        node = anchor
        for step in location:
            if step == _KEY:
                node = anchor
                break
            field = _join(field, step if isinstance(node, SequenceNode) else str(step))
            anchor, node = _child(node, step)
            line = line if anchor is None else anchor.start_mark.line
        return Place(field, line + 1, node)


def quote(node: Node) -> str:
    """Name a node's content as it was written."""
    match node:
        case MappingNode():
            return "a mapping"
        case SequenceNode():
            return "a list"
        case _:
            text = " ".join(str(node.value).split()) or "nothing"
            return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."


def _child(node: Node | None, step: str | int) -> tuple[Node | None, Node | None]:
    """Return the node that names a child, and the child."""
    match node:
        case MappingNode():
            pairs = [pair for pair in node.value if str(pair[0].value) == str(step)]
            return pairs[-1] if pairs else (None, None)
        case SequenceNode() if isinstance(step, int):
            return node.value[step], node.value[step]
        case _:
            return None, None


def _join(field: str, step: str | int) -> str:
    if isinstance(step, int):
        return f"{field}[{step}]"
    return f"{field}.{step}" if field else step


def _repeated_keys(node: Node, field: str, seen: set[int]) -> Iterator[Problem]:
    if id(node) in seen:  # an alias, perhaps of its own parent
        return
    seen.add(id(node))
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.value):
            yield from _repeated_keys(item, _join(field, index), seen)
    elif isinstance(node, MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in first:
                before = f"repeated key (first on line {first[name]})"
                yield Problem(before, _join(field, name), line)
            first.setdefault(name, line)
            yield from _repeated_keys(value, _join(field, name), seen)


def _marked(error: yaml.MarkedYAMLError) -> Problem:
    message = ", ".join(part for part in (error.context, error.problem) if part)
    if error.context == "while scanning an alias":
        message += ' (a plain * needs quotes: "*")'
    mark = error.problem_mark
    if mark is None:
        return Problem(message)
    return Problem(message, line=mark.line + 1, column=mark.column + 1)
