from google.protobuf.internal import containers as _containers
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
    __slots__ = ("namespace", "name", "pending", "in_flight", "rate", "last_request_age_seconds")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    LAST_REQUEST_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    pending: int
    in_flight: int
    rate: float
    last_request_age_seconds: float
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., pending: _Optional[int] = ..., in_flight: _Optional[int] = ..., rate: _Optional[float] = ..., last_request_age_seconds: _Optional[float] = ...) -> None: ...
