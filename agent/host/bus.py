"""Calls over D-Bus: what systemctl asks of systemd, without the ten milliseconds that a start of systemctl takes.

Source: D-Bus Specification 0.42, "Marshaling", "Message Protocol" and "Authentication Protocol".
"""

from __future__ import annotations

import _socket
import os
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

CALL, ANSWER, ERROR = 1, 2, 3
PATH, INTERFACE, MEMBER, ERROR_NAME, ANSWER_TO, DESTINATION, SIGNATURE = 1, 2, 3, 4, 5, 6, 8
ENDIAN = b"l" if sys.byteorder == "little" else b"B"
NUMBERS = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d", "h": "I"}
ALIGNMENT = {**{kind: struct.calcsize(code) for kind, code in NUMBERS.items()}, "g": 1, "v": 1, "(": 8, "{": 8}
"""In bytes; 4 for everything else."""
_KINDS: dict[str, list[str]] = {}
"""Signatures taken apart already: few, and met again and again."""
HEAD = "yyyyuua(yv)"
HEAD_BYTES = 16
LONGEST_LINE_BYTES = 4096
LONGEST_BYTES = 128 * 1024 * 1024
"""Of a message. Source: the specification's maximum."""


class BusError(Exception):
    """The other side refused a call, does not answer, or does not speak D-Bus."""


class Bus:
    """One connection to a message bus, or straight to a service that listens on a socket of its own."""

    def __init__(self, path: str, *, timeout_s: float, service: str = "") -> None:
        """Connect and say who we are, which the kernel vouches for.

        Args:
            path: the socket.
            timeout_s: for every wait.
            service: whom to talk to on a message bus; empty where the socket is the service's own.

        Raises:
            BusError: nobody listens, or we are not let in.
        """
        self._service = service
        self._serial = 0
        self._early = b""
        """Signals that came together with the word that lets us in."""
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            self._socket.settimeout(timeout_s)
            self._socket.connect(path)
            self._authenticate()
            if service:
                self._call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello", "", ())
        except OSError as error:
            self._socket.close()
            raise BusError(f"{path}: {error}") from error
        except BusError:
            self._socket.close()
            raise

    def __enter__(self) -> Bus:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def call(self, path: str, interface: str, member: str, signature: str = "", *values: Any) -> list[Any]:
        """Call a method and wait for what it answers.

        Args:
            path: the object.
            interface: of which the method is.
            member: the method.
            signature: of its arguments.
            values: these; a variant is a pair of signature and value.

        Raises:
            BusError: it was refused, in the other side's words; or the line broke, or it took too long.
        """
        try:
            return self._call(self._service, path, interface, member, signature, values)
        except OSError as error:
            raise BusError(f"{member}: {error}") from error

    def _authenticate(self) -> None:
        # In one piece, as systemctl does: systemd overlooks a call that it reads together with the word before it.
        self._socket.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\nBEGIN\r\n")
        said = b""
        while b"\r\n" not in said:
            data = self._socket.recv(512)
            if not data or len(said) > LONGEST_LINE_BYTES:
                raise BusError("not let in")
            said += data
        line, _, self._early = said.partition(b"\r\n")
        if not line.startswith(b"OK"):
            raise BusError(line.decode("ascii", "replace"))

    def _call(
        self, service: str, path: str, interface: str, member: str, signature: str, values: Sequence[Any]
    ) -> list[Any]:
        self._serial += 1
        fields = [(PATH, ("o", path)), (INTERFACE, ("s", interface)), (MEMBER, ("s", member))]
        if service:
            fields.append((DESTINATION, ("s", service)))
        if signature:
            fields.append((SIGNATURE, ("g", signature)))
        body = bytearray()
        for kind, value in zip(kinds(signature), values):
            write(body, kind, value)
        message = bytearray()
        for kind, value in zip(kinds(HEAD), (ENDIAN[0], CALL, 0, 1, len(body), self._serial, fields)):
            write(message, kind, value)
        message.extend(bytes(-len(message) % 8))
        self._socket.sendall(message + body)
        while True:
            kind_, found, data = self._receive()
            if found.get(ANSWER_TO) != self._serial:
                continue  # a signal, or somebody else's
            answer = Reader(data).all(found.get(SIGNATURE, ""))
            if kind_ == ERROR:
                raise BusError(str(answer[0]) if answer else str(found.get(ERROR_NAME)))
            return answer

    def _receive(self) -> tuple[int, dict[int, Any], bytes]:
        """The next message: its type, its fields and its body."""
        head = self._read(HEAD_BYTES)
        body_bytes, _, fields_bytes = struct.unpack("=4x3I", head)
        if head[:1] != ENDIAN or body_bytes + fields_bytes > LONGEST_BYTES:
            raise BusError("not a message of D-Bus")
        fields_bytes += -fields_bytes % 8
        rest = self._read(fields_bytes + body_bytes)
        fields = Reader(head + rest[:fields_bytes]).all(HEAD)[-1]
        return head[1], dict(fields), rest[fields_bytes:]

    def _read(self, size: int) -> bytes:
        data = bytearray(self._early[:size])
        self._early = self._early[size:]
        while len(data) < size:
            more = self._socket.recv(size - len(data))
            if not more:
                raise ConnectionResetError("the line to systemd ended")
            data += more
        return bytes(data)


