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
    __slots__ = ("account_age_seconds", "holds", "log_streams")
    ACCOUNT_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    LOG_STREAMS_FIELD_NUMBER: _ClassVar[int]
    account_age_seconds: float
    holds: _containers.RepeatedCompositeFieldContainer[HoldDemand]
    log_streams: int
    def __init__(self, account_age_seconds: _Optional[float] = ..., holds: _Optional[_Iterable[_Union[HoldDemand, _Mapping]]] = ..., log_streams: _Optional[int] = ...) -> None: ...

class HoldDemand(_message.Message):
    __slots__ = ("namespace", "name", "pending", "in_flight", "rate", "last_request_age_seconds", "waking", "last_wake", "requests", "sheds", "cold_start")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PENDING_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    LAST_REQUEST_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WAKING_FIELD_NUMBER: _ClassVar[int]
    LAST_WAKE_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    SHEDS_FIELD_NUMBER: _ClassVar[int]
    COLD_START_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    name: str
    pending: int
    in_flight: int
    rate: float
    last_request_age_seconds: float
    waking: bool
    last_wake: Wake
    requests: int
    sheds: int
    cold_start: ColdStart
    def __init__(self, namespace: _Optional[str] = ..., name: _Optional[str] = ..., pending: _Optional[int] = ..., in_flight: _Optional[int] = ..., rate: _Optional[float] = ..., last_request_age_seconds: _Optional[float] = ..., waking: _Optional[bool] = ..., last_wake: _Optional[_Union[Wake, _Mapping]] = ..., requests: _Optional[int] = ..., sheds: _Optional[int] = ..., cold_start: _Optional[_Union[ColdStart, _Mapping]] = ...) -> None: ...

class Wake(_message.Message):
    __slots__ = ("at", "duration_seconds", "outcome", "reason")
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
    REASON_FIELD_NUMBER: _ClassVar[int]
    at: float
    duration_seconds: float
    outcome: Wake.Outcome
    reason: str
    def __init__(self, at: _Optional[float] = ..., duration_seconds: _Optional[float] = ..., outcome: _Optional[_Union[Wake.Outcome, str]] = ..., reason: _Optional[str] = ...) -> None: ...

class ColdStart(_message.Message):
    __slots__ = ("at", "scaled", "scheduled", "started", "ready", "seen", "released", "ending", "duration_seconds", "winner", "reason")
    class Ending(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ENDING_UNSPECIFIED: _ClassVar[ColdStart.Ending]
        READY: _ClassVar[ColdStart.Ending]
        FAILED: _ClassVar[ColdStart.Ending]
        ABANDONED: _ClassVar[ColdStart.Ending]
    ENDING_UNSPECIFIED: ColdStart.Ending
    READY: ColdStart.Ending
    FAILED: ColdStart.Ending
    ABANDONED: ColdStart.Ending
    AT_FIELD_NUMBER: _ClassVar[int]
    SCALED_FIELD_NUMBER: _ClassVar[int]
    SCHEDULED_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    SEEN_FIELD_NUMBER: _ClassVar[int]
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    ENDING_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    WINNER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    at: float
    scaled: float
    scheduled: float
    started: float
    ready: float
    seen: float
    released: float
    ending: ColdStart.Ending
    duration_seconds: float
    winner: str
    reason: str
    def __init__(self, at: _Optional[float] = ..., scaled: _Optional[float] = ..., scheduled: _Optional[float] = ..., started: _Optional[float] = ..., ready: _Optional[float] = ..., seen: _Optional[float] = ..., released: _Optional[float] = ..., ending: _Optional[_Union[ColdStart.Ending, str]] = ..., duration_seconds: _Optional[float] = ..., winner: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
