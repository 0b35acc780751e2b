"""What a client is told when its request is not forwarded: the one function from verdict to HTTP.

Bodies follow RFC 9457 where the client accepts JSON, unless the workload's owner wants another;
gRPC clients get a gRPC status. Must not know how Envoy is told.
"""

import json
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from math import ceil
from typing import assert_never

from extproc.core.outcome import Outcome, Verdict

REASON = "x-layby-reason"
HELD_MS = "x-layby-held-ms"
DETAIL_LIMIT = 512
"""Characters of detail that reach a client."""
BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED})
"""Statuses whose answer has no body (RFC 9110)."""
REDIRECT = HTTPStatus.TEMPORARY_REDIRECT
"""Once the workload runs, its own URL is the right one again; the method stays what it is."""
GRPC_OK, GRPC_DEADLINE_EXCEEDED, GRPC_UNAVAILABLE = 0, 4, 14
"""https://grpc.io/docs/guides/status-codes/"""


class Style(Enum):
    """How a client wants to be answered."""

    TEXT = "text/plain; charset=utf-8"
    JSON = "application/problem+json"
    GRPC = "application/grpc"

    @classmethod
    def of(cls, content_type: str, accept: str) -> "Style":
        """Judge by the request's `content-type` and `accept` headers."""
        # Envoy's own test: only then does it turn an answer into a gRPC status.
        if content_type == cls.GRPC.value or content_type.startswith(f"{cls.GRPC.value}+"):
            return cls.GRPC
        if "json" in accept.lower():
            return cls.JSON
        return cls.TEXT


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in the workload's stead; `grpc_status` only for gRPC clients."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    grpc_status: int | None = None


def answer(verdict: Verdict, style: Style, held: float) -> Answer | None:
    """Say `verdict` to a client that waited `held` seconds; None lets its request go on."""
    match verdict.outcome:
        case Outcome.READY | Outcome.RELEASED | Outcome.UNMANAGED:
            return None
        case Outcome.PROBED:
            return _answer(verdict, style, held, verdict.status, GRPC_OK)
        case Outcome.EXPIRED:
            return _answer(verdict, style, held, 504, GRPC_DEADLINE_EXCEEDED)
        case Outcome.SHED | Outcome.DRAINED | Outcome.HOPELESS | Outcome.ABANDONED:
            return _answer(verdict, style, held, 503, GRPC_UNAVAILABLE)
        case _:
            assert_never(verdict.outcome)


def _answer(verdict: Verdict, style: Style, held: float, status: int, grpc_status: int) -> Answer:
    headers = [(REASON, verdict.cause.value), (HELD_MS, str(round(held * 1000)))]
    redirect = "" if style is Style.GRPC else verdict.fallback.redirect
    if seconds := _retry_after(verdict, redirected=bool(redirect)):
        headers.append(("retry-after", str(seconds)))
    detail = _printable(verdict.detail)
    if style is Style.GRPC:
        # Envoy makes it trailers-only, with the body as grpc-message.
        body = f"{verdict.cause.value}: {detail}".encode() if detail else b""
        return Answer(200, verdict.cause.value, tuple(headers), body, grpc_status)
    if redirect:
        headers.append(("location", redirect))
        return Answer(REDIRECT, verdict.cause.value, tuple(headers), b"")
    body, content_type = _body(verdict, style, status, detail)
    if body:
        headers.append(("content-type", content_type))
    return Answer(status, verdict.cause.value, tuple(headers), body)


def _retry_after(verdict: Verdict, *, redirected: bool) -> int | None:
    """Whole seconds, rounded up: clients that are told less all come back too early."""
    seconds = verdict.fallback.retry_after
    # In a redirect it says how long to wait before following it: only who asks for that gets it.
    if seconds is None and not redirected:
        seconds = verdict.retry_after
    return None if seconds is None else max(1, ceil(seconds))


def _body(verdict: Verdict, style: Style, status: int, detail: str) -> tuple[bytes, str]:
    if status in BODILESS:
        return b"", ""
    if verdict.outcome is Outcome.PROBED:
        return b"asleep\n", Style.TEXT.value
    if verdict.fallback.body:
        return verdict.fallback.body.encode(), verdict.fallback.content_type or Style.TEXT.value
    if style is Style.JSON:
        return _problem(verdict, status, detail), style.value
    words = f"{status} {HTTPStatus(status).phrase}: {verdict.cause.value}\n{detail}\n"
    return words.encode(), style.value


def _problem(verdict: Verdict, status: int, detail: str) -> bytes:
    problem: dict[str, object] = {
        "type": f"urn:layby:{verdict.cause.value}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "reason": verdict.cause.value,
    }
    if seconds := _retry_after(verdict, redirected=False):
        problem["retryAfter"] = seconds
    return json.dumps(problem).encode()


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:DETAIL_LIMIT]
