from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WatchRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Report(_message.Message):
    __slots__ = ("account_age_seconds", "holds")
    ACCOUNT_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    account_age_seconds: float
    holds: _containers.RepeatedCompositeFieldContainer[HoldDemand]
    def __init__(self, account_age_seconds: _Optional[float] = ..., holds: _Optional[_Iterable[_Union[HoldDemand, _Mapping]]] = ...) -> None: ...

class HoldDemand(_message.Message):
    __slots__ = ("namespace", "name", "pending", "in_flight", "rate", "last_request_age_seconds", "waking", "last_wake")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    LAST_REQUEST_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WAKING_FIELD_NUMBER: _ClassVar[int]
    LAST_WAKE_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    pending: int
    in_flight: int
    rate: float
    last_request_age_seconds: float
    waking: bool
    last_wake: Wake
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., pending: _Optional[int] = ..., in_flight: _Optional[int] = ..., rate: _Optional[float] = ..., last_request_age_seconds: _Optional[float] = ..., waking: _Optional[bool] = ..., last_wake: _Optional[_Union[Wake, _Mapping]] = ...) -> None: ...

class Wake(_message.Message):
    __slots__ = ("at", "duration_seconds", "outcome")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[Wake.Outcome]
        SUCCEEDED: _ClassVar[Wake.Outcome]
        FAILED: _ClassVar[Wake.Outcome]
        TIMED_OUT: _ClassVar[Wake.Outcome]
    OUTCOME_UNSPECIFIED: Wake.Outcome
    SUCCEEDED: Wake.Outcome
    FAILED: Wake.Outcome
    TIMED_OUT: Wake.Outcome
    AT_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    at: float
    duration_seconds: float
    outcome: Wake.Outcome
    def __init__(self, at: _Optional[float] = ..., duration_seconds: _Optional[float] = ..., outcome: _Optional[_Union[Wake.Outcome, str]] = ...) -> None: ...