def kinds(signature: str) -> list[str]:
    """The complete types of a signature: ``sa(sv)u`` is ``["s", "a(sv)", "u"]``."""
    known = _KINDS.get(signature)
    if known is not None:
        return known
    found: list[str] = []
    start = depth = 0
    for end, letter in enumerate(signature, 1):
        depth += (letter in "({") - (letter in ")}")
        if depth == 0 and letter != "a":
            found.append(signature[start:end])
            start = end
    _KINDS[signature] = found
    return found


def write(out: bytearray, kind: str, value: Any) -> None:
    """Append a value of a complete type, aligned as it must be."""
    out.extend(bytes(-len(out) % ALIGNMENT.get(kind[0], 4)))
    if kind in NUMBERS:
        out += struct.pack("=" + NUMBERS[kind], value)
    elif kind in ("s", "o", "g"):
        data = value.encode()
        out += struct.pack("=B" if kind == "g" else "=I", len(data)) + data + b"\0"
    elif kind == "v":
        write(out, "g", value[0])
        write(out, value[0], value[1])
    elif kind[0] == "a":
        at = len(out)
        out += bytes(4)
        out.extend(bytes(-len(out) % ALIGNMENT.get(kind[1], 4)))
        start = len(out)
        for item in value:
            write(out, kind[1:], item)
        struct.pack_into("=I", out, at, len(out) - start)
    else:
        for part, item in zip(kinds(kind[1:-1]), value):
            write(out, part, item)


class Reader:
    """Values out of the bytes of a message; a variant is its value, an array a list, a struct a list."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def all(self, signature: str) -> list[Any]:
        """One value for each complete type.

        Raises:
            BusError: the bytes are not what the signature says.
        """
        try:
            return [self._value(kind) for kind in kinds(signature)]
        except (struct.error, LookupError, ValueError, RecursionError) as error:
            raise BusError("not a message of D-Bus") from error

    def _value(self, kind: str) -> Any:
        self._align(kind[0])
        if kind in NUMBERS:
            return self._number(NUMBERS[kind])
        if kind in ("s", "o", "g"):
            size = self._number("B" if kind == "g" else "I")
            start, self._at = self._at, self._at + size + 1
            if self._at > len(self._data):
                raise IndexError
            return self._data[start : start + size].decode()
        if kind == "v":
            (inner,) = kinds(self._value("g"))
            return self._value(inner)
        if kind[0] == "a":
            size = self._number("I")
            self._align(kind[1])
            end = self._at + size
            if end > len(self._data):
                raise IndexError
            found = []
            while self._at < end:
                found.append(self._value(kind[1:]))
            return found
        return [self._value(part) for part in kinds(kind[1:-1])]

    def _align(self, letter: str) -> None:
        self._at += -self._at % ALIGNMENT.get(letter, 4)

    def _number(self, code: str) -> Any:
        (value,) = struct.unpack_from("=" + code, self._data, self._at)
        self._at += struct.calcsize("=" + code)
        return value
