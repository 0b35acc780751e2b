"""A network namespace of the stack's own, with addresses that an EndpointSlice accepts.

Owns the namespace and who is in it. It has no name: the kernel removes it with the last process
and descriptor that hold it, so that there is nothing to clean up, whatever dies how.
"""

import ctypes
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HOST = "192.0.2.1"
"""With its /24 it makes all of 192.0.2.0/24 (TEST-NET-1) addresses of this machine, as 127/8 is."""
_MASK = "255.255.255.0"
_CLONE_NEWNET = 0x40000000
_OWN = "/proc/thread-self/ns/net"
_SIOCSIFFLAGS, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
_IFF_UP, _IFF_RUNNING = 0x1, 0x40

_libc: Any = ctypes.CDLL(None, use_errno=True)


class NamespaceError(Exception):
    """There can be no namespace; the text says why."""


class Namespace:
    """A network with only a loopback interface, which is up.

    Being in it is a property of a thread, which its later threads and its child processes inherit.
    Sockets belong to where the thread was that made them.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def create(cls) -> "Namespace":
        """Make one; the caller does not move.

        Raises:
            NamespaceError: this process may not.
        """
        # In a thread of its own: leaving a namespace for a new one cannot be undone by a thread
        # that has nothing to go back by, and this one need not.
        with ThreadPoolExecutor(1, "namespace") as thread:
            return cls(thread.submit(_unshare).result())

    @classmethod
    def of(cls, pid: int) -> "Namespace":
        """Return the one that a process is in."""
        return cls(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC))

    @property
    def id(self) -> int:
        """The number by which the kernel knows it."""
        return os.fstat(self._descriptor).st_ino

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Move this thread there while a block runs."""
        before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(self._descriptor)
            try:
                yield
            finally:
                _setns(before)
        finally:
            os.close(before)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def inhabitants(namespace_id: int) -> list[int]:
    """List the processes that are in a namespace."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return [pid for pid in pids if _namespace_of(pid) == namespace_id]


def _unshare() -> int:
    if _libc.unshare(_CLONE_NEWNET):
        code = ctypes.get_errno()
        hint = ": it takes root (CAP_SYS_ADMIN)" if code == errno.EPERM else ""
        raise NamespaceError(f"no network namespace: {os.strerror(code)}{hint}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        flags = struct.pack("16sH14s", b"lo", _IFF_UP | _IFF_RUNNING, b"")
        fcntl.ioctl(control, _SIOCSIFFLAGS, flags)
        fcntl.ioctl(control, _SIOCSIFADDR, _interface("lo:1", HOST))
        fcntl.ioctl(control, _SIOCSIFNETMASK, _interface("lo:1", _MASK))
    return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)


def _interface(name: str, address: str) -> bytes:
    """Pack a `struct ifreq` with an IPv4 address."""
    return struct.pack("16sHH4s16x", name.encode(), socket.AF_INET, 0, socket.inet_aton(address))


def _setns(descriptor: int) -> None:
    # os.setns is there from Python 3.12 on.
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise NamespaceError(f"setns: {os.strerror(ctypes.get_errno())}")


def _namespace_of(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:  # gone, or another user's
        return None
