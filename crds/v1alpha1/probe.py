"""Which requests are health probes, answered while a workload sleeps.

Owns what may be matched. Must not know how it is matched.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from crds.model import Model
from crds.rule import matching, rule

# Printable, and no '*' but the last; no '?' and '#', for a query is no part of a path.
_PATH = r'^/[!"$-)+->@-~]*[*]?$'
_AGENT = "^([ -)+-~]+[*]?|[*])$"


class Method(StrEnum):
    """A request method."""

    GET = "GET"
    HEAD = "HEAD"
    OPTIONS = "OPTIONS"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class Probe(Model):
    """A request is a probe if everything that is given here matches."""

    path: (
        Annotated[
            str,
            Field(max_length=1024),
            matching(
                _PATH,
                "write a path that starts with '/', without '?' or '#', and with '*' only at its "
                "end",
            ),
        ]
        | None
    ) = None
    """The path without its query; one that ends in '*' matches every path that starts so."""
    user_agent: (
        Annotated[
            str,
            Field(max_length=256),
            matching(_AGENT, "write a User-Agent, with '*' only at its end"),
        ]
        | None
    ) = None
    """The User-Agent; one that ends in '*' matches all that start so, such as GoogleHC/*."""
    method: Method | None = None
    """The request method; any if left out."""
    status: Annotated[int, Field(ge=200, le=599)] = 200
    """The HTTP status to answer."""

    @rule(
        "has(self.path) && self.path != '/*' || has(self.userAgent) && self.userAgent != '*' "
        "|| has(self.method) && self.method in ['HEAD', 'OPTIONS']",
        "say which requests are probes by a path or a userAgent (or method HEAD or OPTIONS): "
        "one that takes all requests for probes lets nothing wake the workload",
    )
    def leaves_something(self) -> bool:
        """Whether any request can still wake the workload."""
        return (
            self.path not in {None, "/*"}
            or self.user_agent not in {None, "*"}
            or self.method in {Method.HEAD, Method.OPTIONS}
        )
