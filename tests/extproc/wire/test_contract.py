"""Our trimmed messages against Envoy's whole ones, as `envoy-data-plane` has them.

Both encode and decode the same bytes, for every message and every field that we kept.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from betterproto2 import Message as Theirs
from envoy_data_plane.message_pool import default_message_pool
from google.protobuf import descriptor_pool, struct_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message as Ours
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

FILES = [module.DESCRIPTOR for module in (
    accesslog_pb2, als_pb2, base_pb2, external_processor_pb2, http_status_pb2
)]  # fmt: skip
KINDS = {
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_MESSAGE: "message",
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_UINT32: "uint32",
}
ENUMS_READ_AS_NUMBERS = {
    "envoy.type.v3.HttpStatus.code",
    "envoy.data.accesslog.v3.HTTPRequestProperties.request_method",
}
"""The same varint; their values are those of HTTP, and more than we want to list."""
Tree = dict[str, Any]
"""A message as plain values: only what is set, messages as trees, enums as numbers."""


def messages(descriptors: Any) -> list[Descriptor]:
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


def their_class(full_name: str) -> type[Theirs]:
    """The message of this name in `envoy-data-plane`."""
    return default_message_pool.url_to_type[f"type.googleapis.com/{full_name}"]


def their_field(field: FieldDescriptor) -> Any:
    """The same field's metadata there."""
    fields = their_class(field.containing_type.full_name).__dataclass_fields__
    return fields[field.name].metadata["betterproto"]


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


@by_name
def test_every_field_has_envoys_number_type_and_oneof(descriptor):
    """One wrong number, and we read another field's bytes without noticing."""
    for field in descriptor.fields:
        theirs = their_field(field)
        kind = "map" if is_map(field) else KINDS[field.type]
        if field.full_name in ENUMS_READ_AS_NUMBERS:
            assert (kind, theirs.proto_type) == ("int32", "enum")
            kind = "enum"
        oneof = field.containing_oneof.name if field.containing_oneof else None
        assert (field.number, kind, oneof) == (theirs.number, theirs.proto_type, theirs.group)
        if is_map(field):
            entry = field.message_type.fields_by_name
            kinds = [KINDS[entry[part].type] for part in ("key", "value")]
            assert kinds == [theirs.map_meta[0], theirs.map_meta[1]]
        else:
            assert field.is_repeated == theirs.repeated


@by_name
def test_every_message_in_a_field_is_the_one_that_envoy_has_there(descriptor):
    """The number may be right and the message another one."""
    for field in descriptor.fields:
        if field.message_type is None or is_map(field):
            continue
        hint = str(their_class(descriptor.full_name).__dataclass_fields__[field.name].type)
        if their_field(field).unwrap:
            wanted = {"Timestamp": "datetime", "Duration": "timedelta"}[field.message_type.name]
        else:
            wanted = their_class(field.message_type.full_name).__name__
        assert wanted in hint.replace('"', " ").replace(".", " ").replace("]", " ").split()


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.full_name)
def test_every_enum_value_has_envoys_number(enum):
    """A DownstreamEnd read as a DownstreamStart would keep everything awake for ever."""
    parent = enum.containing_type.name if enum.containing_type else ""
    file = their_class(next(m for m in MESSAGES if m.file is enum.file).full_name).__module__
    theirs = getattr(__import__(file, fromlist=["_"]), parent + enum.name)
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


texts = st.text(max_size=12)
int32s = st.integers(-(2**31), 2**31 - 1)
leaves = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | texts
json = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
WELL_KNOWN = {
    "google.protobuf.Struct": st.dictionaries(texts, json, max_size=3),
    "google.protobuf.Duration": st.timedeltas(timedelta(days=-9999), timedelta(days=9999)),
    "google.protobuf.Timestamp": st.datetimes(
        datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001
    ),
}  # fmt: skip


@cache
def trees(descriptor: Descriptor) -> st.SearchStrategy[Any]:
    """Values for a message: any of its fields set, at most one of each oneof."""
    if descriptor.full_name in WELL_KNOWN:
        return WELL_KNOWN[descriptor.full_name]
    every = {field.name: values(field) for field in descriptor.fields}
    rivals = [[field.name for field in oneof.fields] for oneof in descriptor.oneofs]
    return st.fixed_dictionaries({}, optional=every).map(
        lambda tree: {
            name: tree[name]
            for name in tree
            if not any(
                name in names and name != min(names & tree.keys()) for names in map(set, rivals)
            )
        }
    )


def values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """Values for a field."""
    if is_map(field):
        entry = field.message_type.fields_by_name
        return st.dictionaries(one(entry["key"]), one(entry["value"]), max_size=3)
    return st.lists(one(field), max_size=3) if field.is_repeated else one(field)


