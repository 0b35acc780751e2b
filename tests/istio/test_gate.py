from datetime import timedelta
from typing import Any, TypeVar

import pytest
from envoy_data_plane.envoy.extensions.common.matching.v3 import ExtensionWithMatcher
from envoy_data_plane.envoy.extensions.filters.http.composite.v3 import (
    Composite,
    ExecuteFilterAction,
)
from envoy_data_plane.envoy.extensions.filters.http.ext_proc.v3 import ExternalProcessor
from envoy_data_plane.envoy.extensions.filters.http.fault.v3 import HttpFault
from envoy_data_plane.envoy.extensions.filters.http.header_mutation.v3 import HeaderMutation
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpFilter,
)
from envoy_data_plane.envoy.type.matcher.v3 import HttpRequestHeaderMatchInput, StringMatcher

from istio.gate import GateOptions, gate

OPTIONS = GateOptions(cluster_name="hold")
T = TypeVar("T")


def unpack(packed: Any, kind: type[T]) -> T:
    """Unpack an `Any` that must hold a `kind`."""
    message = packed.unpack()
    assert isinstance(message, kind)
    return message


def inside(
    part: HttpFilter,
    kind: type[T],
    marks: tuple[str, ...] = ("0",),
) -> T:
    """The filter that `part` creates for a request with one of `marks`, and for no other."""
    wrapper: Any = unpack(part.typed_config, ExtensionWithMatcher)
    assert unpack(wrapper.extension_config.typed_config, Composite) == Composite()
    tree = wrapper.xds_matcher.matcher_tree
    header = unpack(tree.input.typed_config, HttpRequestHeaderMatchInput)
    assert header.header_name == "x-layby-eps"
    assert wrapper.xds_matcher.on_no_match is None
    assert marks == tuple(sorted(tree.exact_match_map.map))
    match, *others = tree.exact_match_map.map.values()
    assert all(match == other for other in others)
    execute: Any = unpack(match.action.typed_config, ExecuteFilterAction)
    assert execute.typed_config.name == part.name
    return unpack(execute.typed_config.typed_config, kind)


def mutations(mutation: Any) -> list[tuple[str, str]]:
    """What a header mutation does to a request, step by step."""
    return [
        ("remove", each.remove)
        if each.remove
        else (
            each.append.append_action.name,
            f"{each.append.header.key}: {each.append.header.value}",
        )
        for each in mutation.mutations.request_mutations
    ]


def holds(options: GateOptions) -> list[Any]:
    """The ext_proc filters of a gate."""
    return [
        inside(part, ExternalProcessor)
        for part in gate(options)
        if part.name.startswith("layby.hold")
    ]


@pytest.mark.parametrize(
    ("chances", "expected"),
    [
        (1, "mark.1 hold.1 catch_up unmark"),
        (2, "mark.1 hold.1 mark.2 hold.2 catch_up unmark"),
        (3, "mark.1 hold.1 mark.2 hold.2 mark.3 hold.3 catch_up unmark"),
    ],
)
def test_every_hold_follows_a_fresh_mark_and_the_mark_is_removed_last(chances, expected):
    """A later chance must see the endpoints as they are then; no workload may see the mark."""
    names = [part.name for part in gate(GateOptions(cluster_name="hold", chances=chances))]
    assert [f"layby.{name}" for name in expected.split()] == names


def test_the_first_mark_runs_for_every_request_and_drops_the_clients_own():
    """A client that sends the mark itself could otherwise have any request held."""
    first = unpack(gate(OPTIONS)[0].typed_config, HeaderMutation)
    condition = "upstream.num_endpoints == 0 && xds.cluster_name.startsWith('outbound|')"
    assert [
        ("remove", "x-layby-eps"),
        ("OVERWRITE_IF_EXISTS_OR_ADD", f"x-layby-eps: %CEL({condition} ? '0' : '')%"),
    ] == mutations(first)


def test_a_later_mark_tells_a_request_that_was_held_from_one_that_is_to_be_held():
    """The next hold must not see it again, and the filters behind the holds must."""
    first, _, second, *_ = gate(OPTIONS)
    (removal, mark) = mutations(unpack(first.typed_config, HeaderMutation))
    assert [removal, (mark[0], mark[1].replace(": '')", ": '1')"))] == mutations(
        inside(second, HeaderMutation)
    )


def test_a_request_that_was_held_waits_for_its_worker():
    """Its last mark counted what Envoy's main thread knows; the router asks the worker."""
    fault = inside(gate(OPTIONS)[-2], HttpFault, marks=("0", "1"))
    delay = fault.delay
    assert delay is not None
    assert delay.percentage is not None
    assert timedelta(milliseconds=25) == delay.fixed_delay
    assert (100, "HUNDRED") == (delay.percentage.numerator, delay.percentage.denominator.name)
    assert fault.abort is None


