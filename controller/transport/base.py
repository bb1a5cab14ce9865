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
from typing import Any, Protocol, Self, TypeVar

from agent.protocol import LINE_LIMIT_BYTES
from controller.errors import AgentFault, LineLost
from controller.settings import Secret
from controller.text import Text

T = TypeVar("T")
ERRORS_LIMIT_BYTES = 8192
"""How much of the other end's stderr is kept: its tail."""


class Endpoint(Protocol):
    """What a transport must know of a host; the inventory's ``Connection`` has it."""

    @property
    def kind(self) -> str:
        """``ssh``, ``winrm``, ``local`` or ``memory``."""

    @property
    def address(self) -> str:
        """Name or address; may be an alias of ssh_config."""

    @property
    def port(self) -> int | None:
        """None: the transport's own."""

    @property
    def user(self) -> str | None:
        """None: whoever the transport would be by itself."""

    @property
    def password(self) -> Secret | None:
        """Of the user."""

    @property
    def private_key_file(self) -> str | Path | None:
        """``~`` is understood."""

    @property
    def host_key_checking(self) -> bool:
        """False: the inventory says that any host key will do."""

    @property
    def timeout_s(self) -> float | None:
        """Until the connection stands; None: the options' own."""

    @property
    def become(self) -> bool:
        """Whether the agent runs as ``become_user``."""

    @property
    def become_user(self) -> str:
        """Usually root."""

    @property
    def become_method(self) -> str:
        """Only ``sudo`` is understood."""

    @property
    def become_password(self) -> Secret | None:
        """What sudo is told if it asks."""

    @property
    def python(self) -> str | None:
        """Where the inventory says Python is."""

    @property
    def extra(self) -> Mapping[str, object]:
        """The other ``ansible_*`` connection variables, unread."""


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
