import pytest
from envoy_data_plane.envoy.config.core.v3 import (
    HeaderMap,
    HeaderValue,
    HeaderValueOptionHeaderAppendAction,
    Metadata,
)
from envoy_data_plane.envoy.service.ext_proc.v3 import (
    CommonResponse,
    HeaderMutation,
    HeadersResponse,
    HttpBody,
    HttpHeaders,
    ProcessingRequest,
    ProcessingResponse,
    ProtocolConfiguration,
)
from envoy_data_plane.google.protobuf import Struct

from extproc.answer import Answer, Style
from extproc.core.probe import Request
from extproc.wire.ext_proc import (
    ATTRIBUTES,
    CONTINUE,
    PASS,
    Arrival,
    ProtocolError,
    immediate,
    parse,
    trace,
)

CLUSTER = "outbound|80||cart.shop.svc.cluster.local"
NOTHING = Arrival("", Request(), Style.TEXT)


def message(*headers: HeaderValue, attributes: dict[str, object] | None = None, **more) -> bytes:
    """A first message as Envoy encodes it."""
    structs = {name: Struct.from_dict(value) for name, value in (attributes or {}).items()}
    return bytes(
        ProcessingRequest(
            request_headers=HttpHeaders(headers=HeaderMap(headers=list(headers))),
            attributes=structs,
            **more,
        )
    )


def raw(key: str, value: bytes) -> HeaderValue:
    """A header as Envoy sends it today."""
    return HeaderValue(key=key, raw_value=value)


def test_it_reads_what_the_hold_server_needs_from_all_that_envoy_sends():
    """Fields that we left out, and headers that nobody asked for, are no obstacle."""
    encoded = message(
        raw(":authority", b"shop.example"),
        raw(":method", b"POST"),
        raw(":path", b"/buy?n=1"),
        raw("user-agent", b"curl/8"),
        raw("accept", b"application/json"),
        raw("cookie", b"c" * 5000),
        attributes={ATTRIBUTES: {"xds.cluster_name": CLUSTER, "xds.route_name": "default"}},
        metadata_context=Metadata(filter_metadata={"x": Struct.from_dict({"y": [1, None, {}]})}),
        protocol_config=ProtocolConfiguration(),
    )
    request = Request("POST", "/buy?n=1", "curl/8")
    assert Arrival(CLUSTER, request, Style.JSON) == parse(encoded)


@pytest.mark.parametrize(("length", "kept"), [(512, True), (513, False)])
def test_it_reads_which_trace_a_request_belongs_to(length, kept):
    """As far as that is no way to fill the memory: thousands of requests may wait for minutes."""
    parent, state = f"00-{'a' * 32}-{'b' * 16}-01", f"k={'v' * (length - 2)}"
    encoded = message(raw("traceparent", parent.encode()), raw("tracestate", state.encode()))
    request = Request(traceparent=parent, tracestate=state if kept else "")
    assert request == parse(encoded).request


