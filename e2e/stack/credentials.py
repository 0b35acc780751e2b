"""Who may ask the API server: its tokens, its signing key, and kubeconfig files.

Pure but for the files that it writes. Must not know processes.
"""

import base64
import secrets
from pathlib import Path

import yaml

# An EC private key as DER (RFC 5915) around its 32 bytes; the public key may be left out.
_P256_HEAD = bytes.fromhex("30310201010420")
_P256_TAIL = bytes.fromhex("a00a06082a8648ce3d030107")


def signing_key() -> str:
    """Make a key that signs service account tokens, as PEM: any number is a P-256 key."""
    number = bytearray(secrets.token_bytes(32))
    number[0] &= 0x7F  # below the curve's order
    body = base64.encodebytes(_P256_HEAD + number + _P256_TAIL).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{body}-----END EC PRIVATE KEY-----\n"


def token_line(token: str, user: str, *groups: str) -> str:
    """Render one line of a `--token-auth-file`."""
    return f'{token},{user},{user},"{",".join(groups)}"\n'


def write_kubeconfig(
    path: Path, *, server: str, authority: Path, token: str, namespace: str = "default"
) -> Path:
    """Write a kubeconfig file with one context, readable by its owner only."""
    cluster = {
        "server": server,
        "certificate-authority-data": base64.b64encode(authority.read_bytes()).decode(),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "stack", "cluster": cluster}],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [
            {
                "name": "stack",
                "context": {"cluster": "stack", "user": "user", "namespace": namespace},
            }
        ],
        "current-context": "stack",
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path
