"""Certificates of the stack's own: an authority, and what it signs, made by `openssl`.

Owns nothing but the files that it writes. Must not know who is to trust whom.
"""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from e2e.stack.releases import MissingError

_DAYS = "365"
_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Pair(NamedTuple):
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """One that signs, with its own certificate in `folder/ca.crt`."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        usage = "keyUsage=critical,keyCertSign"
        self.pair = _make(folder / "ca", name, "basicConstraints=critical,CA:TRUE", usage)

    def issue(self, stem: str, name: str, hosts: Iterable[str] = ()) -> Pair:
        """Write `STEM.crt` and `STEM.key`, for a server with such host names, and for a client."""
        names = ",".join(f"DNS:{host}" for host in hosts)
        extensions = ["extendedKeyUsage=serverAuth,clientAuth"]
        if names:
            extensions.append(f"subjectAltName={names}")
        return _make(self.folder / stem, name, *extensions, authority=self.pair)


def find_openssl() -> str:
    """Return the program.

    Raises:
        MissingError: it is not there.
    """
    if found := shutil.which("openssl"):
        return found
    raise MissingError("no openssl on PATH, which makes the certificates (Debian: openssl)")


def _make(stem: Path, name: str, *extensions: str, authority: Pair | None = None) -> Pair:
    made = Pair(stem.with_suffix(".crt"), stem.with_suffix(".key"))
    command: list[str | Path] = [
        *(find_openssl(), "req", "-x509", *_EC, "-days", _DAYS, "-subj", f"/CN={name}"),
        # Without a file the extensions are those that are given, on every distribution.
        *("-config", "/dev/null", "-out", made.certificate, "-keyout", made.key),
    ]
    for extension in extensions:
        command += ["-addext", extension]
    if authority:
        command += ["-CA", authority.certificate, "-CAkey", authority.key]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError(f"openssl makes no certificate: {done.stderr.strip()}")
    return made
