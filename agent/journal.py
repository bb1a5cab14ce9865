"""The journal of one run on this computer: lines of JSON, numbered, only ever added to.

It is the truth about the run. ``append(durable=True)`` returns only when the line is on the disk; that is what stands
around every effect. A line torn by a crash is never read, and cut off when the journal is next opened for writing.

Nothing is told to anybody that a power cut could still unsay: whoever hands lines on calls ``sync`` first.
"""

from __future__ import annotations

import errno
import os
import time

from agent import reserve
from agent.host import native
from agent.protocol import LINE_LIMIT_BYTES, ProtocolError, decode, encode
from agent.redact import NOTHING, Redactor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, Sequence

    from agent.faults import Fault


mono = native.mono


def now() -> str:
    """The time, RFC 3339 in UTC with milliseconds."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds * 1000) % 1000:03d}Z"


class JournalError(OSError):
    """The journal cannot be written: nothing may be done that it would not say."""


class Journal:
    """A run's journal, open for writing. One writer at a time: the holder of the computer's lock."""

    def __init__(
        self, path: str, *, secrets: Redactor = NOTHING, on_append: Callable[[bytes], None] | None = None
    ) -> None:
        """Open the journal, cut off a torn last line, and read what stands there into ``records``.

        Args:
            path: the file; made where it is not there.
            secrets: what is written as ``***``.
            on_append: told each line after it was written.
        """
        self.path = path
        self.records: list[dict[str, Any]] = []
        self._on_append = on_append
        self.secrets = secrets
        self._marks = [escaped(spelling) for spelling in secrets.spellings]
        self._fault = armed(path)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | native.OWN, 0o600)
        self._synced_bytes = -1  # not even its name may be on the disk
        good_bytes = 0
        for line, record in read_lines(path):
            good_bytes += len(line)
            self.records.append(record)
        if os.fstat(self._fd).st_size > good_bytes:
            os.ftruncate(self._fd, good_bytes)
        if good_bytes:
            self.sync()  # it is acted upon from now on

    def append(self, type_: str, *, durable: bool = False, **fields: Any) -> dict[str, Any]:
        """Write one record and return it. ``durable`` waits for the disk.

        Raises:
            JournalError: the disk is full, also beyond what was kept aside, or gone. What stands in the journal stays
                whole.
        """
        record: dict[str, Any] = {"type": type_, "seq": len(self.records) + 1, "at": now(), "mono": mono()}
        record.update(fields)
        line = encode(record)
        if any(mark in line for mark in self._marks):
            line = encode(self.secrets.record(record))
        point = ""
        if self._fault:
            point = f"agent:{type_}#{1 + sum(known['type'] == type_ for known in self.records)}"
        size_bytes = os.fstat(self._fd).st_size
        while True:
            try:
                self._write(line, point, durable=durable)
            except OSError as error:
                os.ftruncate(self._fd, size_bytes)
                if error.errno not in reserve.FULL or not reserve.give_up(os.path.dirname(self.path)):
                    raise JournalError(error.errno, error.strerror, self.path) from error
            else:
                break
        self.records.append(record)
        if self._fault:
            self._fault.reach(point + ":after", journal=self.path, synced_bytes=self._synced_bytes)
        if self._on_append:
            self._on_append(line)
        return record

    def _write(self, line: bytes, point: str, *, durable: bool) -> None:
        left = line
        if self._fault:
            left = self._fault.tear(point, self._fd, line, journal=self.path, synced_bytes=self._synced_bytes)
        if os.write(self._fd, left) < len(left):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # a short write is the same to us
        if durable:
            self.sync()

    def sync(self) -> None:
        """Wait until all that was written is on the disk; nothing where it is, or the file is closed.

        Raises:
            JournalError: the disk is full or gone.
        """
        if self._fd < 0:
            return
        size_bytes = os.fstat(self._fd).st_size
        if size_bytes == self._synced_bytes:
            return
        try:
            os.fsync(self._fd)
            if self._synced_bytes < 0:  # the name of a new file, and that of its folder, are not the file's
                folder = os.path.dirname(os.path.abspath(self.path))
                native.sync_folder(folder)
                native.sync_folder(os.path.dirname(folder))
        except OSError as error:
            raise JournalError(error.errno, error.strerror, self.path) from error
        self._synced_bytes = size_bytes

    def close(self) -> None:
        """Put it on the disk and close the file; nothing may be appended after that."""
        if self._fd < 0:
            return
        try:
            self.sync()
        finally:
            os.close(self._fd)
            self._fd = -1


def armed(path: str) -> Fault | None:
    """The fault that a test has armed for the journals of this computer; None, as ever but in tests."""
    file = os.path.join(os.path.dirname(path), "..", "..", "fault.json")
    if not os.path.exists(file):
        return None
    from agent.faults import Fault

    return Fault(os.path.normpath(file))


def escaped(value: str) -> bytes:
    """A secret as it stands inside a JSON string of ours."""
    return encode({"": value})[5:-3]


def read_lines(path: str) -> Iterator[Any]:
    """The whole lines of a journal with their records, up to the first that is torn or out of order."""
    with open(path, "rb") as file:
        for expected, line in enumerate(iter(lambda: file.readline(LINE_LIMIT_BYTES + 1), b""), 1):
            if not line.endswith(b"\n"):
                return
            try:
                record = decode(line)
            except ProtocolError:
                return
            if record.get("seq") != expected or not isinstance(record.get("type"), str):
                return
            yield line, record


def ended(records: Sequence[dict[str, Any]]) -> bool:
    """Whether the run has come to an end in this journal."""
    return bool(records) and records[-1]["type"] == "run_ended"
