"""Payloads over lines that break, onto disks that lie: both real sides, joined by pipes instead of a network."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import payloads
from agent.host import native
from agent.inbox import Inbox, Outbox
from agent.protocol import ProtocolError, decode, encode
from agent.run import StepFailed
from controller.errors import AgentFault, LineLost
from controller.run import contact
from controller.text import Text

CHUNK_BYTES = 64
"""Small, so that small payloads have many."""
CONTENT = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(63)) + b"sisa"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payloads, "CHUNK_BYTES", CHUNK_BYTES)
        patch.setattr(contact, "CHUNK_BYTES", CHUNK_BYTES)
        yield


class Wire:
    """The controller's channel: counts what goes over it, and breaks after so many bytes."""

    chunk_bytes = CHUNK_BYTES

    def __init__(self, handle: int, break_after: int | None, times: list[int]) -> None:
        self._handle = handle
        self._left = break_after
        self._times = times
        self._at = 0

    def write(self, data: bytes) -> None:
        passing = data if self._left is None else data[: self._left]
        content = passing
        if data.startswith(b'{"blob"'):  # what is said of a payload goes together with its beginning
            _, _, content = passing.partition(b"\n")
            self._at = decode(data.partition(b"\n")[0]).get("offset", 0)
        for at in range(self._at, self._at + len(content)):
            self._times[at] += 1
        self._at += len(content)
        try:
            os.write(self._handle, passing)
        except BrokenPipeError as error:
            raise LineLost(Text("putus", "lost")) from error
        if self._left is not None:
            self._left -= len(passing)
            if not self._left:
                raise LineLost(Text("putus", "lost"))


class Computer:
    """A computer's store of payloads, and the controller that sends one."""

    def __init__(self, root: Path, content: bytes = CONTENT) -> None:
        self.root = root
        (root / "blobs").mkdir(parents=True)
        self.sent = root / "sent"
        self.sent.write_bytes(content)
        self.path = root / "blobs" / DIGEST
        self.part = root / "blobs" / f"{DIGEST}.part"
        self.times = [0] * len(content)
        """How often each byte was sent."""
        self.asked: list[dict[str, Any]] = []

    def blob(self, digest: str) -> str:
        return str(self.root / "blobs" / digest)

    def fetch(self, *, break_after: int | None = None, silence_s: float = 10.0, answer: bytes | None = None) -> None:
        """One contact.

        Args:
            break_after: the line breaks after so many bytes.
            silence_s: how long the agent waits for a byte.
            answer: what is said instead of what was asked for; then the line stays open and silent.
        """
        to_agent, from_agent = os.pipe(), os.pipe()
        line = os.fdopen(to_agent[0], "rb")
        inbox = Inbox(line, silence_s)
        told = os.fdopen(from_agent[1], "wb")
        controller = threading.Thread(target=self._serve, args=(from_agent[0], to_agent[1], break_after, answer))
        controller.start()
        size_bytes = len(CONTENT)
        plan = {"payloads": {"isi": {"digest": DIGEST, "size_bytes": size_bytes}}}
        try:
            payloads.fetch(plan, {"install": [{"payload": "isi"}]}, self, inbox, Outbox(told))  # type: ignore[arg-type]
        finally:
            told.close()
            line.close()
            controller.join()

    def _serve(self, heard: int, handle: int, break_after: int | None, answer: bytes | None) -> None:
        wire: Any = Wire(handle, break_after, self.times)
        with os.fdopen(heard, "rb") as lines:
            try:
                if answer:
                    os.write(handle, answer)
                for line in lines:
                    self.asked.append(decode(line))
                    for wish in contact.wishes(decode(line)) if answer is None else ():
                        contact.grant(wire, wish, blob=lambda _: self.sent, progress=lambda *_: None)
            except LineLost:
                pass
            finally:
                os.close(handle)


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path)


def fresh(factory: pytest.TempPathFactory) -> Computer:
    return Computer(factory.mktemp("computer"))


@settings(max_examples=60, deadline=None)
@given(breaks=st.lists(st.integers(200, 600), max_size=30))
def test_whatever_the_line_does_it_is_gone_on_with(tmp_path_factory: pytest.TempPathFactory, breaks: list[int]) -> None:
    computer = fresh(tmp_path_factory)
    for break_after in breaks:
        with suppress(ConnectionError):
            computer.fetch(break_after=break_after)
    computer.fetch()
    assert computer.path.read_bytes() == CONTENT
    assert not computer.part.exists()
    assert set(computer.times) == {1}, "what a pipe has taken arrives"


