"""ext_proc messages to and from plain values.

Follows envoy/service/ext_proc/v3/external_processor.proto. Must not know what is decided.
"""

from dataclasses import dataclass

from google.protobuf.message import DecodeError

from extproc.answer import Answer, Style
from extproc.core.probe import Request
from extproc.wire.gen.base_pb2 import HeaderValue, HeaderValueOption
from extproc.wire.gen.external_processor_pb2 import (
    CommonResponse,
    HeaderMutation,
    HeadersResponse,
    ImmediateResponse,
    ProcessingRequest,
    ProcessingResponse,
)
from istio.contract import CLUSTER_ATTRIBUTE, MARK_HEADER, ForwardedHeader

SERVICE = "envoy.service.ext_proc.v3.ExternalProcessor"
ATTRIBUTES = "envoy.filters.http.ext_proc"
"""The key under which Envoy sends the attributes that the gate asks for."""
DETAILS = "layby"
"""Prefix of `%RESPONSE_CODE_DETAILS%` in Envoy's own access log."""


def _continue(mutation: HeaderMutation | None = None) -> bytes:
    common = CommonResponse(status=CommonResponse.CONTINUE, header_mutation=mutation)
    return ProcessingResponse(request_headers=HeadersResponse(response=common)).SerializeToString()


CONTINUE = _continue()
"""The answer that lets a request go on, ready for the wire."""
PASS = _continue(HeaderMutation(remove_headers=[MARK_HEADER]))
"""The answer that lets one go on that is none of Layby's business: without its mark, the gate does
not ask again, nor make it wait for endpoints."""


class ProtocolError(Exception):
    """A message that no Envoy configured with the gate would send."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that Envoy asks about.

    Args:
        cluster: the Envoy cluster that it is routed to.
        request: what is seen of it.
        style: how its client wants to be answered.
    """

    cluster: str
    request: Request
    style: Style


_READ = frozenset(map(str, ForwardedHeader))
LONGEST = 4096
"""Characters of a header that are kept: thousands of parked requests keep theirs, and a client may
send 60 kB. Probe rules are shorter, so what is cut off matches none by chance."""
_TRACEPARENT_LIMIT, _TRACESTATE_LIMIT = 55, 512
"""What one has, and what W3C asks to be passed on of the other at least: half of either would be
another one."""


def parse(message: bytes) -> Arrival:
    """Read the first message of a stream.

    Raises:
        ProtocolError: it is not a ProcessingRequest with request headers.
    """
    try:
        request = ProcessingRequest.FromString(message)
    except DecodeError as error:
        raise ProtocolError("not a ProcessingRequest") from error
    if request.observability_mode:
        raise ProtocolError("the filter is in observability mode: it would not wait for an answer")
    if not request.HasField("request_headers"):
        raise ProtocolError("the first message carries no request headers: is the gate configured?")
    found = {
        header.key: (header.raw_value.decode(errors="replace") or header.value)[:LONGEST]
        for header in request.request_headers.headers.headers
        if header.key in _READ
    }
    get = found.get
    fields = request.attributes[ATTRIBUTES].fields
    cluster = fields[CLUSTER_ATTRIBUTE].string_value if CLUSTER_ATTRIBUTE in fields else ""
    return Arrival(
        cluster,
        Request(
            get(ForwardedHeader.METHOD, ""),
            get(ForwardedHeader.PATH, ""),
            get(ForwardedHeader.USER_AGENT, ""),
            *trace(get(ForwardedHeader.TRACEPARENT, ""), get(ForwardedHeader.TRACESTATE, "")),
        ),
        Style.of(get(ForwardedHeader.CONTENT_TYPE, ""), get(ForwardedHeader.ACCEPT, "")),
    )


def trace(parent: str, state: str) -> tuple[str, str]:
    """Return the headers of a trace, or empty ones if that would be a way to fill the memory."""
    if len(parent) > _TRACEPARENT_LIMIT:
        return "", ""
    return parent, state if len(state) <= _TRACESTATE_LIMIT else ""


def immediate(answer: Answer) -> bytes:
    """Encode an answer that Envoy gives in the workload's stead."""
    response = ImmediateResponse(body=answer.body, details=f"{DETAILS}_{answer.reason}")
    response.status.code = answer.status
    for name, value in answer.headers:
        response.headers.set_headers.append(
            HeaderValueOption(
                header=HeaderValue(key=name, raw_value=value.encode()),
                append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
            )
        )
    if answer.grpc_status is not None:
        response.grpc_status.status = answer.grpc_status
    return ProcessingResponse(immediate_response=response).SerializeToString()
