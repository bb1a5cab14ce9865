"""One remote shell of WinRM's, and the lines over which it is asked.

An HTTP connection carries one question at a time, and is signed in by itself. So there are two kinds of lines: one on
which things are done, and one a command on which its output is waited for.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from controller.transport.winrm import library, refusals
from controller.transport.winrm.way import Way

T = TypeVar("T")

PIECE_BYTES = 370_000
"""In base64 within the 500 KB of an envelope. Source: `winrm get winrm/config`, MaxEnvelopeSizekb."""
_SMALL_PIECE_BYTES = 102_400
"""Within the 150 KB of older computers."""
_TOO_LARGE = 413
_UTF_8 = 65001
_IDLE = "PT120S"
"""After how long Windows ends a shell that nobody asks: a controller that died must not fill the user's thirty."""
_STALE_S = 60.0
"""Windows' HTTP service hangs up on quiet connections after 120 s; NTLM does not survive that unnoticed."""
_WAIT_S = 0.5
_HURRY_S = 5.0
"""For an answer to a farewell."""


class Line:
    """A signed-in HTTP connection. Questions of several threads wait for each other."""

    def __init__(self, way: Way, method: str) -> None:
        self.lock = threading.Lock()
        self._way = way
        self._method = method
        self._protocol = library.protocol_for(way, method)
        self._used_at = time.monotonic()
        self.is_mended = False
        """Whether a question for output broke off and was asked again: what the first one fetched may be lost."""
        self.answers = 0
        """How many questions the service has answered on it, those of signing in aside."""

    def ask(self, question: Callable[[Any], T]) -> T:
        """Asks once, with pywinrm's own exceptions. After a failure the next question gets a new connection.

        A read time-out leaves the NTLM stream out of step: what belongs to it cannot be used again.
        """
        with self.lock:
            return self.ask_alone(question)

    def ask_alone(self, question: Callable[[Any], T]) -> T:
        """The same for whoever holds the lock."""
        if time.monotonic() - self._used_at > _STALE_S:
            self._renew()
        try:
            answer = question(self._protocol)
        except library.ANSWERED:
            self.answers += 1
            raise
        except library.BROKEN:
            self._renew()
            raise
        else:
            self.answers += 1
            return answer
        finally:
            self._used_at = time.monotonic()

    def _renew(self) -> None:
        self.hang_up()
        self._protocol = library.protocol_for(self._way, self._method)

    def hang_up(self) -> None:
        """Closes the connection; a later question makes another one."""
        with contextlib.suppress(*library.BROKEN):
            self._protocol.transport.close_session()