@settings(max_examples=80, deadline=None)
@given(
    have=st.integers(0, len(CONTENT) + 100),
    damage=st.sets(st.integers(0, len(CONTENT) - 1), max_size=12),
    break_after=st.none() | st.integers(1, 3000),
)
def test_of_a_damaged_part_the_damaged_chunks_alone_are_sent_again(
    tmp_path_factory: pytest.TempPathFactory, have: int, damage: set[int], break_after: int | None
) -> None:
    computer = fresh(tmp_path_factory)
    part = bytearray((CONTENT + b"x" * 100)[:have])
    damaged = {at // CHUNK_BYTES for at in damage if at < have}
    for at in damage & set(range(have)):
        part[at] ^= 1
    computer.part.write_bytes(part)
    if break_after is not None:
        with suppress(ConnectionError):
            computer.fetch(break_after=break_after)
    computer.fetch()
    assert computer.path.read_bytes() == CONTENT
    missing = max(0, len(CONTENT) - have)
    again = len(damaged) * CHUNK_BYTES + (CHUNK_BYTES if break_after is not None and damaged else 0)
    assert missing <= sum(computer.times) <= missing + again
    assert max(computer.times, default=0) <= 2


def test_a_part_that_is_nothing_of_it_costs_the_whole_once(computer: Computer) -> None:
    computer.part.write_bytes(bytes(len(CONTENT)))
    computer.fetch()
    assert computer.path.read_bytes() == CONTENT
    assert set(computer.times) == {1}


def test_a_payload_that_is_not_what_was_promised_is_not_asked_for_for_ever(tmp_path: Path) -> None:
    computer = Computer(tmp_path, content=CONTENT[:-1] + b"!")
    with pytest.raises(StepFailed, match="damaged"):
        computer.fetch()
    assert len(computer.asked) == 2, "the payload, and the sums of its chunks: they are what was sent"
    assert list((tmp_path / "blobs").iterdir()) == []


def test_two_contacts_at_once_do_not_write_into_one_file(computer: Computer) -> None:
    computer.part.write_bytes(CONTENT[:100])
    other = payloads.Part(str(computer.path), len(CONTENT))
    with pytest.raises(ConnectionError, match="another contact"):
        computer.fetch()
    assert computer.asked == []
    other.close()
    computer.fetch()
    assert computer.path.read_bytes() == CONTENT


def test_a_part_that_was_put_in_place_meanwhile_is_not_written_to(
    computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer.part.write_bytes(CONTENT)
    lock = native.fcntl.flock

    def late(handle: int, how: int) -> None:
        computer.part.rename(computer.path)
        lock(handle, how)

    monkeypatch.setattr(native.fcntl, "flock", late)
    with pytest.raises(ConnectionError, match="another contact"):
        payloads.Part(str(computer.path), 10)
    assert computer.path.read_bytes() == CONTENT


def test_a_silent_line_is_given_up_and_what_came_is_kept(computer: Computer) -> None:
    head = encode({"blob": DIGEST, "offset": 0, "size": len(CONTENT)})
    with pytest.raises(ConnectionError, match="silent"):
        computer.fetch(answer=head + CONTENT[:1000], silence_s=0.05)
    assert computer.part.read_bytes() == CONTENT[:1000]


@pytest.mark.parametrize(
    "head",
    [
        {"blob": "0" * 64, "offset": 0, "size": len(CONTENT)},
        {"blob": DIGEST, "offset": 10, "size": len(CONTENT)},
        {"blob": DIGEST, "offset": 0, "size": 10**15},
        {"blob": DIGEST, "offset": 0},
        {"blob": DIGEST, "sums": []},
    ],
)
def test_what_was_not_asked_for_is_not_written(computer: Computer, head: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        computer.fetch(answer=encode(head) + b"x" * 5000)
    assert computer.part.read_bytes() == b""


@pytest.mark.parametrize("told", [[], ["0" * 64] * 999, None])
def test_sums_that_are_not_those_asked_for(computer: Computer, told: Any) -> None:
    computer.part.write_bytes(bytes(len(CONTENT)))
    head = encode({"blob": DIGEST, "offset": len(CONTENT), "size": 0})
    with pytest.raises(ProtocolError):
        computer.fetch(answer=head + encode({"blob": DIGEST, "sums": told}))


def test_a_full_disk_leaves_nothing_behind(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    real = payloads.os.pwrite

    def full(handle: int, data: bytes, offset: int) -> int:
        if offset + len(data) > 1000:
            raise OSError(28, "No space left on device")
        return real(handle, data, offset)

    monkeypatch.setattr(payloads.os, "pwrite", full)
    with pytest.raises(StepFailed, match="No space left"):
        computer.fetch()
    assert list((computer.root / "blobs").iterdir()) == []


def test_no_payload_is_compared_in_more_chunks_than_a_line_can_name(computer: Computer) -> None:
    asked: list[dict[str, Any]] = []
    part: Any = SimpleNamespace(digest=DIGEST, size_bytes=10**12)
    outbox: Any = SimpleNamespace(send=asked.append)
    inbox: Any = SimpleNamespace(frame=lambda: {"blob": DIGEST, "sums": []})
    with pytest.raises(ProtocolError):
        payloads.mend(part, inbox, outbox)
    ((blob,),) = (frame["blobs"] for frame in asked)
    assert 10**12 / blob["chunk_bytes"] <= payloads.CHUNKS_LIMIT


@pytest.mark.parametrize("key", ["offset", "size", "chunk_bytes"])
@pytest.mark.parametrize("value", ["x", None, [], 1e400, {}])
def test_wishes_that_make_no_sense(key: str, value: object) -> None:
    with pytest.raises(AgentFault):
        contact.wishes({"blobs": [{"blob": DIGEST, key: value}]})


@pytest.mark.parametrize("value", [-5, 0, 10**30])
@pytest.mark.parametrize("key", ["offset", "size", "chunk_bytes"])
def test_wishes_beyond_all_measure_are_cut_down(key: str, value: int, computer: Computer) -> None:
    (wish,) = contact.wishes({"blobs": [{"blob": DIGEST, key: value}]})
    written: list[bytes] = []
    wire: Any = SimpleNamespace(write=written.append, chunk_bytes=CHUNK_BYTES)
    contact.grant(wire, wish, blob=lambda _: computer.sent, progress=lambda *_: None)
    assert sum(map(len, written)) < 2 * len(CONTENT) + 100
