"""Room kept aside on the disk, so that a run can still be written down when the disk is full.

A file of real blocks lies in the run's folder from before its first effect. Where the journal meets a full disk, a part
of it is given up for each record that finds no room: so a step can fail, be taken back, and end with a true record. In
parts, because others who want room take what is freed too.
"""

from __future__ import annotations

import errno
import os

from agent.host import native

SIZE_BYTES = 256 * 1024
PART_BYTES = 32 * 1024
FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the kernel says where there is no room: on the disk, or for this user."""


def path_of(folder: str) -> str:
    """Where it lies."""
    return os.path.join(folder, "reserve")


def keep(folder: str) -> None:
    """Keep room in a run's folder; nothing where it is kept already.

    Raises:
        OSError: there is not enough. What an earlier process has left of it stays.
    """
    handle = os.open(path_of(folder), os.O_WRONLY | os.O_CREAT | native.OWN, 0o600)
    left_bytes = os.fstat(handle).st_size
    try:
        native.allocate(handle, SIZE_BYTES)
    except OSError:
        os.ftruncate(handle, left_bytes)  # what it got before it found no more
        if not left_bytes:
            let_go(folder)
        raise
    finally:
        os.close(handle)


def give_up(folder: str) -> bool:
    """Give a part of it to whoever needs it; False where nothing is left."""
    try:
        handle = os.open(path_of(folder), os.O_WRONLY | native.OWN)
    except FileNotFoundError:
        return False
    try:
        size_bytes = os.fstat(handle).st_size
        os.ftruncate(handle, max(0, size_bytes - PART_BYTES))
        os.fsync(handle)  # some file systems free what was cut off no sooner
    finally:
        os.close(handle)
    return size_bytes > 0


def let_go(folder: str) -> None:
    """The run has ended: it is needed no longer."""
    try:
        os.unlink(path_of(folder))
    except FileNotFoundError:
        return
