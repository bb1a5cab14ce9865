"""A command in a WinRM shell as a channel: its output is waited for by a thread of its own."""

from __future__ import annotations

import contextlib
import threading

from controller.errors import HostError, LineLost
from controller.transport.base import ERRORS_LIMIT_BYTES, Channel, lost
from controller.transport.winrm.shell import Shell

_HELD_BYTES = 8 * 1024 * 1024
"""Of output that nobody has read yet; then Windows is not asked for more, and the program waits."""
_END_S = 5.0


class WinrmChannel(Channel):
    """The three streams of one command."""

    def __init__(self, shell: Shell, command: str, where: str, *, listens: bool = True) -> None:
        """Start it.

        Args:
            shell: in which.
            command: cmd.exe's line.
            where: for errors.
            listens: whether its output is waited for from now on, rather than from ``listen`` on.
        """
        super().__init__()
        self._shell = shell
        self._where = where
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._ready = bytearray()
        self._tail = bytearray()
        self._status: int | None = None
        self._failure: HostError | None = None
        self._over = False
        self._said_end = False
        self._line = shell.line()
        self._id = shell.start(command)
        self._listener = threading.Thread(target=self._listen, name=f"winrm {where}", daemon=True)
        if listens:
            self.listen()

    def listen(self) -> None:
        """Wait for its output from now on."""
        if self._listener.ident is None:
            self._listener.start()

    def _listen(self) -> None:
        """Takes in what comes until the end; a failure is for whoever reads or writes next."""
        try:
            while self._status is None and not self._closed.is_set():
                out, err, status = self._shell.receive(self._line, self._id, self._closed)
                with self._changed:
                    self._ready += out
                    self._tail += err
                    del self._tail[:-ERRORS_LIMIT_BYTES]
                    self._status = status
                    self._changed.notify_all()
                    while len(self._ready) > _HELD_BYTES and not self._closed.is_set():
                        self._changed.wait()
        except HostError as error:
            self._failure = error
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()
            self._line.hang_up()

    def _send(self, data: bytes) -> None:
        while data:
            data = data[self.offer(data) :]

    def offer(self, data: bytes, *, end: bool = False) -> int:
        """Hand over the beginning of ``data``; returns how many bytes were taken, 0 where the program is busy.

        Args:
            data: not empty.
            end: nothing comes after it.

        Raises:
            LineLost: the line dropped, or the program no longer reads.
        """
        if self._over or self._closed.is_set() or self._said_end:
            raise self._failure or lost(self._where)
        return self._shell.send(self._id, data, end=end) or 0

    def finish(self, data: bytes) -> None:
        """Hand over the last of the input, and say so with it.

        Raises:
            LineLost: as ``write``.
        """
        if not data:
            self.close_write()
            return
        self.sent_bytes += len(data)
        while data:
            data = data[self.offer(data, end=True) :]
        self._said_end = True

    def has_output(self) -> bool:
        """Whether there is something to read, or the end."""
        with self._changed:
            return bool(self._ready) or self._over

    def _receive(self, timeout_s: float | None) -> bytes:
        with self._changed:
            if not self._changed.wait_for(lambda: self._ready or self._over, timeout_s):
                raise TimeoutError
            data = bytes(self._ready)
            self._ready.clear()
            self._changed.notify_all()
        if not data and self._status is None:
            raise self._failure or lost(self._where)
        return data

    def close_write(self) -> None:
        """See ``Channel.close_write``."""
        if self._said_end or self._closed.is_set():
            return
        self._said_end = True
        with contextlib.suppress(LineLost):
            while not self._over and self._shell.send(self._id, b"", end=True) is None:
                pass

    @property
    def may_lack(self) -> bool:
        """Whether a piece of its output may be missing: it was attached to again, and Windows tells nothing twice."""
        return self._line.is_mended

    def exit_status(self) -> int | None:
        """See ``Channel.exit_status``; all 32 bits, unsigned."""
        return self._status

    def errors(self) -> str:
        """See ``Channel.errors``."""
        with self._changed:
            return self._tail.decode("utf-8", "replace")

    def close(self) -> None:
        """See ``Channel.close``; what still runs in the command's job ends with it."""
        if self._closed.is_set():
            return
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        self._shell.end(self._id)
        if self._listener.ident is not None:
            self._listener.join(_END_S)
