"""The line to the controller as it comes in."""

from __future__ import annotations

import os
import time

LOOK_S = 0.2
LINE_BYTES, HELD_BYTES = 256 * 1024, 2 * 1024 * 1024
"""What is read of the line at once, and ahead."""


class Line:
    """What comes in from outside: read by a thread, since it cannot be asked whether something is there.

    Only pipes can (PeekNamedPipe), and neither everything that starts programs gives them a pipe, nor is every pipe one
    that can be looked into.
    """

    def __init__(self, handle: int) -> None:
        import _thread
        import threading

        self._handle = handle
        self._changed = threading.Condition()
        self._chunks: list[bytes] = []
        self._held_bytes = 0
        self._ended = False
        _thread.start_new_thread(self._take_in, ())

    def is_readable(self, timeout_s: float) -> bool:
        """Whether something can be read, or the end of it, within this time."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not self._chunks and not self._ended:
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return False
                self._changed.wait(min(left_s, LOOK_S))  # an order is heard between two waits
            return True

    def read(self, most_bytes: int) -> bytes:
        """Something of it; nothing at its end."""
        while not self.is_readable(LOOK_S):
            continue
        with self._changed:
            if not self._chunks:
                return b""
            data = self._chunks.pop(0)
            if len(data) > most_bytes:
                self._chunks.insert(0, data[most_bytes:])
                data = data[:most_bytes]
            self._held_bytes -= len(data)
            self._changed.notify_all()
            return data

    def _take_in(self) -> None:
        while True:
            try:
                data = os.read(self._handle, LINE_BYTES)
            except OSError:
                data = b""  # whoever wrote is gone
            with self._changed:
                self._ended = not data
                if data:
                    self._chunks.append(data)
                    self._held_bytes += len(data)
                self._changed.notify_all()
                if self._ended:
                    return
                while self._held_bytes >= HELD_BYTES:
                    self._changed.wait()
