import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extproc.answer import DETAIL_LIMIT, Style, answer
from extproc.core.fallback import Fallback
from extproc.core.outcome import Cause, Outcome, Verdict

GO_ON = (Outcome.READY, Outcome.RELEASED, Outcome.UNMANAGED)
REFUSED = {
    Verdict(Outcome.SHED, Cause.QUEUE_FULL, "9 wait.", 4.2): (503, 14, "Service Unavailable"),
    Verdict(Outcome.DRAINED, Cause.DRAINING, "Bye.", 1.0): (503, 14, "Service Unavailable"),
    Verdict(Outcome.HOPELESS, Cause.CANNOT_START, "exit 1", 2.0): (503, 14, "Service Unavailable"),
    Verdict(Outcome.EXPIRED, Cause.TIMEOUT, "60 s.", None): (504, 4, "Gateway Timeout"),
    Verdict(Outcome.ABANDONED): (503, 14, "Service Unavailable"),
}


@pytest.mark.parametrize(
    ("content_type", "accept", "expected"),
    [
        ("", "", Style.TEXT),
        ("", "*/*", Style.TEXT),
        ("", "text/html,application/xhtml+xml,*/*;q=0.8", Style.TEXT),
        ("", "application/json", Style.JSON),
        ("", "Application/JSON", Style.JSON),
        ("", "text/html, application/problem+json;q=0.9", Style.JSON),
        ("application/json", "", Style.TEXT),
        ("application/grpc", "", Style.GRPC),
        ("application/grpc", "application/json", Style.GRPC),
        ("application/grpc+proto", "", Style.GRPC),
        ("application/grpc-web", "", Style.TEXT),
        ("application/grpc-web+proto", "application/json", Style.JSON),
        ("application/grpc; charset=utf-8", "", Style.TEXT),
    ],
)
def test_the_style_is_what_the_client_understands(content_type, accept, expected):
    """Envoy makes a gRPC status only of what it takes for gRPC itself: a gRPC answer to anything
    else would be a 200.
    """
    assert expected == Style.of(content_type, accept)


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_an_answer_in_every_style(outcome, style):
    """A forgotten outcome would fail in production first."""
    said = answer(Verdict(outcome, Cause.NONE, status=200), style, held=1.0)
    assert (outcome in GO_ON) == (said is None)


@pytest.mark.parametrize("style", [Style.TEXT, Style.JSON])
@pytest.mark.parametrize(("verdict", "expected"), REFUSED.items(), ids=lambda v: str(v)[:20])
def test_a_refusal_is_said_in_http(verdict, expected, style):
    """The status for machines, the reason for people, both for whoever reads the access log."""
    status, _, phrase = expected
    said = answer(verdict, style, held=1.2345)
    assert said is not None
    headers = dict(said.headers)
    assert (status, None, verdict.cause) == (said.status, said.grpc_status, said.reason)
    assert headers["x-layby-reason"] == verdict.cause
    assert headers["x-layby-held-ms"] == "1234"
    assert headers["content-type"] == style.value
    if style is Style.TEXT:
        assert said.body.decode() == f"{status} {phrase}: {verdict.cause}\n{verdict.detail}\n"


def test_a_refusal_in_json_is_an_rfc_9457_problem():
    """Clients have parsers for these."""
    verdict = Verdict(Outcome.SHED, Cause.QUEUE_FULL, 'the "cart" is full', 4.2)
    said = answer(verdict, Style.JSON, held=0.0)
    assert said is not None
    assert {
        "type": "urn:layby:queue-full",
        "title": "Service Unavailable",
        "status": 503,
        "detail": 'the "cart" is full',
        "reason": "queue-full",
        "retryAfter": 5,
    } == json.loads(said.body)


@pytest.mark.parametrize(("verdict", "expected"), REFUSED.items(), ids=lambda v: str(v)[:20])
def test_a_grpc_client_gets_a_grpc_status(verdict, expected):
    """An HTTP status is UNKNOWN to it; UNAVAILABLE is what its retry policy looks for."""
    said = answer(verdict, Style.GRPC, held=0.5)
    assert said is not None
    assert (200, expected[1]) == (said.status, said.grpc_status)
    assert said.body.decode() == (f"{verdict.cause}: {verdict.detail}" if verdict.detail else "")
    assert "content-type" not in dict(said.headers)


@pytest.mark.parametrize("style", [Style.TEXT, Style.JSON])
def test_a_probe_is_answered_with_the_status_of_its_rule(style):
    """Even one that `http.HTTPStatus` has no phrase for."""
    said = answer(Verdict(Outcome.PROBED, Cause.PROBE, status=299), style, held=0.0)
    assert said is not None
    assert (299, b"asleep\n", None) == (said.status, said.body, said.grpc_status)
    assert dict(said.headers)["content-type"] == Style.TEXT.value
    assert "retry-after" not in dict(said.headers)


