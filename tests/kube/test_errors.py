import json

import pytest

from kube.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    KubeError,
    NotFoundError,
    refusal,
)
from tests.kube.fake_api import status


@pytest.mark.parametrize(
    ("expected", "code", "reason"),
    [
        (KubeError, 400, "BadRequest"),
        (KubeError, 401, "Unauthorized"),
        (ForbiddenError, 403, "Forbidden"),
        (NotFoundError, 404, "NotFound"),
        (ConflictError, 409, "Conflict"),
        (AlreadyExistsError, 409, "AlreadyExists"),
        (GoneError, 410, "Expired"),
        (GoneError, 410, "Gone"),
        (InvalidError, 422, "Invalid"),
        (KubeError, 429, "TooManyRequests"),
        (KubeError, 500, "InternalError"),
        (KubeError, 504, "Timeout"),
    ],
)
def test_a_refusal_becomes_the_error_that_one_can_catch(expected, code, reason):
    """Whoever expects a conflict must not have to look into every error."""
    error = refusal(code, json.dumps(status(code, reason, "no")).encode())
    assert expected is type(error)
    assert (code, reason, "no") == (error.status, error.reason, error.message)
    assert f"{reason}: no" == str(error)


@pytest.mark.parametrize(
    "body",
    [b"<html>502</html>", b"", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"kind": "Pod", "code": 7}'],
)
def test_a_refusal_in_other_words_keeps_its_status(body):
    """A load balancer in front answers too, and says neither JSON nor why."""
    error = refusal(502, body)
    assert (502, "HTTP 502") == (error.status, error.reason)


@pytest.mark.parametrize(
    ("expected", "header", "details"),
    [
        (2.0, "2", {}),
        (3.0, None, {"retryAfterSeconds": 3}),
        (2.0, "2", {"retryAfterSeconds": 3}),
        (None, None, {}),
        (None, "Wed, 21 Oct 2026 07:28:00 GMT", {}),
        (None, "-1", {}),
    ],
)
def test_the_server_may_say_when_to_come_back(expected, header, details):
    """In a header if it is overloaded, in the object if it cannot do it yet."""
    body = json.dumps(status(429, "TooManyRequests", details=details)).encode()
    assert expected == refusal(429, body, header).retry_after


def test_the_causes_say_which_field_is_whose():
    """A condition that only says "conflict" helps nobody."""
    cause = {"reason": "FieldManagerConflict", "field": ".spec.replicas", "message": 'by "kubectl"'}
    body = json.dumps(status(409, "Conflict", details={"causes": [cause]})).encode()
    assert (cause,) == refusal(409, body).causes
