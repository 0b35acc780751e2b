"""The field types of `layby.yaml`: what a name, a host, a prefix, a command or a folder looks like.

Each refuses with one plain sentence. Must not know which model uses it.
"""

import ipaddress
import re
import shlex
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationInfo

from istio.address import TcpAddress
from local.address import LOOPBACK

BASE = "base"  # in the validation context: the folder that relative paths start from
RESERVED_ENVIRONMENT = frozenset({"LAYBY_RUN", "PORT"})

_Item = TypeVar("_Item")

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_HIGHEST_PORT = 65_535
_NAME = re.compile(_LABEL)
_HOST = re.compile(rf"\*|(\*\.)?{_LABEL}(\.{_LABEL})*")
_PREFIX = re.compile(r"/[!-~]*")
_METHOD = re.compile(r"[A-Z]+")
_VARIABLE = re.compile(r"[^=\0]+")


def at_least_one(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    """Refuse an empty list; `min_length` would also complain of a list whose items are wrong."""
    if not items:
        raise ValueError("input should have at least one item")
    return items


def _listen(value: object) -> TcpAddress:
    host, _, port = str(value).rpartition(":")
    host = LOOPBACK if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        host = ""
    if not host or not _PORT.fullmatch(port) or int(port) > _HIGHEST_PORT:
        raise ValueError("input should be an IP address and a port, such as 127.0.0.1:8080")
    return TcpAddress(host, int(port))


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("input should be a DNS label: lower-case letters, digits and `-`")
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text.lower()):
        raise ValueError("input should be `*`, a host name without a port, or `*.` and a name")
    return text.lower()


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text) or any(mark in text for mark in "?#*"):
        raise ValueError("input should be a path that starts with `/`, without `?`, `#` or `*`")
    return text


def _path(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ValueError("input should be a path that starts with `/`")
    return text


def _probe_path(text: str) -> str:
    if not _PREFIX.fullmatch(text) or "*" in text[:-1]:
        raise ValueError("input should be a path that starts with `/`, with `*` only at its end")
    return text


def _method(text: str) -> str:
    if not _METHOD.fullmatch(text.upper()):
        raise ValueError("input should be an HTTP method such as GET")
    return text.upper()


def _split(value: object) -> object:
    if isinstance(value, str):
        try:
            return shlex.split(value)
        except ValueError as error:
            reason = str(error).lower()
            raise ValueError(f"input should be a shell-like line of words: {reason}") from error
    if not isinstance(value, list | tuple):
        raise ValueError("input should be a list of words, or one line of them")  # noqa: TRY004
    return value


def _command(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words or not words[0]:
        raise ValueError("input should name a program")
    if any("\0" in word for word in words):
        raise ValueError("input should have no NUL character")
    return words


def _variable(name: str) -> str:
    if name in RESERVED_ENVIRONMENT:
        raise ValueError(f"{name} is set by layby itself")
    if not _VARIABLE.fullmatch(name):
        raise ValueError("a variable's name should have no `=`")
    return name


def _value(text: str) -> str:
    if "\0" in text:
        raise ValueError("input should have no NUL character")
    return text


def _directory(path: Path, info: ValidationInfo) -> Path:
    base = Path((info.context or {}).get(BASE, "."))
    full = (base / path.expanduser()).absolute()
    if not full.is_dir():
        raise ValueError(f"no such folder: {full}")
    return full


Text = Annotated[str, Field(min_length=1)]
Listen = Annotated[TcpAddress, PlainValidator(_listen)]
Name = Annotated[str, AfterValidator(_name)]
Hosts = Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], AfterValidator(at_least_one)]
Prefixes = Annotated[
    tuple[Annotated[str, AfterValidator(_prefix)], ...], AfterValidator(at_least_one)
]
UrlPath = Annotated[str, AfterValidator(_path)]
ProbePath = Annotated[str, AfterValidator(_probe_path)]
Method = Annotated[str, AfterValidator(_method)]
Command = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_command)]
VariableName = Annotated[str, AfterValidator(_variable)]
VariableValue = Annotated[str, AfterValidator(_value)]
Directory = Annotated[Path, AfterValidator(_directory)]
