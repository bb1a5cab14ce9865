"""The journal of one run on this computer: lines of JSON, numbered, only ever added to.

It is the truth about the run. ``append(durable=True)`` returns only when the line is on the disk; that is what stands
around every effect. A line torn by a crash is never read, and cut off when the journal is next opened for writing.
"""

from __future__ import annotations

import os
import time

from agent.protocol import ProtocolError, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Sequence


def now() -> str:
    """The time, RFC 3339 in UTC with milliseconds."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"


def mono() -> float:
    """Seconds of the boot clock: durations that no change of the wall clock spoils."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return round(time.clock_gettime(clock) if clock is not None else time.monotonic(), 3)


class Journal:
    """A run's journal, open for writing. One writer at a time: the holder of the computer's lock."""

    def __init__(
        self, path: str, *, secrets: Sequence[str] = (), on_append: Callable[[bytes], None] | None = None
    ) -> None:
        """Open the journal, cut off a torn last line, and read what stands there into ``records``.

        Args:
            path: the file; made where it is not there.
            secrets: values that are written as ``***``.
            on_append: told each line after it was written.
        """
        self.path = path
        self.records: list[dict[str, Any]] = []
        self._on_append = on_append
        self._secrets = [escaped(value) for value in sorted(secrets, key=len, reverse=True) if value]
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
        good_bytes = 0
        for line, record in read_lines(path):
            good_bytes += len(line)
            self.records.append(record)
        if os.fstat(self._fd).st_size > good_bytes:
            os.ftruncate(self._fd, good_bytes)

    def append(self, type_: str, *, durable: bool = False, **fields: Any) -> dict[str, Any]:
        """Write one record and return it. ``durable`` waits for the disk.

        Raises:
            OSError: the disk is full or gone. What stands in the journal stays whole.
        """
        record: dict[str, Any] = {"type": type_, "seq": len(self.records) + 1, "at": now(), "mono": mono()}
        record.update(fields)
        line = encode(record)
        for secret in self._secrets:
            line = line.replace(secret, b"***")
        size_bytes = os.fstat(self._fd).st_size
        try:
            written = os.write(self._fd, line)
            if written < len(line):
                raise OSError(28, "no space left for the journal")  # noqa: TRY301 - a short write is the same to us
            if durable:
                os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, size_bytes)
            raise
        self.records.append(record)
        if self._on_append:
            self._on_append(line)
        return record

    def close(self) -> None:
        """Close the file; nothing may be appended after that."""
        os.close(self._fd)


def escaped(value: str) -> bytes:
    """A secret as it stands inside a JSON string of ours."""
    return encode({"": value})[5:-3]


def read_lines(path: str) -> Iterator[Any]:
    """The whole lines of a journal with their records, up to the first that is torn or out of order."""
    with open(path, "rb") as file:
        for expected, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                record = decode(line)
            except ProtocolError:
                return
            if record.get("seq") != expected:
                return
            yield line, record


def ended(records: Sequence[dict[str, Any]]) -> bool:
    """Whether the run has come to an end in this journal."""
    return bool(records) and records[-1]["type"] == "run_ended"
