"""Our trimmed messages against Envoy's whole ones, as `envoy-data-plane` has them.

Both encode and decode the same bytes, for every message and every field that we kept.
"""

import dataclasses
import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any, cast

import pytest
from google.protobuf import descriptor_pool, struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from extproc.wire.gen import (
    accesslog_pb2,
    als_pb2,
    base_pb2,
    external_processor_pb2,
    http_status_pb2,
)
from tests.extproc.wire.trees import (
    ENUMS_READ_AS_NUMBERS,
    KINDS,
    is_map,
    map_parts,
    of_ours,
    of_theirs,
    their_class,
    to_ours,
    to_theirs,
    trees,
)

MODULES = (accesslog_pb2, als_pb2, base_pb2, external_processor_pb2, http_status_pb2)
FILES = [module.DESCRIPTOR for module in MODULES]


def messages(descriptors: Iterable[Descriptor]) -> list[Descriptor]:
    """These messages and those nested in them, without the entries that maps are made of."""
    found = []
    for descriptor in descriptors:
        if not descriptor.GetOptions().map_entry:
            found += [descriptor, *messages(descriptor.nested_types)]
    return found


MESSAGES = messages(m for file in FILES for m in file.message_types_by_name.values())
ENUMS = [
    *(enum for file in FILES for enum in file.enum_types_by_name.values()),
    *(enum for message in MESSAGES for enum in message.enum_types),
]
by_name = pytest.mark.parametrize("descriptor", MESSAGES, ids=lambda d: d.full_name)


def their_field(field: FieldDescriptor) -> Any:
    """The same field's metadata there."""
    assert field.containing_type is not None
    fields = {
        each.name: each
        for each in dataclasses.fields(cast("Any", their_class(field.containing_type)))
    }
    return fields[field.name]


@by_name
def test_every_field_has_envoys_number_type_and_oneof(descriptor):
    """One wrong number, and we read another field's bytes without noticing."""
    for field in descriptor.fields:
        theirs = their_field(field).metadata["betterproto"]
        kind = "map" if is_map(field) else KINDS[field.type]
        if field.full_name in ENUMS_READ_AS_NUMBERS:
            assert (kind, theirs.proto_type) == ("int32", "enum")
            kind = "enum"
        oneof = field.containing_oneof.name if field.containing_oneof else None
        assert (field.number, kind, oneof) == (theirs.number, theirs.proto_type, theirs.group)
        if is_map(field):
            kinds = [KINDS[part.type] for part in map_parts(field)]
            assert kinds == [part.proto_type for part in theirs.map_meta]
        else:
            assert field.is_repeated == theirs.repeated


@by_name
def test_every_message_in_a_field_is_the_one_that_envoy_has_there(descriptor):
    """The number may be right and the message another one."""
    for field in descriptor.fields:
        if field.message_type is None or is_map(field):
            continue
        theirs = their_field(field)
        if theirs.metadata["betterproto"].unwrap:
            wanted = {"Timestamp": "datetime", "Duration": "timedelta"}[field.message_type.name]
        else:
            wanted = their_class(field.message_type).__name__
        assert wanted in re.split(r"\W+", str(theirs.type))


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.full_name)
def test_every_enum_value_has_envoys_number(enum):
    """An UpstreamEnd read as an UpstreamPoolReady would keep everything awake for ever."""
    parent = enum.containing_type.name if enum.containing_type else ""
    theirs = getattr(import_module(f"envoy_data_plane.{enum.file.package}"), parent + enum.name)
    for value in enum.values:
        assert theirs[value.name] == value.number


def test_our_messages_stay_out_of_the_default_pool():
    """A distribution that brings the whole of Envoy's API would fail to import beside us."""
    default = descriptor_pool.Default()
    for descriptor in MESSAGES:
        with pytest.raises(KeyError):
            default.FindMessageTypeByName(descriptor.full_name)
    for file in FILES:
        with pytest.raises(KeyError):
            default.FindFileByName(file.name)
    assert default.FindMessageTypeByName("google.protobuf.Struct") is struct_pb2.Struct.DESCRIPTOR


def meaning(descriptor: Descriptor, tree: Any) -> Any:
    """The tree as it comes out of a wire that leaves zeros out."""
    return of_ours(to_ours(GetMessageClass(descriptor)(), tree))


@by_name
@settings(max_examples=40)
@given(data=st.data())
def test_envoys_bytes_mean_the_same_to_us(descriptor, data):
    """Envoy encodes, we decode."""
    tree = data.draw(trees(descriptor))
    ours = GetMessageClass(descriptor).FromString(bytes(to_theirs(descriptor, tree)))
    assert meaning(descriptor, tree) == of_ours(ours)


@by_name
@settings(max_examples=40)
@given(data=st.data())
def test_our_bytes_mean_the_same_to_envoy(descriptor, data):
    """We encode, Envoy decodes."""
    tree = data.draw(trees(descriptor))
    encoded = to_ours(GetMessageClass(descriptor)(), tree).SerializeToString()
    theirs = their_class(descriptor).parse(encoded)
    assert meaning(descriptor, tree) == of_theirs(descriptor, theirs)
