"""The line to the controller, as the agent holds it: what comes in, and what goes out (records, answers)."""

from __future__ import annotations

import errno
import time

from agent.host import native
from agent.protocol import CHUNK_BYTES, LINE_LIMIT_BYTES, ProtocolError, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable

SILENCE_S = 15.0
"""When a line on which something must come counts as lost, unless the job says otherwise."""
FLUSH_S = 0.05
"""Lines written within this time go out together: a packet each would cost the controller more than the work."""


class Outbox:
    """Lines to the controller. Nothing leaves before ``sync`` has returned: what was told must not be lost here."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: list[bytes] = []
        self._flushed_at = time.monotonic()
        self.sync: Callable[[], None] = lambda: None
        """Puts on the disk what the lines are of; set by whoever hands them in."""

    def send(self, frame: dict[str, Any]) -> None:
        """One frame, at once."""
        self._waiting.append(encode(frame))
        self.flush()

    def line(self, line: bytes) -> None:
        """One line as it is, with others that come soon."""
        self._waiting.append(line)
        if time.monotonic() - self._flushed_at > FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Everything written so far, now."""
        self.sync()
        lines, self._waiting = self._waiting, []
        try:
            self._stream.write(b"".join(lines))
            self._stream.flush()
        except OSError as error:
            if native.is_line_lost(error):
                raise BrokenPipeError(errno.EPIPE, "nobody reads any more") from error
            raise
        self._flushed_at = time.monotonic()


class Inbox:
    """What the controller sends after the job: only what it is asked for, so that nothing has been read ahead."""

    def __init__(self, stream: BinaryIO, silence_s: float) -> None:
        """Hold the line.

        Args:
            stream: the line; its file is read from here on, past the stream.
            silence_s: how long nothing may come where something must. The controller gives a silent line up as well,
                and comes again; whoever still waited for bytes then would be in its way.
        """
        self._line = native.Line(stream.fileno())
        self._silence_s = silence_s
        self._ahead = b""

    def is_closed(self) -> bool:
        """Whether the controller has gone. It sends nothing while it follows, so whatever can be read is the end."""
        return self._line.is_readable(0) and not self._line.read(1)

    def frame(self) -> dict[str, Any]:
        """The next frame.

        Raises:
            ConnectionError: the line ended, or fell silent.
            ProtocolError: what comes is no frame.
        """
        while True:
            end = self._ahead.find(b"\n") + 1
            if end:
                line, self._ahead = self._ahead[:end], self._ahead[end:]
                return decode(line)
            if len(self._ahead) > LINE_LIMIT_BYTES:
                raise ProtocolError("a line is longer than allowed")
            self._ahead += self._more(CHUNK_BYTES)

    def read(self, most_bytes: int) -> bytes:
        """The next bytes, at least one.

        Raises:
            ConnectionError: the line ended, or fell silent.
        """
        if not self._ahead:
            return self._more(most_bytes)
        data, self._ahead = self._ahead[:most_bytes], self._ahead[most_bytes:]
        return data

    def _more(self, most_bytes: int) -> bytes:
        ready = self._line.is_readable(self._silence_s)
        data = self._line.read(most_bytes) if ready else b""
        if not data:
            raise ConnectionAbortedError("the line ended" if ready else "the line is silent")
        return data