class Shell:
    """A shell that is open, and is to be deleted."""

    def __init__(self, way: Way, method: str, *, dead_after_s: float) -> None:
        """Opens it.

        Raises:
            Exception: ``library.BROKEN``; the caller knows what was tried before.
        """
        self._way = way
        self._method = method
        self._dead_after_s = dead_after_s
        self._piece_bytes = PIECE_BYTES
        self._gone = False
        self._line = Line(way, method)
        self._lines = [self._line]
        self._id: str = self._line.ask(lambda p: p.open_shell(codepage=_UTF_8, idle_timeout=_IDLE))

    def line(self) -> Line:
        """A further line to it."""
        line = Line(self._way, self._method)
        self._lines.append(line)
        return line

    @property
    def requests(self) -> int:
        """How many questions about it were answered: each is a round trip."""
        return sum(line.answers for line in list(self._lines))

    def start(self, command: str) -> str:
        """Starts a command line; returns the command's id.

        Raises:
            LineLost: the shell, or the way to it, is gone.
        """
        # cmd.exe takes a quote at the beginning for one around the whole line.
        said = f"call {command}" if command.startswith('"') else command
        return str(self._asked(lambda p: p.run_command(self._id, said, console_mode_stdin=False)))

    def send(self, command_id: str, data: bytes, *, end: bool = False, line: Line | None = None) -> int | None:
        """Hands over the beginning of ``data``; returns how many bytes were taken, None where the program is busy.

        Args:
            command_id: to which command.
            data: what to send.
            end: nothing comes after it.
            line: over which; None: over the one on which things are done.

        Raises:
            LineLost: nobody knows whether it was taken, or nobody is there to take it.
        """
        piece = data[: self._piece_bytes]
        try:
            ends = end and len(piece) == len(data)
            (line or self._line).ask(lambda p: p.send_command_input(self._id, command_id, piece, end=ends))
        except library.NothingYet:
            return None  # nothing of it was taken
        except library.WinRMTransportError as error:
            if error.code != _TOO_LARGE or self._piece_bytes == _SMALL_PIECE_BYTES:
                raise refusals.broken(self._way, error) from error
            self._piece_bytes = _SMALL_PIECE_BYTES  # refused before it was read
            return self.send(command_id, data, end=end, line=line)
        except library.BROKEN as error:
            raise refusals.broken(self._way, error) from error
        return len(piece)

    def receive(self, line: Line, command_id: str, closed: threading.Event) -> tuple[bytes, bytes, int | None]:
        """Waits for output or the end, for an operation's time at most; attaches again where the line broke.

        Returns:
            stdout and stderr, either may be empty; the exit code (32 bits, unsigned) once everything has come.

        Raises:
            LineLost: the shell or the command is gone, nobody answers any more, or a piece of the output is lost.
        """
        broke_at: float | None = None
        while True:
            try:
                out, err, code, done = line.ask(lambda p: p.get_command_output_raw(self._id, command_id))
            except library.NothingYet:
                return b"", b"", None
            except library.BROKEN as error:
                now = time.monotonic()
                gone = isinstance(error, (library.WSManFaultError, *library.REFUSED)) or library.is_torn(error)
                if gone or closed.is_set() or (broke_at is not None and now - broke_at > self._dead_after_s):
                    raise refusals.broken(self._way, error) from error
                broke_at = now if broke_at is None else broke_at
                line.is_mended = True
                closed.wait(_WAIT_S)
            else:
                return out, err, code & 0xFFFFFFFF if done else None

    def end(self, command_id: str) -> None:
        """Ends a command, and frees what Windows keeps of it."""
        self._asked_aside(lambda p: p.cleanup_command(self._id, command_id))

    def delete(self) -> None:
        """Ends it and all that runs in it."""
        self._asked_aside(lambda p: p.close_shell(self._id))
        self._line.hang_up()

    def _asked(self, question: Callable[[Any], T]) -> T:
        try:
            return self._line.ask(question)
        except library.BROKEN as error:
            raise refusals.broken(self._way, error) from error

    def _asked_aside(self, question: Callable[[Any], object]) -> None:
        """Asks what is harmless twice, past a question that is still open; a computer that is gone is no failure."""
        if self._gone:
            return
        if self._line.lock.acquire(timeout=1.0):
            try:
                self._line.ask_alone(_hurried(question))
            except library.ANSWERED:
                return
            except library.BROKEN as error:
                self._gone = isinstance(error, library.requests.exceptions.ConnectTimeout)
            else:
                return
            finally:
                self._line.lock.release()
            if self._gone:
                return
        fresh = self.line()
        try:
            fresh.ask(_hurried(question))
        except library.ANSWERED:
            return
        except library.BROKEN:
            self._gone = True
        finally:
            fresh.hang_up()


def _hurried(question: Callable[[Any], object]) -> Callable[[Any], object]:
    """The same without much patience: nobody should wait for a farewell."""

    def ask(protocol: Any) -> object:
        usual = protocol.transport.read_timeout_sec
        protocol.transport.read_timeout_sec = (_HURRY_S, _HURRY_S)
        try:
            return question(protocol)
        finally:
            protocol.transport.read_timeout_sec = usual

    return ask
