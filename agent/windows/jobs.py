"""Job objects: a program and all that it starts, held together by the kernel wherever that goes.

A job is known by a name for as long as somebody has it open. The program itself has: it inherits a handle that allows
to look and nothing else, so that whoever goes on after the agent was killed finds the job by its name while the program
lives. What the program starts belongs to the job by itself (jobs nest from Windows 8 on); closing the last handle ends
nothing, because services that an installer leaves behind are to live on.

Source: learn.microsoft.com/windows/win32/procthread/job-objects, /nested-jobs; that a name goes with the last handle:
Richter and Nasarre, Windows via C/C++, 5th ed., ch. 5.
"""

from __future__ import annotations

import ctypes

from agent.windows.win32 import (
    BOOL,
    DWORD,
    ERROR_MORE_DATA,
    HANDLE,
    LPCWSTR,
    LPVOID,
    P_DWORD,
    Handle,
    Library,
    checked,
    failure,
    kernel32,
    last_error,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Account(NamedTuple):
        """What a job has taken so far, those of it that have ended among it."""

        ticks: int
        """CPU, in 100 ns."""
        started: int
        """How many processes it has had."""
        active: int
        transferred_bytes: int
else:
    from agent.light.tuples import namedtuple

    Account = namedtuple("Account", "ticks started active transferred_bytes")

PREFIX = "Global\\Pasang-"
ASSIGN, SET, QUERY, TERMINATE, SYNCHRONIZE = 0x1, 0x2, 0x4, 0x8, 0x100000
ALL_ACCESS = 0x1F001F
ACCOUNTING, IDS, ACCOUNTING_WITH_IO = 1, 3, 8
ENDED = 0xC000013A
"""What a process says that we ended: STATUS_CONTROL_C_EXIT. Source: <ntstatus.h>."""

library = Library(
    "kernel32",
    AssignProcessToJobObject=(BOOL, HANDLE, HANDLE),
    CreateJobObjectW=(HANDLE, LPVOID, LPCWSTR),
    DuplicateHandle=(BOOL, HANDLE, HANDLE, HANDLE, ctypes.POINTER(HANDLE), DWORD, BOOL, DWORD),
    IsProcessInJob=(BOOL, HANDLE, HANDLE, ctypes.POINTER(BOOL)),
    OpenJobObjectW=(HANDLE, DWORD, BOOL, LPCWSTR),
    QueryInformationJobObject=(BOOL, HANDLE, DWORD, LPVOID, DWORD, P_DWORD),
    TerminateJobObject=(BOOL, HANDLE, ctypes.c_uint),
)


class _Account(ctypes.Structure):
    """JOBOBJECT_BASIC_AND_IO_ACCOUNTING_INFORMATION."""

    _fields_ = (
        ("user", ctypes.c_longlong),
        ("kernel", ctypes.c_longlong),
        ("period_user", ctypes.c_longlong),
        ("period_kernel", ctypes.c_longlong),
        ("faults", DWORD),
        ("total", DWORD),
        ("active", DWORD),
        ("ended", DWORD),
        ("operations", ctypes.c_ulonglong * 3),
        ("bytes", ctypes.c_ulonglong * 3),
    )


class Job(Handle):
    """A job; a block closes it, which ends nothing."""

    __slots__ = ()

    def assign(self, process: int) -> None:
        """Take a process in, by its handle; what it starts from now on is in by itself."""
        checked(library.AssignProcessToJobObject(self.value, process))

    def members(self) -> list[int]:
        """The numbers of the processes in it and in jobs below it."""
        room = 256
        while True:
            data = (ctypes.c_size_t * (room + 1))()
            size = ctypes.sizeof(data)
            if library.QueryInformationJobObject(self.value, IDS, ctypes.byref(data), size, None):
                counts = (DWORD * 2).from_buffer(data)
                return [int(number) for number in data[1 : 1 + counts[1]]]
            if last_error() != ERROR_MORE_DATA:
                raise failure()
            room *= 2

    def account(self) -> Account:
        """What it has taken so far."""
        found = _Account()
        place, size = ctypes.byref(found), ctypes.sizeof(found)
        if not library.QueryInformationJobObject(self.value, ACCOUNTING_WITH_IO, place, size, None):
            size = _Account.operations.offset  # Wine knows the first half alone
            checked(library.QueryInformationJobObject(self.value, ACCOUNTING, place, size, None))
        return Account(found.user + found.kernel, found.total, found.active, sum(found.bytes))

    def end(self, code: int = ENDED) -> None:
        """End everything in it at once."""
        checked(library.TerminateJobObject(self.value, code))

    def heirloom(self) -> Handle:
        """A handle to it for a child to inherit, which allows to look and nothing else."""
        own, found = kernel32.GetCurrentProcess(), HANDLE()
        checked(library.DuplicateHandle(own, self.value, own, ctypes.byref(found), QUERY, True, 0))
        return Handle(found.value or 0)


def create(label: str) -> Job:
    """Make the job of this name.

    Raises:
        PermissionError: somebody without our rights has made it before us.
    """
    return Job(checked(library.CreateJobObjectW(None, PREFIX + label)))


def find(label: str) -> Job | None:
    """The job of this name; None where nobody has it open any more."""
    handle = library.OpenJobObjectW(ASSIGN | QUERY | TERMINATE, False, PREFIX + label)
    return Job(handle) if handle else None
