"""Sockets that wait for others, asked of Windows' own tables; where these do not answer, of psutil.

Source: learn.microsoft.com/windows/win32/api/iphlpapi, GetExtendedTcpTable, GetExtendedUdpTable; <tcpmib.h>,
<udpmib.h>: rows of numbers, ports in network order in the lower half.
"""

from __future__ import annotations

import ctypes
import struct

from agent.light import socket
from agent.windows.win32 import BOOL, DWORD, LPVOID, P_DWORD, Library, failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, NamedTuple

    class Socket(NamedTuple):
        """One socket that waits for others."""

        protocol: str
        address: str
        port: int
        inode: int
        """The process that holds it: Windows knows a socket by that."""
else:
    from agent.light.tuples import namedtuple

    Socket = namedtuple("Socket", "protocol address port inode")

IPV4, IPV6 = 2, 23
"""AF_INET and AF_INET6 as Windows numbers them. Source: <winsock2.h>, <ws2ipdef.h>."""
TCP_LISTENERS_WITH_PIDS, UDP_WITH_PIDS = 3, 1
"""Source: <iprtrmib.h>, TCP_TABLE_CLASS and UDP_TABLE_CLASS."""
TOO_SMALL = 122
ROWS = {
    ("tcp", IPV4): struct.Struct("=IIHxxIHxxI"),  # state, local address and port, remote address and port, pid
    ("tcp", IPV6): struct.Struct("=16sIHxx16sIHxxII"),  # local address, scope, port, remote ones, state, pid
    ("udp", IPV4): struct.Struct("=IHxxI"),  # address, port, pid
    ("udp", IPV6): struct.Struct("=16sIHxxI"),  # address, scope, port, pid
}
TRIES = 8
"""The table may grow between the question for its size and the table."""

iphlpapi = Library(
    "iphlpapi",
    GetExtendedTcpTable=(DWORD, LPVOID, P_DWORD, BOOL, DWORD, DWORD, DWORD),
    GetExtendedUdpTable=(DWORD, LPVOID, P_DWORD, BOOL, DWORD, DWORD, DWORD),
)


def listening() -> list[Socket]:
    """Sockets that wait for others: TCP in LISTEN, UDP bound.

    Raises:
        OSError: neither way is open here.
    """
    found: list[Socket] = []
    failures: list[OSError] = []
    for kind in ROWS:
        try:
            found += rows_of(*kind, table(*kind))
        except OSError as error:  # IPv6 may well be missing
            failures.append(error)
    if len(failures) == len(ROWS):
        return list(asked_of_psutil(failures[0]))
    return found


def table(protocol: str, family: int) -> bytes:
    """A whole table as it lies in memory: how many rows, then the rows.

    Raises:
        OSError: there is none.
    """
    ask: Callable[..., int] = iphlpapi.GetExtendedTcpTable if protocol == "tcp" else iphlpapi.GetExtendedUdpTable
    which = TCP_LISTENERS_WITH_PIDS if protocol == "tcp" else UDP_WITH_PIDS
    size = DWORD(16384)
    code = 0
    for _ in range(TRIES):
        room = (ctypes.c_char * size.value)()
        code = ask(room, ctypes.byref(size), 0, family, which, 0)
        if not code:
            return bytes(room)
        if code != TOO_SMALL:
            break
    raise failure(code)


def rows_of(protocol: str, family: int, data: bytes) -> Iterator[Socket]:
    """The rows of a table."""
    layout = ROWS[protocol, family]
    (count,) = struct.unpack_from("=I", data)
    for number in range(count):
        place = 4 + number * layout.size
        row = layout.unpack_from(data, place)
        offset = 4 if (protocol, family) == ("tcp", IPV4) else 0
        width = 4 if family == IPV4 else 16
        raw = data[place + offset : place + offset + width]
        yield Socket(protocol, address_of(raw), port_of(protocol, family, row), int(row[-1]))


def port_of(protocol: str, family: int, row: tuple[int, ...]) -> int:
    """The local port of a row."""
    number = row[1 if (protocol, family) == ("udp", IPV4) else 2]
    return (number & 0xFF) << 8 | number >> 8


def address_of(raw: bytes) -> str:
    """An address in network order, as people write it."""
    return str(socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw))


def asked_of_psutil(reason: OSError) -> Iterator[Socket]:
    """The same from psutil.

    Raises:
        OSError: it is not there, or does not tell either.
    """
    try:
        import psutil

        rows = psutil.net_connections("inet")
    except (ImportError, psutil_error()) as error:
        raise reason from error
    for row in rows:
        protocol = "tcp" if row.type == socket.SOCK_STREAM else "udp"
        if row.laddr and (row.status == "LISTEN" or (protocol == "udp" and not row.raddr)):
            yield Socket(protocol, row.laddr.ip, row.laddr.port, row.pid or 0)


def psutil_error() -> type[BaseException]:
    """What psutil raises; what nobody raises where there is none."""
    try:
        import psutil
    except ImportError:
        return ImportError
    error: type[BaseException] = psutil.Error
    return error