@pytest.mark.parametrize(
    ("parent", "state", "expected"),
    [
        ("p" * 55, "s" * 512, ("p" * 55, "s" * 512)),
        ("p" * 55, "s" * 513, ("p" * 55, "")),
        ("p" * 56, "s", ("", "")),
        ("", "s", ("", "s")),
    ],
    ids=["whole", "long state", "long parent", "no parent"],
)
def test_a_trace_is_kept_only_if_it_is_no_way_to_fill_the_memory(parent, state, expected):
    """It is all that is kept of a request that waits, and clients choose how long it is."""
    assert expected == trace(parent, state)
    encoded = message(raw("traceparent", parent.encode()), raw("tracestate", state.encode()))
    assert expected == parse(encoded).request[3:]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (HeaderValue(key="user-agent", value="old"), "old"),
        (HeaderValue(key="user-agent", raw_value=b"new"), "new"),
        (HeaderValue(key="user-agent", value="old", raw_value=b"new"), "new"),
        (HeaderValue(key="user-agent", raw_value=b"caf\xe9"), "caf\ufffd"),
        (HeaderValue(key="user-agent"), ""),
        (HeaderValue(key="User-Agent", raw_value=b"Envoy sends none in capitals"), ""),
    ],
    ids=["value", "raw", "both", "not utf-8", "empty", "capitals"],
)
def test_a_header_is_read_from_either_field_and_any_bytes(header, expected):
    """`raw_value` since Envoy 1.26, `value` before; clients send what they like."""
    assert expected == parse(message(header)).request.user_agent


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {ATTRIBUTES: {}},
        {ATTRIBUTES: {"xds.route_name": "default"}},
        {"envoy.filters.http.lua": {"xds.cluster_name": CLUSTER}},
        {ATTRIBUTES: {"xds.cluster_name": 80}},
        {ATTRIBUTES: {"xds.cluster_name": None}},
        {ATTRIBUTES: {"xds.cluster_name": {"name": CLUSTER}}},
    ],
    ids=["none", "empty", "others", "another filter's", "a number", "null", "a message"],
)
def test_a_request_with_no_cluster_name_is_for_no_cluster(attributes):
    """A direct response has none; it must go on."""
    assert NOTHING == parse(message(attributes=attributes))


@pytest.mark.parametrize(
    ("encoded", "problem"),
    [
        (b"\x0a", "not a ProcessingRequest"),
        (b"\x12\xff\xff\xff\xff\x0f", "not a ProcessingRequest"),
        (message()[:-1] + b"\xff", "not a ProcessingRequest"),
        (b"", "carries no request headers"),
        (bytes(ProcessingRequest(request_body=HttpBody())), "carries no request headers"),
        (bytes(ProcessingRequest(response_headers=HttpHeaders())), "carries no request headers"),
        (message(observability_mode=True), "observability mode"),
    ],
    ids=["cut", "lying length", "junk", "empty", "body", "response headers", "only watching"],
)
def test_what_is_no_first_message_is_a_protocol_error(encoded, problem):
    """And nothing else: any other exception would be a bug's."""
    with pytest.raises(ProtocolError, match=problem):
        parse(encoded)


def test_headers_may_be_missing_altogether():
    """Nothing in the message is needed for it to be one."""
    assert NOTHING == parse(bytes(ProcessingRequest(request_headers=HttpHeaders())))


def test_continue_is_what_envoy_takes_for_it():
    """An answer that Envoy does not understand would cost the request a chance."""
    expected = ProcessingResponse(request_headers=HeadersResponse(response=CommonResponse()))
    assert expected == ProcessingResponse.parse(CONTINUE)


def test_what_is_none_of_laybys_business_passes_without_its_mark():
    """The filters behind look for nothing else: they neither ask again nor make it wait."""
    mutation = HeaderMutation(remove_headers=["x-layby-eps"])
    common = CommonResponse(header_mutation=mutation)
    expected = ProcessingResponse(request_headers=HeadersResponse(response=common))
    assert expected == ProcessingResponse.parse(PASS)


@pytest.mark.parametrize("grpc_status", [None, 0, 4, 14])
def test_an_answer_is_encoded_whole(grpc_status):
    """Status, body, headers that replace Envoy's own, and a name for Envoy's access log."""
    headers = (("content-type", "text/plain"), ("x-layby-reason", "timeout"))
    said = Answer(504, "timeout", headers, b"too \xff late", grpc_status)
    response = ProcessingResponse.parse(immediate(said)).immediate_response
    assert response is not None
    assert response.status is not None
    assert (504, b"too \xff late", "layby_timeout") == (
        response.status.code,
        response.body,
        response.details,
    )
    assert response.headers is not None
    assert headers == tuple(
        (option.header.key, option.header.raw_value.decode())
        for option in response.headers.set_headers
        if option.header
    )
    assert {HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD} == {
        option.append_action for option in response.headers.set_headers
    }
    said_status = response.grpc_status
    assert grpc_status == (None if said_status is None else said_status.status)
