"""A computer that is a script: what it answers, and how it fails. For rehearsals and tests, without sockets or threads.

A script is a generator, started for each channel; it yields what the computer does, and hears what it was told::

    def computer(command: str) -> Script:
        yield Say(MARK)                          # the first stage is there
        while (yield Hear()) != MARK:            # lines as they come
            pass
        frame = decode((yield Hear()))
        source = yield Hear(frame["stage"])      # so many bytes
        yield Say(encode({"answer": "end"}))
        yield End(0)

It is given as ``Options.cache["memory"]``: a mapping of addresses to functions that make such a generator.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from controller.errors import HostError, InventoryError
from controller.inventory import Connection
from controller.text import Text
from controller.transport.base import Channel, Options, Transport, lost


@dataclass(frozen=True)
class Say:
    """Writes to stdout."""

    data: bytes


@dataclass(frozen=True)
class Complain:
    """Writes to stderr."""

    text: str


@dataclass(frozen=True)
class Hear:
    """Waits until so many bytes were written to it, a line where None; gets them, ``b""`` when no more will come."""

    size: int | None = None


@dataclass(frozen=True)
class Refuse:
    """Lets nobody in. Only as the first event."""

    error: HostError


@dataclass(frozen=True)
class Drop:
    """The line drops."""


@dataclass(frozen=True)
class Hang:
    """Nothing more comes, nothing more is taken; None: until the line is closed."""

    seconds: float | None = None


@dataclass(frozen=True)
class End:
    """The program ends."""

    status: int = 0


Event: TypeAlias = Say | Complain | Hear | Refuse | Drop | Hang | End
Script: TypeAlias = Generator[Event, bytes, None]
Computers: TypeAlias = Mapping[str, Callable[[str], Script]]


class Clock(Protocol):
    """What the fake needs of time; ``time`` itself is one."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""

    def sleep(self, seconds: float, /) -> None:
        """Waits."""


class MemoryTransport(Transport):
    """The way to a script."""

    def __init__(self, connection: Connection, options: Options) -> None:
        self._connection = connection
        computers: Computers = options.cache.get("memory", {})
        try:
            self._computer = computers[connection.address]
        except KeyError as error:
            raise InventoryError(
                Text("tidak ada naskah untuk komputer ini", "no script for this computer"),
                where=connection.address,
                hint=Text(
                    "ansible_connection: memory hanya untuk pengujian", "ansible_connection: memory is for tests"
                ),
            ) from error
        self._clock: Clock = options.cache.get("clock", time)
        self._channels: list[MemoryChannel] = []

    def connect(self, command: str | None = None) -> None:
        """See ``Transport.connect``."""
        script = self._computer(command or "")
        first = next(script, End())
        script.close()
        if isinstance(first, Refuse):
            raise first.error

    def open(self, command: str) -> Channel:
        """See ``Transport.open``."""
        channel = MemoryChannel(self._computer(command), self._connection.address, self._clock)
        self._channels.append(channel)
        return channel

    def describe(self) -> dict[str, str]:
        """See ``Transport.describe``."""
        user = self._connection.user or "root"
        return {"transport": "memory", "address": self._connection.address, "user": user, "host_key": ""}

    def close(self) -> None:
        """See ``Transport.close``."""
        for channel in self._channels:
            channel.close()


class MemoryChannel(Channel):
    """Runs the script as far as it gets, whenever somebody writes or reads."""

    def __init__(self, script: Script, where: str, clock: Clock) -> None:
        super().__init__()
        self._script = script
        self._where = where
        self._clock = clock
        self._heard = bytearray()
        self._said = bytearray()
        self._complaints = ""
        self._deaf = False
        self._state: Event | None = next(script, End())
        self._wakes_at: float | None = None
        self._advance()

    def _advance(self) -> None:
        """Goes on until the script waits, hangs, drops or ends."""
        while True:
            answer = b""
            match self._state:
                case Say(data):
                    self._said += data
                case Complain(text):
                    self._complaints += text
                case Hear(size):
                    end = self._heard.find(b"\n") + 1 if size is None else size
                    complete = end <= len(self._heard) and (end > 0 or size == 0)
                    if not complete and not self._deaf:
                        return
                    end = end if complete else len(self._heard)
                    answer = bytes(self._heard[:end])
                    del self._heard[:end]
                case Hang(seconds) if seconds is not None:
                    if self._wakes_at is None:
                        self._wakes_at = self._clock.monotonic() + seconds
                    if self._clock.monotonic() < self._wakes_at:
                        return
                    self._wakes_at = None
                case _:
                    return
            try:
                self._state = self._script.send(answer)
            except StopIteration:
                self._state = End()

    def _send(self, data: bytes) -> None:
        self._advance()
        if self._deaf or isinstance(self._state, Drop | End):
            raise lost(self._where)
        self._heard += data
        self._advance()

    def _receive(self, timeout_s: float | None) -> bytes:
        deadline = None if timeout_s is None else self._clock.monotonic() + timeout_s
        while True:
            self._advance()
            if self._said:
                data = bytes(self._said)
                self._said.clear()
                return data
            match self._state:
                case Drop():
                    raise lost(self._where)
                case End():
                    return b""
            now = self._clock.monotonic()
            if deadline is not None and now >= deadline:
                raise TimeoutError
            if self._wakes_at is None and deadline is None:
                raise lost(self._where, because="the script waits for what nobody will write")
            moments = [moment for moment in (self._wakes_at, deadline) if moment is not None]
            self._clock.sleep(max(0.0, min(moments) - now))

    def close_write(self) -> None:
        """See ``Channel.close_write``."""
        self._deaf = True
        self._advance()

    def exit_status(self) -> int | None:
        """See ``Channel.exit_status``."""
        return self._state.status if isinstance(self._state, End) else None

    def errors(self) -> str:
        """See ``Channel.errors``."""
        return self._complaints

    def close(self) -> None:
        """See ``Channel.close``."""
        self._script.close()
        self._deaf = True
        if not isinstance(self._state, End):
            self._state = Drop()