def test_a_grpc_probe_is_answered_ok():
    """Its client reads no HTTP status."""
    said = answer(Verdict(Outcome.PROBED, Cause.PROBE, status=204), Style.GRPC, held=0.0)
    assert said is not None
    assert (200, 0, b"") == (said.status, said.grpc_status, said.body)


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, None), (0.001, "1"), (1.0, "1"), (1.001, "2"), (29.5, "30"), (3600.0, "3600")],
)
def test_retry_after_is_rounded_up(seconds, expected, style):
    """Whole seconds is all the header can say; rounded down, everybody comes back too early."""
    said = answer(Verdict(Outcome.SHED, Cause.QUEUE_FULL, "", seconds), style, held=0.0)
    assert said is not None
    assert expected == dict(said.headers).get("retry-after")


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize(
    "detail",
    [
        "exit 1\r\nset-cookie: admin=1\r\n\r\n<script>",
        "nul \x00 escape \x1b[31m bell \x07",
        "line \u2028 paragraph \u2029 next \x85",
        "half a pair \ud800",
        "no \u202ees\u202c right",
        "ünïcødé 🐢",
        "x" * (DETAIL_LIMIT * 3),
    ],
    ids=["crlf", "controls", "separators", "surrogate", "bidi", "unicode", "long"],
)
def test_a_workloads_last_words_cannot_break_out_of_the_answer(detail, style):
    """The detail quotes a process's stderr: nobody vouches for it."""
    verdict = Verdict(Outcome.HOPELESS, Cause.CANNOT_START, detail, 1.0)
    said = answer(verdict, style, held=0.0)
    assert said is not None
    for name, value in said.headers:
        assert (name + value).isascii()
        assert (name + value).isprintable()
    text = said.body.decode()
    if style is Style.JSON:
        text = json.loads(text)["detail"]
    elif style is Style.TEXT:
        assert text.count("\n") == 2
        text = text.split("\n")[1]
    assert text.isprintable()
    assert len(text) <= DETAIL_LIMIT + len("cannot-start: ")


@given(st.text(), st.sampled_from(Style), st.floats(0, 1e6), st.none() | st.floats(0.0, 1e6))
def test_any_detail_makes_an_answer_that_can_be_sent(detail, style, held, retry_after):
    """An exception here would let the request go on, to a workload that is not there."""
    verdict = Verdict(Outcome.HOPELESS, Cause.CANNOT_START, detail, retry_after)
    said = answer(verdict, style, held)
    assert said is not None
    assert all((name + value).isascii() for name, value in said.headers)
    assert said.body.decode().isprintable() or style is not Style.GRPC


WAIT, PAGE, STATUS = (
    Fallback(retry_after=90.0),
    Fallback(body="<p>Café", content_type="text/html; charset=utf-8"),
    Fallback(redirect="https://status.example/?of=cart"),
)
REFUSALS = [verdict for verdict in REFUSED if verdict.outcome is not Outcome.ABANDONED]


@pytest.mark.parametrize("style", Style)
@pytest.mark.parametrize("verdict", REFUSALS, ids=lambda v: v.outcome)
def test_the_owners_retry_after_is_instead_of_the_learnt_one(verdict, style):
    """Who has a quota that frees up at the full hour knows better."""
    said = answer(replace(verdict, fallback=WAIT), style, held=0.0)
    assert said is not None
    assert "90" == dict(said.headers)["retry-after"]
    if style is Style.JSON:
        assert 90 == json.loads(said.body)["retryAfter"]


@pytest.mark.parametrize("style", [Style.TEXT, Style.JSON])
@pytest.mark.parametrize("verdict", REFUSALS, ids=lambda v: v.outcome)
def test_the_owners_body_is_instead_of_ours(verdict, style):
    """Status and reason stay: they are for machines, and for whoever reads the access log."""
    ours = answer(verdict, style, held=0.0)
    said = answer(replace(verdict, fallback=PAGE), style, held=0.0)
    assert ours is not None
    assert said is not None
    assert said.body == PAGE.body.encode()
    assert {**dict(ours.headers), "content-type": PAGE.content_type} == dict(said.headers)
    assert (ours.status, ours.reason) == (said.status, said.reason)


def test_a_body_without_a_type_is_plain_text():
    """As the field promises."""
    said = answer(replace(REFUSALS[0], fallback=Fallback(body="{}")), Style.JSON, held=0.0)
    assert said is not None
    assert ("text/plain; charset=utf-8", b"{}") == (dict(said.headers)["content-type"], said.body)


@pytest.mark.parametrize("style", [Style.TEXT, Style.JSON])
@pytest.mark.parametrize("verdict", REFUSALS, ids=lambda v: v.outcome)
def test_a_redirect_sends_the_client_there(verdict, style):
    """With its method, and for this once: the workload's own URL is right again soon. A learnt
    Retry-After would tell the client to wait before it looks at the status page.
    """
    said = answer(replace(verdict, fallback=STATUS), style, held=0.0)
    assert said is not None
    assert (307, b"", None) == (said.status, said.body, said.grpc_status)
    assert {
        "x-layby-reason": verdict.cause.value,
        "x-layby-held-ms": "0",
        "location": STATUS.redirect,
    } == dict(said.headers)


def test_a_redirect_has_the_retry_after_that_its_owner_gives():
    """They said both."""
    said = answer(
        replace(REFUSALS[0], fallback=replace(STATUS, retry_after=2.0)), Style.TEXT, held=0.0
    )
    assert said is not None
    assert (307, "2") == (said.status, dict(said.headers)["retry-after"])


@pytest.mark.parametrize("fallback", [PAGE, STATUS], ids=["page", "redirect"])
@pytest.mark.parametrize("verdict", REFUSALS, ids=lambda v: v.outcome)
def test_a_grpc_client_gets_its_status_all_the_same(verdict, fallback):
    """It shows no page and follows no redirect: both are UNKNOWN to it."""
    said = answer(replace(verdict, fallback=fallback), Style.GRPC, held=0.0)
    assert said == answer(verdict, Style.GRPC, held=0.0)