def test_the_unmark_only_removes():
    """Warm requests have no mark, so it too is created for marked ones only."""
    unmark = inside(gate(OPTIONS)[-1], HeaderMutation, marks=("0", "1"))
    assert [("remove", "x-layby-eps")] == mutations(unmark)


def test_each_hold_tells_the_server_which_chance_it_is():
    """The server learns from it that a release was early, and when not to send one back."""
    told = [
        {entry.key: entry.value for entry in hold.grpc_service.initial_metadata}
        for hold in holds(OPTIONS)
    ]
    assert [{"x-layby-chance": n, "x-layby-chances": "3"} for n in "123"] == told


def test_a_lost_server_is_retried_on_another_within_the_chance():
    """Without the host predicate the retry may go back to the server that died."""
    policy = holds(OPTIONS)[0].grpc_service.retry_policy
    assert "connect-failure,refused-stream,unavailable,reset,cancelled,internal" == policy.retry_on
    assert (5, 50) == (policy.num_retries, policy.host_selection_retry_max_attempts)
    assert ["envoy.retry_host_predicates.previous_hosts"] == [
        predicate.name for predicate in policy.retry_host_predicate
    ]
    assert timedelta(milliseconds=25) == policy.retry_back_off.base_interval
    assert timedelta(milliseconds=250) == policy.retry_back_off.max_interval


def test_only_request_headers_cross_to_the_server_and_its_loss_fails_open():
    """Bodies stay in Envoy; a hold layer that is gone must not take the workload with it."""
    hold = holds(OPTIONS)[0]
    mode = hold.processing_mode
    assert hold.failure_mode_allow
    assert ("SEND", "SKIP") == (mode.request_header_mode.name, mode.response_header_mode.name)
    assert ("NONE", "NONE") == (mode.request_body_mode.name, mode.response_body_mode.name)
    assert ("SKIP", "SKIP") == (mode.request_trailer_mode.name, mode.response_trailer_mode.name)
    assert ["xds.cluster_name"] == hold.request_attributes


def test_only_headers_that_the_hold_server_reads_cross_to_it():
    """Tokens and cookies are nobody's business who lets requests wait."""
    for hold in holds(OPTIONS):
        rules = hold.forward_rules
        assert rules.disallowed_headers is None
        assert [
            StringMatcher(exact=name)
            for name in (
                *(":method", ":path", "user-agent", "accept", "content-type"),
                *("traceparent", "tracestate"),
            )
        ] == rules.allowed_headers.patterns


def test_options_reach_the_filters():
    """Each option that is not obeyed would be found in production only."""
    options = GateOptions(
        cluster_name="elsewhere",
        chances=1,
        message_timeout_seconds=1.5,
        cluster_prefix="inbound|",
        retries=2,
        retry_base_seconds=0.1,
        retry_max_seconds=0.2,
    )
    mark, part, *_ = gate(options)
    hold: Any = inside(part, ExternalProcessor)
    policy = hold.grpc_service.retry_policy
    assert "elsewhere" == hold.grpc_service.envoy_grpc.cluster_name
    assert timedelta(seconds=1.5) == hold.message_timeout
    assert (2, timedelta(seconds=0.1), timedelta(seconds=0.2)) == (
        policy.num_retries,
        policy.retry_back_off.base_interval,
        policy.retry_back_off.max_interval,
    )
    _, addition = mutations(unpack(mark.typed_config, HeaderMutation))
    assert "xds.cluster_name.startsWith('inbound|')" in addition[1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"cluster_name": ""},
        {"chances": 0},
        {"chances": 6},
        {"message_timeout_seconds": 0},
        {"message_timeout_seconds": 3600.5},
        {"cluster_prefix": "it's"},
        {"cluster_prefix": "50%"},
        {"retries": -1},
        {"retry_base_seconds": 0},
        {"retry_base_seconds": 1, "retry_max_seconds": 0.5},
    ],
)
def test_options_that_envoy_would_refuse_or_misread_are_refused(wrong):
    """A bad EnvoyFilter passes istiod, and every proxy then refuses its listeners."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GateOptions(**{"cluster_name": "hold", **wrong})


@pytest.mark.parametrize("limits", [{"chances": 5}, {"message_timeout_seconds": 3600}])
def test_the_bounds_themselves_are_allowed(limits):
    """An hour is Envoy's own cap, and the default."""
    assert gate(GateOptions(**{"cluster_name": "hold", **limits}))
