"""Where something listens: an IP address and a port, or a unix socket."""

from typing import NamedTuple, TypeAlias


class TcpAddress(NamedTuple):
    """An IP address and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class UnixAddress(NamedTuple):
    """The path of a unix socket."""

    path: str


Endpoint: TypeAlias = TcpAddress | UnixAddress
