"""Sockets that wait for others, asked of the kernel's socket diagnosis; where that is not there, read from /proc/net.

/proc/net/tcp goes through the kernel's whole table of connections, empty or not: 5 ms with much memory, and again for
IPv6. The diagnosis lists those that listen alone: 0.2 ms (``docs/decisions/0020-questions-that-cost-little.md``).

Source: sock_diag(7) for struct inet_diag_req_v2 and struct inet_diag_msg, netlink(7) for struct nlmsghdr.
"""

from __future__ import annotations

import os
import struct

from agent.light import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NamedTuple

    class Socket(NamedTuple):
        """One socket that waits for others."""

        protocol: str
        address: str
        port: int
        inode: int
else:
    from agent.light.tuples import namedtuple

    Socket = namedtuple("Socket", "protocol address port inode")

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST_DUMP = 0x301
MESSAGE_ERROR, MESSAGE_DONE = 2, 3
LISTEN, CLOSE = 10, 7
"""States: of TCP that waits, and of UDP that is bound without a peer."""
HEADER = struct.Struct("=IHHII")
ADDRESS_PARTS_BYTES = 48
PATIENCE_S = 5.0
KINDS = (
    ("tcp", socket.AF_INET, socket.IPPROTO_TCP, LISTEN),
    ("tcp", socket.AF_INET6, socket.IPPROTO_TCP, LISTEN),
    ("udp", socket.AF_INET, socket.IPPROTO_UDP, CLOSE),
    ("udp", socket.AF_INET6, socket.IPPROTO_UDP, CLOSE),
)
TABLES: dict[tuple[str, int], str] = {
    ("tcp", socket.AF_INET): "/proc/net/tcp",
    ("tcp", socket.AF_INET6): "/proc/net/tcp6",
    ("udp", socket.AF_INET): "/proc/net/udp",
    ("udp", socket.AF_INET6): "/proc/net/udp6",
}


def listening() -> list[Socket]:
    """Sockets that wait for others: TCP in LISTEN, UDP bound without a peer.

    Raises:
        OSError: neither way is open here.
    """
    found: list[Socket] = []
    failures: list[OSError] = []
    for protocol, family, number, state in KINDS:
        try:
            found += diagnosed(protocol, family, number, state)
        except OSError:  # a kernel without it, or a container that forbids it
            try:
                found += tabled(protocol, family, state)
            except OSError as error:  # IPv6 may well be missing
                failures.append(error)
    if len(failures) == len(KINDS):
        raise failures[0]
    return found


def diagnosed(protocol: str, family: int, number: int, state: int) -> Iterator[Socket]:
    """Ask the kernel for the sockets of one family and protocol in one state.

    Raises:
        OSError: it has no answer for these, or none in time.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as line:
        line.settimeout(PATIENCE_S)
        asked = struct.pack("=BBBxI", family, number, 0, 1 << state) + bytes(ADDRESS_PARTS_BYTES)
        line.sendall(HEADER.pack(HEADER.size + len(asked), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0) + asked)
        while True:
            data = line.recv(1 << 16)
            place = 0
            while place + HEADER.size <= len(data):
                length, kind, _, _, _ = HEADER.unpack_from(data, place)
                if kind == MESSAGE_DONE:
                    return
                if kind == MESSAGE_ERROR or length < HEADER.size:
                    (code,) = struct.unpack_from("=i", data, place + HEADER.size)
                    raise OSError(-code, os.strerror(-code))
                yield one_of(protocol, family, data, place + HEADER.size)
                place += (length + 3) & ~3
            if not data:
                raise OSError("the kernel's answer breaks off")


def one_of(protocol: str, family: int, data: bytes, place: int) -> Socket:
    """One struct inet_diag_msg: four bytes, ports in network order, addresses, …, and the inode behind five numbers."""
    (port,) = struct.unpack_from("!H", data, place + 4)
    width = 4 if family == socket.AF_INET else 16
    address = socket.inet_ntop(family, data[place + 8 : place + 8 + width])
    (inode,) = struct.unpack_from("=I", data, place + 4 + ADDRESS_PARTS_BYTES + 16)
    return Socket(protocol, address, port, inode)


def tabled(protocol: str, family: int, state: int) -> Iterator[Socket]:
    """The same out of /proc/net.

    Raises:
        OSError: it cannot be read.
    """
    with open(TABLES[protocol, family], encoding="ascii") as file:
        rows = file.read().splitlines()[1:]
    for row in rows:
        part = row.split()
        if int(part[3], 16) == state:
            address, port = part[1].rsplit(":", 1)
            yield Socket(protocol, address_of(address), int(port, 16), int(part[9]))


def address_of(hexadecimal: str) -> str:
    """An address as /proc/net writes it (words of this computer's byte order), as people write it."""
    words = [int(hexadecimal[start : start + 8], 16) for start in range(0, len(hexadecimal), 8)]
    raw = struct.pack(f"={len(words)}I", *words)
    return socket.inet_ntop(socket.AF_INET if len(raw) == 4 else socket.AF_INET6, raw)