def one(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """One value of a field's type."""
    if field.full_name in ENUMS_READ_AS_NUMBERS:
        # Theirs is an enum: only its values.
        return st.sampled_from([0, 1, 2, 3, 9] if field.name == "request_method" else [0, 503, 504])
    match KINDS[field.type]:
        case "string":
            return texts
        case "bytes":
            return st.binary(max_size=12)
        case "bool":
            return st.booleans()
        case "uint32":
            return st.integers(0, 2**32 - 1)
        case "enum":
            return st.sampled_from([value.number for value in field.enum_type.values])
        case "message":
            return trees(field.message_type)
    raise AssertionError(field.full_name)


def to_ours(message: Any, tree: Any) -> Any:
    """Fill our message."""
    match message.DESCRIPTOR.full_name:
        case "google.protobuf.Struct":
            message.update(tree)
        case "google.protobuf.Duration":
            message.FromTimedelta(tree)
        case "google.protobuf.Timestamp":
            message.FromDatetime(tree)
        case _:
            message.SetInParent()
            for name, value in tree.items():
                set_ours(message, message.DESCRIPTOR.fields_by_name[name], value)
    return message


def set_ours(message: Any, field: FieldDescriptor, value: Any) -> None:
    target = getattr(message, field.name)
    if is_map(field) and field.message_type.fields_by_name["value"].message_type:
        for key, inner in value.items():
            to_ours(target[key], inner)
    elif is_map(field):
        target.update(value)
    elif field.message_type and field.is_repeated:
        for inner in value:
            to_ours(target.add(), inner)
    elif field.message_type:
        to_ours(target, value)
        target.SetInParent()
    elif field.is_repeated:
        target.extend(value)
    else:
        setattr(message, field.name, value)


def of_ours(message: Any) -> Any:
    """What our message says."""
    match message.DESCRIPTOR.full_name:
        case "google.protobuf.Struct":
            return {key: of_value(value) for key, value in message.fields.items()}
        case "google.protobuf.Duration":
            return message.ToTimedelta()
        case "google.protobuf.Timestamp":
            return message.ToDatetime(tzinfo=UTC)
    tree: Tree = {}
    for field, value in message.ListFields():
        if is_map(field):
            tree[field.name] = {
                k: of_ours(v) if isinstance(v, Ours) else v for k, v in value.items()
            }
        elif field.message_type and field.is_repeated:
            tree[field.name] = [of_ours(inner) for inner in value]
        elif field.message_type:
            tree[field.name] = of_ours(value)
        else:
            tree[field.name] = list(value) if field.is_repeated else value
    return tree


def of_value(value: Any) -> Any:
    match value.WhichOneof("kind"):
        case "struct_value":
            return {key: of_value(inner) for key, inner in value.struct_value.fields.items()}
        case "list_value":
            return [of_value(inner) for inner in value.list_value.values]
        case "null_value" | None:
            return None
        case kind:
            return getattr(value, kind)


def to_theirs(descriptor: Descriptor, tree: Any) -> Any:
    """Build their message."""
    if descriptor.full_name == "google.protobuf.Struct":
        return their_class(descriptor.full_name).from_dict(tree)
    if descriptor.full_name in WELL_KNOWN:
        return tree
    fields = {}
    for name, value in tree.items():
        field = descriptor.fields_by_name[name]
        inner = field.message_type
        if is_map(field):
            inner = inner.fields_by_name["value"].message_type
            fields[name] = {k: to_theirs(inner, v) if inner else v for k, v in value.items()}
        elif inner and field.is_repeated:
            fields[name] = [to_theirs(inner, each) for each in value]
        else:
            fields[name] = to_theirs(inner, value) if inner else value
    return their_class(descriptor.full_name)(**fields)


def of_theirs(descriptor: Descriptor, message: Any) -> Any:
    """What their message says in the fields that we kept."""
    if descriptor.full_name == "google.protobuf.Struct":
        return message.to_dict()
    if descriptor.full_name in WELL_KNOWN:
        return message
    tree: Tree = {}
    for field in descriptor.fields:
        value, inner = getattr(message, field.name), field.message_type
        if is_map(field):
            inner = inner.fields_by_name["value"].message_type
            value = {k: of_theirs(inner, v) if inner else v for k, v in value.items()}
        elif inner and field.is_repeated:
            value = [of_theirs(inner, each) for each in value]
        elif inner:
            value = None if value is None else of_theirs(inner, value)
        tree[field.name] = value
    return {
        name: tree[name] for name in tree if is_set(descriptor.fields_by_name[name], tree[name])
    }


def is_set(field: FieldDescriptor, value: Any) -> bool:
    """Whether a value makes a difference on the wire: proto3 leaves zeros out."""
    if field.message_type and not field.is_repeated:
        return value is not None
    return bool(value)


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
    theirs = their_class(descriptor.full_name).parse(encoded)
    assert meaning(descriptor, tree) == of_theirs(descriptor, theirs)
