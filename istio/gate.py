"""The gate: the HTTP filters that ask a hold server, only when the cluster has no endpoint.

Owns the order of the filters and the one header that links them.
Must not know how the filters reach an Envoy (EnvoyFilter, static bootstrap).
"""

import re
from dataclasses import dataclass
from datetime import timedelta

from betterproto2 import Message
from envoy_data_plane.envoy.config.common.mutation_rules.v3 import (
    HeaderMutation as Mutation,
)
from envoy_data_plane.envoy.config.core.v3 import (
    BackoffStrategy,
    GrpcService,
    GrpcServiceEnvoyGrpc,
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
    RetryPolicy,
    RetryPolicyRetryHostPredicate,
    TypedExtensionConfig,
)
from envoy_data_plane.envoy.extensions.common.matching.v3 import ExtensionWithMatcher
from envoy_data_plane.envoy.extensions.filters.common.fault.v3 import FaultDelay
from envoy_data_plane.envoy.extensions.filters.http.composite.v3 import (
    Composite,
    ExecuteFilterAction,
)
from envoy_data_plane.envoy.extensions.filters.http.ext_proc.v3 import (
    ExternalProcessor,
    HeaderForwardingRules,
    ProcessingMode,
    ProcessingModeBodySendMode,
    ProcessingModeHeaderSendMode,
)
from envoy_data_plane.envoy.extensions.filters.http.fault.v3 import HttpFault
from envoy_data_plane.envoy.extensions.filters.http.header_mutation.v3 import (
    HeaderMutation,
    Mutations,
)
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpFilter,
)
from envoy_data_plane.envoy.extensions.retry.host.previous_hosts.v3 import (
    PreviousHostsPredicate,
)
from envoy_data_plane.envoy.type.matcher.v3 import (
    HttpRequestHeaderMatchInput,
    ListStringMatcher,
    StringMatcher,
)
from envoy_data_plane.envoy.type.v3 import (
    FractionalPercent,
    FractionalPercentDenominatorType,
)
from envoy_data_plane.google.protobuf import Any
from envoy_data_plane.xds.core.v3 import TypedExtensionConfig as XdsExtensionConfig
from envoy_data_plane.xds.type.matcher.v3 import (
    Matcher,
    MatcherMatcherTree,
    MatcherMatcherTreeMatchMap,
    MatcherOnMatch,
)

from istio.contract import (
    CHANCE_METADATA,
    CHANCES_METADATA,
    CLUSTER_ATTRIBUTE,
    MARK_HEADER,
    ForwardedHeader,
)

MAX_CHANCES = 5
MAX_MESSAGE_TIMEOUT_SECONDS = 3600.0  # Envoy refuses more
RETRY_ON = "connect-failure,refused-stream,unavailable,reset,cancelled,internal"
HOST_SELECTIONS = 50
"""How often a retry may select a host anew to avoid those that it has tried. istiod balances by
least requests, and a server that lost all of its requests has the least: of two, one selection in
four is the other. After 5 more, 15 of 100 requests went back to a frozen server."""
CATCH_UP = timedelta(milliseconds=25)
"""How long a request that was held waits after its last mark: the mark counts what Envoy's main
thread knows, the router asks what its own worker knows, a moment later."""
COLD = "0"
SERVED = "1"
"""The mark of a request that was held, once there is an endpoint for it."""

_CLUSTER_PREFIX = re.compile(r"[A-Za-z0-9_.|:/-]*")


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What a gate may vary in; the defaults are the ones that were measured."""

    cluster_name: str
    """The cluster of the hold servers."""
    chances: int = 3
    """How often one request may be parked: a chance is spent by an early release, or by a hold
    server lost beyond its retries."""
    message_timeout_seconds: float = MAX_MESSAGE_TIMEOUT_SECONDS
    """How long Envoy waits for a hold server's answer before it lets the request go on."""
    cluster_prefix: str = "outbound|"
    """Clusters of other names are never held."""
    retries: int = 5
    """How often a parked request is handed to another hold server within one chance."""
    retry_base_seconds: float = 0.025
    retry_max_seconds: float = 0.25

    def __post_init__(self) -> None:
        """Refuse what Envoy would refuse later, or take for something else."""
        if not self.cluster_name:
            raise ValueError("cluster_name is empty")
        if not 1 <= self.chances <= MAX_CHANCES:
            raise ValueError(f"chances is {self.chances}, not within 1..{MAX_CHANCES}")
        if not 0 < self.message_timeout_seconds <= MAX_MESSAGE_TIMEOUT_SECONDS:
            raise ValueError(
                f"message_timeout_seconds is {self.message_timeout_seconds}, "
                f"not within 0 (excluded)..{MAX_MESSAGE_TIMEOUT_SECONDS}"
            )
        # The prefix is quoted inside a CEL string inside a format string.
        if not _CLUSTER_PREFIX.fullmatch(self.cluster_prefix):
            raise ValueError(f"cluster_prefix {self.cluster_prefix!r} has characters to escape")
        if self.retries < 0 or not 0 < self.retry_base_seconds <= self.retry_max_seconds:
            raise ValueError("retries must be >= 0 and 0 < retry_base_seconds <= retry_max_seconds")


