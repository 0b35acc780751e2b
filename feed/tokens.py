"""The token by which hold servers and controllers know one another, from a file.

Owns what the file may hold, and when it is read. Must not know what is served to whom.
"""

import hmac
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

HEADER: Final = "authorization"
_SCHEME: Final = b"Bearer "
_TOKEN: Final = re.compile(rb"[!-~]+")


class TokenError(OSError):
    """A file that is to hold tokens does not."""


class Tokens:
    """The tokens of a file, one a line: the first one is shown, each of them is accepted.

    The file is read again for each stream, of which there are few, so that tokens are changed
    without a restart: with two lines, those who have the new one know those who do not yet.

    Args:
        path: the file.
        setting: the variable that names it.

    Raises:
        TokenError: the file cannot be read, or holds no token.
    """

    def __init__(self, path: Path, setting: str) -> None:
        self._path = path
        self._setting = setting
        self._tokens = self._read()
        self._trouble = ""

    def __repr__(self) -> str:
        return f"<Tokens {self._path}, {len(self._tokens)} of them>"

    @classmethod
    def given(cls, path: Path | None, setting: str) -> "Tokens | None":
        """The tokens of the file that somebody has named; None if nobody has.

        Raises:
            TokenError: the file cannot be read, or holds no token.
        """
        # That is what an empty variable is read as.
        return None if path is None or path == Path() else cls(path, setting)

    def metadata(self) -> tuple[tuple[str, str]]:
        """What a stream is opened with."""
        return ((HEADER, (_SCHEME + self._current()[0]).decode()),)

    def accept(self, metadata: Iterable[tuple[str, str | bytes]]) -> bool:
        """Whether a stream that was opened with this metadata may be served."""
        shown = [
            value if isinstance(value, bytes) else value.encode(errors="replace")
            for name, value in metadata
            if name == HEADER
        ]
        # All are compared, whichever fits: how long it takes tells nothing.
        fits = [
            hmac.compare_digest(value, _SCHEME + token)
            for token in self._current()
            for value in shown
        ]
        return any(fits)

    def _current(self) -> list[bytes]:
        """The newest tokens that could be read."""
        try:
            tokens = self._read()
        except TokenError as error:
            # Once, not for each stream: a file that is gone is one thing that happens.
            if str(error) != self._trouble:
                log.warning("keeping the tokens there were: %s", error)
                self._trouble = str(error)
            return self._tokens
        self._trouble = ""
        if tokens != self._tokens:
            log.info("took the new tokens of %s", self._path)
            self._tokens = tokens
        return tokens

    def _read(self) -> list[bytes]:
        """Read the file. Nothing that is said of it may tell what it holds."""
        try:
            lines = [line.strip() for line in self._path.read_bytes().splitlines()]
        except OSError as error:
            why = f"cannot be read ({error.strerror})"
            raise TokenError(_advice(self._setting, self._path, why)) from error
        tokens = [line for line in lines if line]
        if not tokens:
            raise TokenError(_advice(self._setting, self._path, "is empty"))
        for number, line in enumerate(lines, 1):
            if line and not _TOKEN.fullmatch(line):
                why = f"has something else than visible ASCII characters in line {number}"
                raise TokenError(_advice(self._setting, self._path, why))
        return tokens


def _advice(setting: str, path: Path, why: str) -> str:
    return (
        f"{setting}: {path} {why}: write a token into it, one a line and the same for all hold "
        "servers and controllers, or leave the variable empty to do without"
    )
