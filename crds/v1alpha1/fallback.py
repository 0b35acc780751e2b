"""What a client gets whose request is not served.

Owns what may be said. Must not know when it is said, nor how Envoy is told.
"""

from typing import Annotated

from pydantic import Field

from crds.duration import Between
from crds.model import Model
from crds.rule import matching, rule

_URL = "^https?://[!-~]+$"
_MEDIA_TYPE = "^[a-z]+/[a-z0-9][-+.a-z0-9]*(; ?[a-z]+=[-a-zA-Z0-9]+)*$"


class Fallback(Model):
    """What a client gets whose request is not served. gRPC clients get a status, never a page."""

    retry_after: Annotated[float, Between("1s", "24h")] | None = None
    """The Retry-After to send, instead of one taken from the cold starts seen."""
    redirect: (
        Annotated[
            str,
            Field(max_length=2048),
            matching(_URL, "write a whole URL that starts with http:// or https://"),
        ]
        | None
    ) = None
    """A URL to send the client to by a 307, such as a status page. The 307 has a Retry-After only
    if retryAfter is given: clients wait for so long before they follow it."""
    body: Annotated[str, Field(min_length=1, max_length=8192)] | None = None
    """The body to send with the 503 or 504, instead of a line that says why."""
    content_type: (
        Annotated[
            str,
            Field(max_length=128),
            matching(_MEDIA_TYPE, "write a media type such as text/html; charset=utf-8"),
        ]
        | None
    ) = None
    """The media type of the body; text/plain; charset=utf-8 if left out."""

    @rule(
        "!(has(self.redirect) && has(self.body))",
        "give either a redirect or a body: a client that is sent elsewhere shows no body",
    )
    def says_one_thing(self) -> bool:
        """Whether it either redirects or has a body of its own."""
        return self.redirect is None or self.body is None

    @rule(
        "!has(self.contentType) || has(self.body)",
        "contentType is that of a body: give the body too, or leave it out",
        at="contentType",
    )
    def types_a_body(self) -> bool:
        """Whether a media type, if any, is that of a body."""
        return self.content_type is None or self.body is not None
