"""What stands on a disk of Windows, as rows of a snapshot: a whole folder in one question, with the time of change.

``os.stat`` does not tell the time of change (its ``st_ctime`` is the time of creation), and ``os.scandir`` tells no
number of a file. A folder's own list has both, for all that is in it, without opening any of it.

Source: <winbase.h>, FILE_ID_BOTH_DIR_INFO and FILE_BASIC_INFO; <winnt.h> for attributes and tags. That programs set the
times of creation, access and writing by SetFileTime, and the time of change only by the class that names it:
learn.microsoft.com, SetFileTime and SetFileInformationByHandle.
"""

from __future__ import annotations

import ctypes
import os
import struct

from agent.windows.win32 import (
    BOOL,
    DWORD,
    EPOCH_TICKS,
    HANDLE,
    INVALID_HANDLE,
    LPVOID,
    Handle,
    Library,
    failure,
    kernel32,
    last_error,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

    Row = List[Any]

LIST_FOLDER, READ_ATTRIBUTES, SHARE_ALL, OPEN_EXISTING = 0x1, 0x80, 0x7, 3
OPEN_FOLDERS, OPEN_LINKS = 0x02000000, 0x00200000
"""FILE_FLAG_BACKUP_SEMANTICS, without which no folder is opened; FILE_FLAG_OPEN_REPARSE_POINT."""
READ_ONLY, HIDDEN, SYSTEM, DIRECTORY, REPARSE = 0x1, 0x2, 0x4, 0x10, 0x400
ELSEWHERE = 0x1000 | 0x40000 | 0x400000
"""OFFLINE, RECALL_ON_OPEN, RECALL_ON_DATA_ACCESS: reading would fetch the content from a cloud or a tape."""
NAME_SURROGATE = 0x20000000
"""Of a tag: what stands there is another name of something else. Source: IsReparseTagNameSurrogate of <winnt.h>."""
BASIC, ATTRIBUTE_TAG, BOTH_DIRECTORY = 0, 9, 10
"""FILE_INFO_BY_HANDLE_CLASS."""
NO_MORE_FILES = 18
ENTRY = struct.Struct("<II6qIIIbx24s2xq")

_kernel32 = Library(
    "kernel32",
    GetFileInformationByHandle=(BOOL, HANDLE, LPVOID),
    GetFileInformationByHandleEx=(BOOL, HANDLE, DWORD, LPVOID, DWORD),
)


def rows_in(folder: str) -> list[tuple[str, Row]]:
    """What stands in a folder, by its path: rows but for the content. Empty where it cannot be read."""
    found: list[tuple[str, Row]] = []
    try:
        handle = opened(folder, LIST_FOLDER)
    except OSError:
        return found
    prefix = folder if folder.endswith("\\") else folder + "\\"
    room = (ctypes.c_char * 65536)()
    with handle as number:
        while _kernel32.GetFileInformationByHandleEx(number, BOTH_DIRECTORY, room, len(room)):
            found += [(prefix + name, row) for name, row in entries(room)]
    return found


def entries(room: Any) -> list[tuple[str, Row]]:
    """The entries of one answer, but for the folder itself and the one above it."""
    found = []
    data, place = bytes(room), 0
    while True:
        following, _, _, _, written, changed, size, _, attributes, length, tag, _, _, number = ENTRY.unpack_from(
            data, place
        )
        start = place + ENTRY.size
        name = data[start : start + length].decode("utf-16-le", "surrogatepass")
        if name not in (".", ".."):
            found.append((name, row_of(attributes, tag, size, written, changed, number)))
        if not following:
            return found
        place += following


def row_of(attributes: int, tag: int, size: int, written: int, changed: int, number: int) -> Row:
    """A row but for the content. The mode is what of the attributes says who may use it and how it is shown.

    Owner and group are 0: whose a file is stands in its security descriptor, which only opening it would tell. What
    file systems without a time of change say (0) is never the time of an effect of ours.
    """
    if attributes & REPARSE and tag & NAME_SURROGATE:
        kind = "l"
    elif attributes & DIRECTORY:
        kind, size = "d", 0
    else:
        kind = "p" if attributes & ELSEWHERE else "f"
    mode = attributes & (READ_ONLY | HIDDEN | SYSTEM)
    return [kind, mode, 0, 0, size, ns_of(written), ns_of(changed) if changed else 0, number & 0xFFFFFFFFFFFFFFFF]


def ns_of(ticks: int) -> int:
    """Nanoseconds of the epoch."""
    return (ticks - EPOCH_TICKS) * 100


def row_at(path: str) -> Row | None:
    """The row of a path, but for its content; None where nothing is, or it may not be looked at.

    Asked of what is there itself: a folder's list may lag behind for a file that somebody has open.
    """
    try:
        handle = opened(path, READ_ATTRIBUTES)
    except OSError:
        return None
    basic, tagged, known = (ctypes.c_longlong * 5)(), (DWORD * 2)(), (DWORD * 13)()
    with handle as number:
        for which, room in ((BASIC, basic), (ATTRIBUTE_TAG, tagged)):
            if not _kernel32.GetFileInformationByHandleEx(number, which, room, ctypes.sizeof(room)):
                if which == BASIC:
                    return None
                tagged[0], tagged[1] = basic[4] & 0xFFFFFFFF, 0
        if not _kernel32.GetFileInformationByHandle(number, known):
            return None
    size, number = known[8] << 32 | known[9], known[11] << 32 | known[12]
    return row_of(tagged[0], tagged[1], size, basic[2], basic[3], number)


def changed_at(path: str) -> float | None:
    """When a path was changed, in seconds of the epoch; of one that has vanished, the nearest folder that is there."""
    while True:
        row = row_at(path)
        if row is not None:
            return float(row[6]) / 1e9 if row[6] else None
        above = os.path.dirname(path)
        if above == path:
            return None
        path = above


def opened(path: str, rights: int) -> Handle:
    """A handle of a file, a folder, or a link itself, in nobody's way.

    Raises:
        OSError: it cannot be opened.
    """
    flags = OPEN_FOLDERS | OPEN_LINKS
    value = kernel32.CreateFileW(reach(path), rights, SHARE_ALL, None, OPEN_EXISTING, flags, None)
    if not value or value == INVALID_HANDLE:
        raise failure(last_error(), path)
    return Handle(value)


def reach(path: str) -> str:
    """A path as it may be of any length."""
    from agent.windows import native

    return native.reach(path)


def target_of(path: str) -> str:
    """Where a link or a junction leads; empty where that cannot be read."""
    try:
        return os.readlink(reach(path))
    except OSError:
        return ""


def content_of(path: str, size_bytes: int) -> bytes:
    """A small file.

    Raises:
        OSError: it cannot be read: somebody holds it for himself alone.
    """
    with open(reach(path), "rb", buffering=0) as file:
        return file.read(size_bytes) or b""
