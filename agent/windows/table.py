"""The kernel's table of processes: all at one moment, with what each has taken so far.

Source: NtQuerySystemInformation with SystemProcessInformation; SYSTEM_PROCESS_INFORMATION and SYSTEM_THREAD_INFORMATION
of <winternl.h> and phnt's ntexapi.h, on a 64-bit Windows.
"""

from __future__ import annotations

import ctypes
import struct

from agent.windows import win32
from agent.windows.win32 import DWORD, ntdll

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Row(NamedTuple):
        """What the kernel says of a process."""

        pid: int
        parent: int
        """Whose number may be another's by now."""
        name: str
        began: int
        """In 100 ns since 1601."""
        ticks: int
        """CPU that it took, in 100 ns."""
        transferred_bytes: int
        state: str
        """``S`` where all its threads wait for something, ``R`` where one does not."""
else:
    from agent.light.tuples import namedtuple

    Row = namedtuple("Row", "pid parent name began ticks transferred_bytes state")

PROCESS_INFORMATION, LENGTH_MISMATCH, WAITING = 5, 0xC0000004, 5
"""Source: <winternl.h>, <ntstatus.h>, KTHREAD_STATE."""


def table() -> dict[int, Row]:
    """Every process by its number, all at one moment.

    Raises:
        OSError: they cannot be listed.
    """
    room = 1 << 19
    while True:
        data, size = ctypes.create_string_buffer(room), DWORD()
        status = ntdll.NtQuerySystemInformation(PROCESS_INFORMATION, data, room, ctypes.byref(size))
        if status == 0:
            break
        if status & 0xFFFFFFFF != LENGTH_MISMATCH:
            raise win32.failure(31)
        room = max(2 * room, size.value)
    found: dict[int, Row] = {}
    view, place = memoryview(data), 0
    while True:
        row = row_at(view, place, ctypes.addressof(data))
        if row.pid:
            found[row.pid] = row
        step = struct.unpack_from("<L", view, place)[0]
        if not step:
            return found
        place += step


def row_at(view: memoryview, place: int, base: int) -> Row:
    """One SYSTEM_PROCESS_INFORMATION, and the threads behind it, of a 64-bit Windows.

    Args:
        view: all of them.
        place: where it begins.
        base: where the first one is in our memory.
    """
    count = struct.unpack_from("<L", view, place + 4)[0]
    began, user, kernel, length, at = struct.unpack_from("<qqqH6xQ", view, place + 0x20)
    pid, parent = struct.unpack_from("<QQ", view, place + 0x50)
    moved = struct.unpack_from("<QQQ", view, place + 0xE8)
    threads = [struct.unpack_from("<qq44xLL", view, place + 0x100 + 0x50 * number) for number in range(count)]
    name = bytes(view[at - base : at - base + length]).decode("utf-16-le", "replace") if at else ""
    # A process whose threads are all at rest does nothing; what threads took that have ended is in the process's own.
    is_at_rest = bool(threads) and all(state == WAITING for _, _, state, _ in threads)
    ticks = max(user + kernel, sum(row[0] + row[1] for row in threads))
    return Row(pid, parent, name, began, ticks, sum(moved), "S" if is_at_rest else "R")


def transferred_bytes(pid: int) -> int:
    """What a process has read and written so far, through files, pipes and devices; 0 where it has ended."""
    row = table().get(pid)
    return row.transferred_bytes if row else 0
