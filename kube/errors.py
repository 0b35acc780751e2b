"""What the API server, or the way to it, says instead of an answer.

Owns the tree of errors. Must not know who asked, nor what they will do about it.
"""

import json
from collections.abc import Mapping, Sequence

from kube.resource import Object


class KubeError(Exception):
    """A request that was not granted."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        causes: Sequence[Object] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.status = status
        """The HTTP status; 0 if there was no answer."""
        self.reason = reason
        """The API's word for it, of a small set: fit for a label of a metric."""
        self.message = message
        self.causes = causes
        """The API's details, such as the fields that are wrong, or their other managers."""
        self.retry_after = retry_after
        """The seconds that the server asks to be left alone for."""


class UnreachableError(KubeError):
    """No answer, or one that is not the API server's. The request may have been carried out."""


class ForbiddenError(KubeError):
    """Our role does not allow it, or an admission rule does not."""


class NotFoundError(KubeError):
    """There is no such object, or no such resource."""


class ConflictError(KubeError):
    """The object is another than it was, or a field is another manager's."""


class AlreadyExistsError(ConflictError):
    """There is such an object already."""


class GoneError(KubeError):
    """The version is too old to go on from: list again."""


class InvalidError(KubeError):
    """The object is not a valid one; the causes name the fields."""


class MismatchError(InvalidError):
    """A JSON patch does not fit the object, such as by a `test`: nothing was changed."""


_BY_REASON: Mapping[str, type[KubeError]] = {"AlreadyExists": AlreadyExistsError}
_BY_STATUS: Mapping[int, type[KubeError]] = {
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    422: InvalidError,
}


TIMEOUT = "Timeout"
"""The reason of an `UnreachableError` when it was too long a wait."""


def unreachable(reason: str, cause: BaseException) -> UnreachableError:
    """Return the error for a request without an answer."""
    return UnreachableError(0, reason, str(cause) or type(cause).__name__)


def refusal(status: int, body: bytes, retry_after: str | None = None) -> KubeError:
    """Return the error for an answer that is one."""
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or answer.get("kind") != "Status":
        # Not the API server's own words: a load balancer's, or a panic's.
        text = body[:200].decode(errors="replace").strip()
        answer = {"message": text}
    return refused({"code": status, **answer}, retry_after)


def refused(answer: Object, retry_after: str | None = None) -> KubeError:
    """Return the error for a `Status` object, in an answer or in the middle of a watch."""
    status = int(answer.get("code") or 0)
    reason = str(answer.get("reason") or f"HTTP {status}")
    message = str(answer.get("message") or "")
    details = answer.get("details") or {}
    causes = tuple(details.get("causes") or ())
    kind = _BY_REASON.get(reason) or _BY_STATUS.get(status, KubeError)
    seconds = retry_after or details.get("retryAfterSeconds")
    return kind(status, reason, message, causes=causes, retry_after=_seconds(seconds))


def _seconds(value: object) -> float | None:
    # The API server sends seconds; the date that HTTP allows as well is of no use here.
    text = str(value)
    return float(text) if text.isdecimal() else None
