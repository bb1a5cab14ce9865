"""Running processes of Windows: all of them in one question to the kernel; command lines where they are wanted.

Source: ProcessCommandLineInformation of NtQueryInformationProcess (Windows 8.1 and later), by phnt's ntpsapi.h.
"""

from __future__ import annotations

import ctypes
import os
import struct
import time

from agent.windows import owners, table
from agent.windows.win32 import (
    BOOL,
    DWORD,
    EPOCH_TICKS,
    HANDLE,
    LONG,
    LPCWSTR,
    LPVOID,
    P_DWORD,
    SIZE_T,
    Handle,
    Library,
    kernel32,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NamedTuple

    class Process(NamedTuple):
        """One process that runs."""

        pid: int
        parent: int
        name: str
        """The file name of its program."""
        argv: list[str]
        """Empty where its command line is not for our eyes."""
        started: str
        """In 100 ns since 1601: tells a process from a later one with the same number."""

        @property
        def names(self) -> Names:
            """What it may be called."""
            ...
else:
    from agent.light.tuples import namedtuple

    class Process(namedtuple("Process", "pid parent name argv started")):
        """One process that runs."""

        __slots__ = ()

        @property
        def names(self):
            """What it may be called: by its program, and by the file name it was started by."""
            return Names([self.name, *(os.path.basename(word) for word in self.argv[:1])])


COMMAND_LINE = 60
BASIC = 0
TOO_SMALL, PART_OF_IT, NO_ROOM = 0xC0000004, 0x80000005, 0xC0000023
QUERY_LIMITED, QUERY, READ_MEMORY, TOKEN_QUERY = 0x1000, 0x400, 0x10, 0x8

_kernel32 = Library("kernel32", ReadProcessMemory=(BOOL, HANDLE, LPVOID, LPVOID, SIZE_T, LPVOID))
_ntdll = Library("ntdll", NtQueryInformationProcess=(LONG, HANDLE, DWORD, LPVOID, DWORD, P_DWORD))
_shell32 = Library("shell32", CommandLineToArgvW=(LPVOID, LPCWSTR, LPVOID))
_advapi32 = Library(
    "advapi32",
    LookupAccountNameW=(BOOL, LPCWSTR, LPCWSTR, LPVOID, P_DWORD, LPVOID, P_DWORD, LPVOID),
    OpenProcessToken=(BOOL, HANDLE, DWORD, LPVOID),
)


class Names(frozenset):  # type: ignore[type-arg]
    """Names of programs, where case means nothing and ``.exe`` may be left away."""

    def __new__(cls, names: Any) -> Names:
        """Of any names."""
        return super().__new__(cls, (plain(name) for name in names))

    def __contains__(self, name: object) -> bool:
        return super().__contains__(plain(str(name)))


def plain(name: str) -> str:
    """A program's name without what makes no difference."""
    name = name.lower()
    return name[:-4] if name.endswith(".exe") else name


class Unreadable(Exception):
    """Processes cannot be read here."""


def processes() -> Iterator[Process]:
    """Every process that runs, in no order.

    Raises:
        Unreadable: they cannot be listed.
    """
    for pid, parent, name, created in rows():
        yield Process(pid, parent, name, argv_of(pid), str(created))


def process_of(pid: int) -> Process | None:
    """One process by its number; None where it has ended."""
    for number, parent, name, created in rows():
        if number == pid:
            return Process(pid, parent, name, argv_of(pid), str(created))
    return None


def rows() -> list[tuple[int, int, str, int]]:
    """Number, parent, name and start of every process.

    Raises:
        Unreadable: they cannot be listed.
    """
    try:
        return [(row.pid, row.parent, row.name, row.began) for row in table.table().values()]
    except OSError as error:
        raise Unreadable(str(error)) from error


def argv_of(pid: int) -> list[str]:
    """The command line of a process, as its program reads it; empty where it is not for our eyes."""
    handle = kernel32.OpenProcess(QUERY_LIMITED, False, pid)
    if not handle:
        return []
    with Handle(handle) as process:
        size = DWORD(4096)
        for _ in range(2):
            room = (ctypes.c_char * size.value)()
            code = _ntdll.NtQueryInformationProcess(process, COMMAND_LINE, room, len(room), ctypes.byref(size))
            if code == 0:
                (length,) = struct.unpack_from("<H", room)
                # Behind a UNICODE_STRING of 16 bytes, which says where that is.
                return split(room.raw[16 : 16 + length].decode("utf-16-le", "replace"))
            if code & 0xFFFFFFFF not in (TOO_SMALL, PART_OF_IT, NO_ROOM):
                break
    return argv_in(pid)


def argv_in(pid: int) -> list[str]:
    """The same out of the process' own memory, where the kernel has no such answer (Windows 8, Wine).

    Source: <winternl.h>: PEB.ProcessParameters and RTL_USER_PROCESS_PARAMETERS.CommandLine, of 64-bit processes.
    """
    handle = kernel32.OpenProcess(QUERY | READ_MEMORY, False, pid)
    if not handle:
        return []
    with Handle(handle) as process:
        basic = (ctypes.c_void_p * 6)()
        if _ntdll.NtQueryInformationProcess(process, BASIC, basic, ctypes.sizeof(basic), None) or not basic[1]:
            return []
        (parameters,) = struct.unpack("<Q", memory_of(process, basic[1] + 0x20, 8) or bytes(8))
        length, where = struct.unpack("<H6xQ", memory_of(process, parameters + 0x70, 16) or bytes(16))
        return split(memory_of(process, where, length).decode("utf-16-le", "replace"))


def memory_of(process: int, place: int, size_bytes: int) -> bytes:
    """Bytes of a process' memory; none where they are not there."""
    room = (ctypes.c_char * size_bytes)()
    return bytes(room) if _kernel32.ReadProcessMemory(process, place, room, size_bytes, None) else b""


def split(line: str) -> list[str]:
    """A command line as arguments."""
    if not line.strip():
        return []
    count = ctypes.c_int()
    found = _shell32.CommandLineToArgvW(line, ctypes.byref(count))
    if not found:
        return [line]
    words = [str(word) for word in (LPCWSTR * count.value).from_address(found)]
    kernel32.LocalFree(found)
    return words


def age_s(process: Process) -> float | None:
    """How long a process has been running, in seconds."""
    return max(0.0, time.time() - (int(process.started) - EPOCH_TICKS) / 1e7)


def user_of(process: Process) -> str | None:
    """The SID of the user a process works as; None where that cannot be told."""
    handle = kernel32.OpenProcess(QUERY_LIMITED, False, process.pid)
    if not handle:
        return None
    with Handle(handle) as opened:
        token = HANDLE()
        if not _advapi32.OpenProcessToken(opened, TOKEN_QUERY, ctypes.byref(token)):
            return None
        with Handle(token.value or 0) as own:
            return owners.user_of(own)


def user_number(user: Any) -> str | None:
    """A user's SID, by the SID or by the name (``siti``, ``KANTOR\\siti``).

    Raises:
        KeyError: there is no such user.
    """
    if user is None or str(user).upper().startswith("S-1-"):
        return None if user is None else str(user).upper()
    sid, size = (ctypes.c_char * 68)(), DWORD(68)
    domain, length = ctypes.create_unicode_buffer(256), DWORD(256)
    kind = DWORD()
    if not _advapi32.LookupAccountNameW(
        None, str(user), sid, ctypes.byref(size), domain, ctypes.byref(length), ctypes.byref(kind)
    ):
        raise KeyError(user)
    return owners.said(ctypes.cast(sid, LPVOID))


def own_family() -> set[int]:
    """This process and all it descends from: they name the software in their own command line, and are not it.

    A parent that began later than its child is another process, which has the parent's number by now.
    """
    known = {pid: (parent, created) for pid, parent, _, created in rows()}
    family: set[int] = set()
    pid = os.getpid()
    while pid in known and pid not in family:
        family.add(pid)
        parent, created = known[pid]
        if parent in known and known[parent][1] > created:
            break
        pid = parent
    return family


def holders(pids: set[int], preferred: str = "") -> dict[int, Process]:
    """Which processes hold a socket: Windows' tables name them.

    Args:
        pids: of the sockets, as ``Socket.inode``; 0 where a table does not tell.
        preferred: where processes of this name are among them, the others are left out.
    """
    found = {pid: Process(pid, parent, name, [], str(created)) for pid, parent, name, created in rows() if pid in pids}
    wanted = {pid: process for pid, process in found.items() if preferred and preferred in process.names}
    return wanted or found


def of_deleted_programs() -> dict[str, float]:
    """None: a program that runs cannot be deleted."""
    return {}
