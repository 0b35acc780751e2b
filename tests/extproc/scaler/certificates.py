"""Certificates made on the spot, each its own authority, by the `openssl` command."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """Where a certificate and its key lie."""

    path: Path
    key: Path

    def replace_by(self, other: "Certificate") -> None:
        """Rotate, as a Secret that is mounted does: what was at the same path is another now."""
        other.path.replace(self.path)
        other.key.replace(self.key)


def make(folder: Path, name: str) -> Certificate:
    """Make one for this machine."""
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-noenc", "-days", "2", "-subj", f"/CN={name}"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", made.key, "-out", made.path),
        ],
        check=True,
        capture_output=True,
    )
    return made
