"""A channel of an SSH session."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from controller.transport.base import ERRORS_LIMIT_BYTES, Channel, lost
from controller.transport.ssh.library import paramiko
from controller.transport.ssh.session import Session

_PIECE_BYTES = 32768 - 64
"""The largest a packet of OpenSSH's may carry: a longer one would be copied once for every packet made of it."""
_SLICE_S = 5.0
"""How long stderr may wait to be looked at: what nobody takes from there fills the window of both."""
_END_S = 2.0


class SshChannel(Channel):
    """Bytes over paramiko's channel."""

    def __init__(self, session: Session, channel: Any, where: str) -> None:
        super().__init__()
        self._session = session
        self._channel = channel
        self._where = where
        self._tail = bytearray()
        self._at_end = False

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            for start in range(0, len(view), _PIECE_BYTES):
                piece = bytes(view[start : start + _PIECE_BYTES])
                while piece:
                    sent = self._channel.send(piece)
                    # On a session that has ended, paramiko drops what it is given and says nothing.
                    if not sent or not self._session.is_active():
                        raise lost(self._where)
                    piece = piece[sent:]
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise lost(self._where, because=str(error)) from error

    def _receive(self, timeout_s: float | None) -> bytes:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            remaining = _SLICE_S if deadline is None else deadline - time.monotonic()
            self._channel.settimeout(max(0.0, min(remaining, _SLICE_S)))
            try:
                data = bytes(self._channel.recv(65536))
                break
            except TimeoutError:
                self._take_errors()
                if deadline is not None and time.monotonic() >= deadline:
                    raise
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise lost(self._where, because=str(error)) from error
            finally:
                self._channel.settimeout(None)
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

    def _take_errors(self) -> None:
        while self._channel.recv_stderr_ready():
            self._tail += self._channel.recv_stderr(65536)
            del self._tail[:-ERRORS_LIMIT_BYTES]

    def close_write(self) -> None:
        """See ``Channel.close_write``."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.shutdown_write()

    def exit_status(self) -> int | None:
        """See ``Channel.exit_status``."""
        self._channel.status_event.wait(_END_S if self._at_end else 0)
        status = int(self._channel.exit_status)
        return None if status == -1 else status

    def errors(self) -> str:
        """See ``Channel.errors``."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._take_errors()
        return self._tail.decode("utf-8", "replace")

    def close(self) -> None:
        """See ``Channel.close``."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.close()
