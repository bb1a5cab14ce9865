"""One bidirectional channel of bytes to a program on a computer: the whole contract of a transport.

A transport is ``connect``ed, ``open``s channels, and is ``close``d; what runs at the other end is not its business.
Lines are the unit of reading, because everything that comes back is a line of JSON; bytes are the unit of writing.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from agent.protocol import CHUNK_BYTES, LINE_LIMIT_BYTES
from controller.errors import AgentFault, LineLost
from controller.text import Text

T = TypeVar("T")
COMPUTERS, WINE = "computers", "wine"
"""What a transport has been proved on: real computers, or what stands for them in our lab (``docs/decisions/0061``)."""
ERRORS_LIMIT_BYTES = 8192
"""How much of the other end's stderr is kept: its tail."""


@dataclass(frozen=True)
class Package:
    """A Python for Windows, as it is sent."""

    archive: Path
    """A tar.gz."""
    listed: str
    """The SHA-256 of the list in it, of its files and their digests."""


@dataclass(frozen=True)
class Options:
    """What one command's transports share. Make it once: keys and known hosts are read once, into it."""

    known_hosts: Path | None = None
    """Pasang's own file of trusted keys, read beside those of OpenSSH; ``hosts trust`` writes it."""
    connect_timeout_s: float = 10.0
    """Until the TCP connection stands, each attempt."""
    answer_timeout_s: float = 20.0
    """For each answer of the greeting, the key exchange and the authentication."""
    total_timeout_s: float = 45.0
    """All attempts and the waits between them."""
    dead_after_s: float = 15.0
    """A line on which nothing is acknowledged for this long is lost."""
    brings: bool = False
    """Whether there is a Python that is brought to computers which have none: then it is looked for there, too."""
    pythons: Mapping[str, str] = field(default_factory=dict)
    """By platform of Windows, the SHA-256 of what is brought to computers without a Python."""
    package: Callable[[str], Package | None] = lambda _: None
    """What is sent of one of these; None where it is damaged here."""
    slowly: bool = True
    """Whether a Python may be brought by PowerShell, where there is nothing better."""
    gate: AbstractContextManager[object] | None = None
    """Held while a connection is being made, e.g. a semaphore: a cap of simultaneous new connections."""
    cache: dict[object, Any] = field(default_factory=dict, compare=False, repr=False)
    """Of the transports: known hosts and private keys already read, the scripts of the memory transport."""
    lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What ``make`` returned the first time that ``key`` was asked for; the others wait for it."""
        with self.lock:
            if key not in self.cache:
                self.cache[key] = make()
            made: T = self.cache[key]
            return made


class Channel(ABC):
    """Bytes there, lines back. One thread writes and reads; ``close`` may come from another."""

    chunk_bytes = CHUNK_BYTES
    """How much of something large is written at once."""

    def __init__(self) -> None:
        self.sent_bytes = 0
        self.received_bytes = 0
        self.round_trips = 0
        """How often it turned from writing to reading, i.e. had to wait for the other end."""
        self._buffer = bytearray()
        self._searched = 0
        self._turned = True
        self._ended = False

    def write(self, data: bytes) -> None:
        """Hands over all of ``data``; blocks while the other end does not take it.

        Raises:
            LineLost: the line dropped, or the program no longer reads.
        """
        self._send(data)
        self.sent_bytes += len(data)
        self._turned = False

    def read_line(self, timeout_s: float | None = None) -> bytes:
        """The next line, newline included.

        Args:
            timeout_s: how long to wait for a complete line; None waits as long as the line lives.

        Returns:
            The line. At the orderly end of the stream what is left without a newline, then ``b""`` for ever.

        Raises:
            TimeoutError: no complete line came in time; nothing is lost, ask again.
            LineLost: the line dropped before the program ended.
            AgentFault: a line is longer than the protocol allows.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            end = self._buffer.find(b"\n", self._searched)
            if end >= 0:
                return self._take(end + 1)
            self._searched = len(self._buffer)
            if self._searched > LINE_LIMIT_BYTES:
                raise AgentFault(
                    Text(
                        f"komputer mengirim baris yang lebih panjang daripada {LINE_LIMIT_BYTES} byte",
                        f"the computer sent a line of more than {LINE_LIMIT_BYTES} bytes",
                    )
                )
            if self._ended:
                return self._take(len(self._buffer))
            if not self._turned:
                self._turned = True
                self.round_trips += 1
            data = self._receive(None if deadline is None else max(0.0, deadline - time.monotonic()))
            self.received_bytes += len(data)
            self._buffer += data
            self._ended = not data

    def _take(self, size: int) -> bytes:
        line = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._searched = 0
        return line

    @abstractmethod
    def _send(self, data: bytes) -> None:
        """All of ``data``; raises LineLost."""

    @abstractmethod
    def _receive(self, timeout_s: float | None) -> bytes:
        """Some bytes, at least one; ``b""`` at the orderly end; raises TimeoutError and LineLost."""

    @abstractmethod
    def close_write(self) -> None:
        """Nothing more will be written: the program reads the end of its input. Twice is harmless."""

    @abstractmethod
    def exit_status(self) -> int | None:
        """How the program ended; None while it runs and where it cannot be known. Waits a moment after the end."""

    @abstractmethod
    def errors(self) -> str:
        """The tail of what the program wrote to stderr so far."""

    @abstractmethod
    def close(self) -> None:
        """Gives the channel up; what runs detached goes on. Twice is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Transport(ABC):
    """The way to one computer, for one contact."""

    round_trips = 0
    """What connecting took, from the first packet until a command was started."""
    proof = COMPUTERS
    """On what its contract has been proved."""

    @abstractmethod
    def connect(self, command: str | None = None) -> None:
        """Makes the connection and is let in.

        Args:
            command: what ``open`` will be asked for first. A transport that can sends it along with the
                authentication, so that it costs no round trip of its own.

        Raises:
            Unreachable: or one of its children, saying why.
        """

    @abstractmethod
    def open(self, command: str) -> Channel:
        """Starts ``command`` in the user's login shell, its stdin and stdout being the channel.

        Raises:
            LineLost: the connection is gone.
            AccessRefused: the computer starts no command for this user.
        """

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """For the record: ``transport``, ``address``, ``user``, ``host_key`` (fingerprint, or empty)."""

    @abstractmethod
    def close(self) -> None:
        """Ends the connection and every channel of it. Twice is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def lost(where: str, *, because: str = "") -> LineLost:
    """The one sentence for a dropped line. ``because`` is technical and may be empty."""
    tail = f" ({because})" if because else ""
    return LineLost(
        Text(f"sambungan terputus{tail}", f"the line dropped{tail}"),
        where=where,
        hint=Text(
            "pekerjaan di komputer itu berjalan terus; lihat hasilnya dengan `pasang resume`",
            "work on that computer goes on by itself; see how it ended with `pasang resume`",
        ),
    )
