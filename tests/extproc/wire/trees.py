"""Messages as plain values: drawn at random, and read from and written to either library.

A tree has only what is set, messages as trees and enums as numbers.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from typing import Any

from betterproto2 import Message as Theirs
from envoy_data_plane.message_pool import default_message_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message as Ours
from hypothesis import strategies as st

Tree = dict[str, Any]
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
    "envoy.type.v3.HttpStatus.code": [0, 200, 204, 503, 504],
    "envoy.data.accesslog.v3.HTTPRequestProperties.request_method": list(range(10)),
}
"""Enums there, the same varint here, with some of their values."""


def their_class(descriptor: Descriptor) -> type[Theirs]:
    """The message of this name in `envoy-data-plane`, which imports its modules when asked to."""
    package = "google.protobuf" if descriptor.full_name in WELL_KNOWN else descriptor.file.package
    import_module(f"envoy_data_plane.{package}")
    return default_message_pool.url_to_type[f"type.googleapis.com/{descriptor.full_name}"]


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def map_parts(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    """The key and the value of a map."""
    assert field.message_type is not None
    entry = field.message_type.fields_by_name
    return entry["key"], entry["value"]


texts = st.text(max_size=12)
leaves = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | texts
json = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
WELL_KNOWN = {
    "google.protobuf.Struct": st.dictionaries(texts, json, max_size=3),
    # Not negative: betterproto2 0.9 encodes those wrongly, and no timeout is.
    "google.protobuf.Duration": st.timedeltas(timedelta(0), timedelta(days=9999)),
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
        return st.dictionaries(*map(one, map_parts(field)), max_size=3)
    return st.lists(one(field), max_size=3) if field.is_repeated else one(field)


def one(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    """One value of a field's type."""
    if field.message_type:
        return trees(field.message_type)
    if field.enum_type:
        return st.sampled_from([value.number for value in field.enum_type.values])
    if field.full_name in ENUMS_READ_AS_NUMBERS:
        return st.sampled_from(ENUMS_READ_AS_NUMBERS[field.full_name])
    return {
        "string": texts,
        "bytes": st.binary(max_size=12),
        "bool": st.booleans(),
        "uint32": st.integers(0, 2**32 - 1),
    }[KINDS[field.type]]


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
    if is_map(field) and map_parts(field)[1].message_type:
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
        case _:
            return {field.name: read_ours(field, value) for field, value in message.ListFields()}


def read_ours(field: FieldDescriptor, value: Any) -> Any:
    """What one field of ours says."""
    if is_map(field):
        return {k: of_ours(v) if isinstance(v, Ours) else v for k, v in value.items()}
    if field.is_repeated:
        return [of_ours(inner) for inner in value] if field.message_type else list(value)
    return of_ours(value) if field.message_type else value


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
        return their_class(descriptor).from_dict(tree)
    if descriptor.full_name in WELL_KNOWN:
        return tree
    fields: dict[str, Any] = {}
    for name, value in tree.items():
        field = descriptor.fields_by_name[name]
        inner = field.message_type
        if is_map(field):
            inner = map_parts(field)[1].message_type
            fields[name] = {k: to_theirs(inner, v) if inner else v for k, v in value.items()}
        elif inner and field.is_repeated:
            fields[name] = [to_theirs(inner, each) for each in value]
        else:
            fields[name] = to_theirs(inner, value) if inner else value
    return their_class(descriptor)(**fields)


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
            inner = map_parts(field)[1].message_type
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
