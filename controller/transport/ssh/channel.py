"""A channel of an SSH session."""

from __future__ import annotations

import contextlib
from typing import Any

from controller.transport.base import Channel, lost
from controller.transport.ssh.library import BROKEN
from controller.transport.ssh.session import Session

_PIECE_BYTES = 32768 - 64
"""The largest a packet of OpenSSH's may carry: a longer one would be copied once for every packet made of it."""
_END_S = 2.0


class SshChannel(Channel):
    """Bytes over paramiko's channel."""

    def __init__(self, session: Session, channel: Any, where: str) -> None:
        super().__init__()
        self._session = session
        self._channel = channel
        self._where = where
        self._at_end = False

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            self._channel.settimeout(self._session.stall_s)
            for start in range(0, len(view), _PIECE_BYTES):
                piece = bytes(view[start : start + _PIECE_BYTES])
                while piece:
                    try:
                        sent = self._channel.send(piece)
                    except TimeoutError:  # nothing is taken: a program that is busy, or nobody at all
                        self._session.ask()
                        continue
                    # On a session that has ended, paramiko drops what it is given and says nothing.
                    if not sent or not self._session.is_active():
                        raise lost(self._where)
                    piece = piece[sent:]
        except BROKEN as error:
            raise lost(self._where, because=str(error)) from error

    def _receive(self, timeout_s: float | None) -> bytes:
        try:
            self._channel.settimeout(timeout_s)
            data = bytes(self._channel.recv(_PIECE_BYTES))
        except TimeoutError:
            raise
        except BROKEN as error:
            raise lost(self._where, because=str(error)) from error
        if not data:
            self._at_end = True
            self._end()
        return data

    def _end(self) -> None:
        """Whether an end was meant: raises LineLost where the session died instead."""
        if self._channel.eof_received or self._channel.exit_status != -1:
            return
        # A dying session closes its channels first and says so a moment later.
        self._session.join(0.5)
        if not self._session.is_active():
            raise lost(self._where)

    def close_write(self) -> None:
        """See ``Channel.close_write``."""
        with contextlib.suppress(*BROKEN):
            self._channel.shutdown_write()

    def exit_status(self) -> int | None:
        """See ``Channel.exit_status``."""
        self._channel.status_event.wait(_END_S if self._at_end else 0)
        status = int(self._channel.exit_status)
        return None if status == -1 else status

    def errors(self) -> str:
        """See ``Channel.errors``."""
        return self._session.complaints(self._channel).decode("utf-8", "replace")

    def close(self) -> None:
        """See ``Channel.close``."""
        with contextlib.suppress(*BROKEN):
            self._channel.close()