def gate(options: GateOptions) -> list[HttpFilter]:
    """Return the filters in the order they must have, the router right behind them.

    Only the first mark runs for every request. Each later mark reads the endpoint count again,
    so a request released before its own Envoy learned of the endpoint is parked once more.
    """
    chain = [_mark(options, 1), _when(_hold(options, 1), COLD)]
    for chance in range(2, options.chances + 1):
        chain.append(_when(_mark(options, chance, SERVED), COLD))
        chain.append(_when(_hold(options, chance), COLD))
    chain.append(_when(_catch_up(), COLD, SERVED))
    unmark = _mutate("layby.unmark", [Mutation(remove=MARK_HEADER)])
    chain.append(_when(unmark, COLD, SERVED))
    return [HttpFilter(name=part.name, typed_config=part.typed_config) for part in chain]


def _mark(options: GateOptions, chance: int, otherwise: str = "") -> TypedExtensionConfig:
    """Set the mark to `0` with no endpoint, else to `otherwise`.

    An empty value adds no header, so the removal before it is what takes away a client's own.
    """
    condition = (
        "upstream.num_endpoints == 0"
        f" && xds.cluster_name.startsWith('{options.cluster_prefix}') ? '{COLD}' : '{otherwise}'"
    )
    mark = HeaderValueOption(
        header=HeaderValue(key=MARK_HEADER, value=f"%CEL({condition})%"),
        append_action=HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    return _mutate(f"layby.mark.{chance}", [Mutation(remove=MARK_HEADER), Mutation(append=mark)])


def _catch_up() -> TypedExtensionConfig:
    """Let the worker take the endpoints that the main thread has already counted."""
    always = FractionalPercent(100, FractionalPercentDenominatorType.HUNDRED)
    delay = FaultDelay(fixed_delay=CATCH_UP, percentage=always)
    return _extension("layby.catch_up", HttpFault(delay=delay))


def _mutate(name: str, mutations: list[Mutation]) -> TypedExtensionConfig:
    return _extension(name, HeaderMutation(mutations=Mutations(request_mutations=mutations)))


def _hold(options: GateOptions, chance: int) -> TypedExtensionConfig:
    """Ask a hold server, with the headers that it reads and nothing else of the request.

    The timeout is not overridden per request: an Envoy that has had any answer on a stream no
    longer retries it elsewhere when its server dies.
    """
    read = [StringMatcher(exact=str(name)) for name in ForwardedHeader]
    skip, send = ProcessingModeHeaderSendMode.SKIP, ProcessingModeHeaderSendMode.SEND
    processor = ExternalProcessor(
        grpc_service=_hold_service(options, chance),
        failure_mode_allow=True,
        processing_mode=ProcessingMode(
            request_header_mode=send,
            response_header_mode=skip,
            request_body_mode=ProcessingModeBodySendMode.NONE,
            response_body_mode=ProcessingModeBodySendMode.NONE,
            request_trailer_mode=skip,
            response_trailer_mode=skip,
        ),
        forward_rules=HeaderForwardingRules(allowed_headers=ListStringMatcher(read)),
        request_attributes=[CLUSTER_ATTRIBUTE],
        message_timeout=timedelta(seconds=options.message_timeout_seconds),
        stat_prefix="layby",
    )
    return _extension(f"layby.hold.{chance}", processor)


def _hold_service(options: GateOptions, chance: int) -> GrpcService:
    """Reach a hold server, and another one in the same chance when the first is lost."""
    other_host = RetryPolicyRetryHostPredicate(
        name="envoy.retry_host_predicates.previous_hosts",
        typed_config=Any.pack(PreviousHostsPredicate()),
    )
    return GrpcService(
        envoy_grpc=GrpcServiceEnvoyGrpc(cluster_name=options.cluster_name),
        initial_metadata=[
            HeaderValue(key=CHANCE_METADATA, value=str(chance)),
            HeaderValue(key=CHANCES_METADATA, value=str(options.chances)),
        ],
        retry_policy=RetryPolicy(
            retry_on=RETRY_ON,
            num_retries=options.retries,
            retry_back_off=BackoffStrategy(
                base_interval=timedelta(seconds=options.retry_base_seconds),
                max_interval=timedelta(seconds=options.retry_max_seconds),
            ),
            retry_host_predicate=[other_host],
            host_selection_retry_max_attempts=HOST_SELECTIONS,
        ),
    )


def _when(inner: TypedExtensionConfig, *marks: str) -> TypedExtensionConfig:
    """Create `inner` for requests with one of these marks only.

    A composite builds its filter on a match. Wrapping the filter itself with a skip action builds
    it for every request, which nearly doubles what the gate costs a warm one. The composite's
    `filter_chain` could hold all of them at once, but cannot stop (envoyproxy/envoy#42807).
    """
    header = HttpRequestHeaderMatchInput(header_name=MARK_HEADER)
    execute = MatcherOnMatch(action=_xds("execute", ExecuteFilterAction(typed_config=inner)))
    matcher = Matcher(
        matcher_tree=MatcherMatcherTree(
            input=_xds("mark", header),
            exact_match_map=MatcherMatcherTreeMatchMap(map=dict.fromkeys(marks, execute)),
        )
    )
    composite = _extension("envoy.filters.http.composite", Composite())
    return _extension(
        inner.name, ExtensionWithMatcher(extension_config=composite, xds_matcher=matcher)
    )


def _extension(name: str, config: Message) -> TypedExtensionConfig:
    return TypedExtensionConfig(name=name, typed_config=Any.pack(config))


def _xds(name: str, config: Message) -> XdsExtensionConfig:
    return XdsExtensionConfig(name=name, typed_config=Any.pack(config))
