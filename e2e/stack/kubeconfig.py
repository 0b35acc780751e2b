"""What a kubeconfig file says: where the API server is, and how to be let in.

Must not know requests. Of the ways in, it has tokens and client certificates.
"""

import base64
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class KubeconfigError(Exception):
    """A kubeconfig file does not say how to reach its cluster; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Access:
    """One cluster, and one user of it."""

    server: str
    context: ssl.SSLContext
    headers: Mapping[str, str]

    @classmethod
    def load(cls, path: Path) -> "Access":
        """Read the current context of a file.

        Raises:
            KubeconfigError: it cannot be read, or asks for a way in that is not known here.
        """
        try:
            document = yaml.safe_load(path.read_text())
            chosen = _named(document, "contexts", document["current-context"])["context"]
            cluster = _named(document, "clusters", chosen["cluster"])["cluster"]
            user = _named(document, "users", chosen["user"])["user"]
        except (OSError, yaml.YAMLError, KeyError, TypeError, StopIteration) as error:
            raise KubeconfigError(f"{path}: no usable current context: {error!r}") from error
        context = ssl.create_default_context(cadata=_text(cluster, "certificate-authority", path))
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        token = user.get("token")
        if certificate := _text(user, "client-certificate", path):
            _load_pair(context, certificate, _text(user, "client-key", path) or "")
        elif not token:
            raise KubeconfigError(f"{path}: its user has neither a token nor a certificate")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return cls(cluster["server"], context, headers)


def _named(document: Any, kind: str, name: str) -> Any:
    return next(entry for entry in document[kind] if entry["name"] == name)


def _text(section: Mapping[str, str], key: str, path: Path) -> str | None:
    """Read a PEM text that is given in place or as a file."""
    if data := section.get(f"{key}-data"):
        return base64.b64decode(data).decode()
    if name := section.get(key):
        return (path.parent / name).read_text()
    return None


def _load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    # ssl reads a pair from a file only.
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{certificate}\n{key}\n")
        file.flush()
        context.load_cert_chain(file.name)
