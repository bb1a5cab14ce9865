"""D-Bus as the specification has it; the real systemd answers in tests/contract/test_actions_service.py."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.host.bus import ENDIAN, Bus, BusError, Reader, kinds, write

BASIC: dict[str, st.SearchStrategy[Any]] = {
    "y": st.integers(0, 255),
    "b": st.sampled_from([0, 1]),
    "n": st.integers(-(2**15), 2**15 - 1),
    "q": st.integers(0, 2**16 - 1),
    "i": st.integers(-(2**31), 2**31 - 1),
    "u": st.integers(0, 2**32 - 1),
    "x": st.integers(-(2**63), 2**63 - 1),
    "t": st.integers(0, 2**64 - 1),
    "d": st.floats(allow_nan=False),
    "s": st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=20),
}


def typed(depth: int = 3) -> st.SearchStrategy[tuple[str, Any]]:
    """A complete type and a value of it."""
    basic = st.sampled_from(sorted(BASIC)).flatmap(lambda kind: st.tuples(st.just(kind), BASIC[kind]))
    if not depth:
        return basic
    inner = typed(depth - 1)
    array = inner.flatmap(lambda one: st.tuples(st.just("a" + one[0]), st.lists(st.just(one[1]), max_size=3)))
    struct_ = st.lists(inner, min_size=1, max_size=4).map(
        lambda parts: ("(" + "".join(k for k, _ in parts) + ")", [v for _, v in parts])
    )
    return st.one_of(basic, array, struct_)


@given(st.lists(typed(), max_size=5))
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_back(parts: list[tuple[str, Any]]) -> None:
    signature, out = "".join(kind for kind, _ in parts), bytearray()
    assert kinds(signature) == [kind for kind, _ in parts]
    for kind, value in parts:
        write(out, kind, value)
    assert Reader(bytes(out)).all(signature) == [value for _, value in parts]


def test_the_specifications_own_examples() -> None:
    """Alignment and padding, by hand. Source: D-Bus Specification, "Marshaling Basic Types" and "… Containers"."""
    out = bytearray()
    for kind, value in (("s", "foo"), ("s", "+"), ("s", "bar")):
        write(out, kind, value)
    assert out == (
        struct.pack("=I", 3) + b"foo\0" + struct.pack("=I", 1) + b"+\0\0\0" + struct.pack("=I", 3) + b"bar\0"
    )
    out = bytearray(b"?" * 4)
    write(out, "at", [5])
    assert out == b"????" + struct.pack("=I", 8) + struct.pack("=Q", 5)
    out = bytearray()
    write(out, "v", ("u", 7))
    assert out == b"\x01u\0\0" + struct.pack("=I", 7)


@given(st.binary(max_size=80), st.sampled_from(["s", "as", "v", "a(yv)", "a{sv}", "(sasb)", "t"]))
def test_bytes_of_any_kind_are_refused_or_read(data: bytes, signature: str) -> None:
    try:
        values = Reader(data).all(signature)
    except BusError:
        return
    assert len(values) == 1


def serve(path: Path, talk: Callable[[socket.socket], None]) -> threading.Thread:
    """A service that talks to one client."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)

    def work() -> None:
        with listener:
            client, _ = listener.accept()
            with client:
                talk(client)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def head(kind: int, body: bytes, fields: list[tuple[int, tuple[str, Any]]]) -> bytes:
    out = bytearray()
    for part, value in zip("yyyyuu", (ENDIAN[0], kind, 0, 1, len(body), 9), strict=True):
        write(out, part, value)
    write(out, "a(yv)", fields)
    out.extend(bytes(-len(out) % 8))
    return bytes(out) + body


def let_in(client: socket.socket, and_: bytes = b"") -> None:
    said = client.recv(100)
    assert said.startswith(b"\0AUTH EXTERNAL ")
    assert said.endswith(b"\r\nBEGIN\r\n")
    client.sendall(b"OK 0123456789abcdef\r\n" + and_)


ANSWERS: dict[str, Callable[[socket.socket], None]] = {
    "not let in": lambda client: client.sendall(b"REJECTED EXTERNAL\r\n"),
    "says nothing": lambda client: None,
    "never ends its line": lambda client: client.sendall(b"O" * 5000),
    "leaves": let_in,
    "no message": lambda client: (let_in(client), client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))[0],
    "much too long": lambda client: (let_in(client), client.sendall(ENDIAN + b"\2\0\1" + b"\xff" * 12))[0],
    "an error": lambda client: (
        let_in(client),
        client.sendall(head(3, b"\4\0\0\0nope\0", [(5, ("u", 1)), (4, ("s", "x.Error")), (8, ("g", "s"))])),
    )[0],
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_who_does_not_answer_well_is_refused(tmp_path: Path, answer: str) -> None:
    thread = serve(tmp_path / "s", ANSWERS[answer])
    with pytest.raises(BusError), Bus(str(tmp_path / "s"), timeout_s=5) as bus:
        bus.call("/", "org.example", "Ask")
    thread.join(5)


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(BusError, match="No such file"):
        Bus(str(tmp_path / "s"), timeout_s=5)


def test_signals_between_are_passed_over(tmp_path: Path) -> None:
    def talk(client: socket.socket) -> None:
        let_in(client, and_=head(4, b"", [(3, ("s", "New"))]) * 40)
        asked = client.recv(4096)
        assert b"Ask\0" in asked
        signal = head(4, b"", [(3, ("s", "Changed"))])
        body = bytearray()
        write(body, "s", "ya")
        client.sendall(signal + head(2, bytes(body), [(5, ("u", 1)), (8, ("g", "s"))]))

    thread = serve(tmp_path / "s", talk)
    with Bus(str(tmp_path / "s"), timeout_s=5) as bus:
        assert bus.call("/org/example", "org.example", "Ask", "su", "apa", 3) == ["ya"]
    thread.join(5)
