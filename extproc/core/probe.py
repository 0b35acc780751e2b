"""Which requests are health probes: answered while a workload sleeps, never counted as demand."""

from dataclasses import dataclass
from typing import NamedTuple


class Request(NamedTuple):
    """What is seen of a request: what probe rules look at, and which trace it belongs to."""

    method: str = ""
    path: str = ""
    user_agent: str = ""
    traceparent: str = ""
    tracestate: str = ""


@dataclass(frozen=True, slots=True)
class ProbeRule:
    """A request is a probe if everything that the rule names matches.

    Args:
        path: the path without its query; a trailing `*` matches any rest.
        user_agent: the User-Agent header; a trailing `*` matches any rest.
        method: the method, in capitals.
        status: the HTTP status to answer with while the workload sleeps.
    """

    path: str | None = None
    user_agent: str | None = None
    method: str | None = None
    status: int = 200

    def matches(self, request: Request) -> bool:
        """Whether `request` is a probe by this rule; a rule that names nothing matches nothing."""
        if self.path is None and self.user_agent is None and self.method is None:
            return False
        return (
            (self.method is None or self.method == request.method)
            and (self.path is None or _matches(self.path, request.path.partition("?")[0]))
            and (self.user_agent is None or _matches(self.user_agent, request.user_agent))
        )


def match_probe(rules: tuple[ProbeRule, ...], request: Request) -> ProbeRule | None:
    """The first of `rules` that takes `request` for a probe."""
    return next((rule for rule in rules if rule.matches(request)), None)


def _matches(pattern: str, value: str) -> bool:
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    return value == pattern
