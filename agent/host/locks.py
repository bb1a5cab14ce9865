"""Who holds a lock of fcntl(2), asked without taking it."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.redact import Redactor


class CannotTell(Exception):
    """The locks could not be looked at."""


def holder_of(descriptor: int) -> int | None:
    """Who stands in the way of locking a whole file, asked without locking it: a process, 0 where it is out of sight.

    Source: fcntl(2) F_GETLK; struct flock is short type, short whence, off_t start, off_t len, pid_t pid.
    """
    import fcntl
    import struct

    layout = "hhqqi4x"
    question = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = struct.unpack(layout, fcntl.fcntl(descriptor, fcntl.F_GETLK, question))
    return None if kind == fcntl.F_UNLCK else max(0, pid)


def holder_among(inodes: set[int], secrets: Redactor) -> str | None:
    """Which program holds a lock on one of these inodes, as the kernel lists locks for everybody.

    Source: proc(5), /proc/locks: ``1: POSIX  ADVISORY  WRITE 412 08:01:262185 0 EOF``; the number of the device differs
    from that of stat(2) on some filesystems (btrfs, overlayfs), so the inode has to do.

    Raises:
        CannotTell: there is no such list.
    """
    try:
        with open("/proc/locks", encoding="ascii") as file:
            rows = [line.split() for line in file]
    except OSError as error:
        raise CannotTell(f"/proc/locks: {error.strerror}") from error
    for part in rows:
        if len(part) >= 6 and part[1] in ("POSIX", "OFDLCK") and int(part[5].rsplit(":", 1)[1]) in inodes:
            return program_of(int(part[4]), secrets)
    return None


def program_of(pid: int, secrets: Redactor) -> str:
    """A process as people find it again: how it was started, and its number."""
    from agent.host.processes import process_of

    process = process_of(pid) if pid > 0 else None
    if process is None:
        return f"pid {pid}" if pid > 0 else "?"
    return f"{secrets.head(' '.join(process.argv), 80) or process.name} (pid {pid})"
