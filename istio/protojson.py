"""Envoy's JSON form of typed messages.

Owns the one place where betterproto2's rendering is bent to the names of the .proto files.
Must not know which messages it renders.
"""

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from betterproto2 import Casing, Message


def to_dict(message: "Message") -> dict[str, object]:
    """Render `message` under the proto field names, `Any` unpacked beside its `@type`.

    betterproto2's own casings split a digit from a letter (`consecutive_5xx` becomes
    `consecutive5Xx` or `consecutive_5_xx`), which Envoy rejects. Casing is only ever called with
    a field name, so `str` stands in as the casing that leaves the name alone.
    """
    return cast("dict[str, object]", message.to_dict(casing=cast("Casing", str)))
