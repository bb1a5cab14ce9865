"""The boot that the computer is in, and the time since it began."""

from __future__ import annotations

import ctypes

from agent.windows.win32 import DWORD, failure, ntdll

TIME_OF_DAY = 3


class _TimeOfDay(ctypes.Structure):
    """SYSTEM_TIMEOFDAY_INFORMATION; times in 100 ns, the first two since 1601."""

    _fields_ = (
        ("boot", ctypes.c_longlong),
        ("now", ctypes.c_longlong),
        ("zone_bias", ctypes.c_longlong),
        ("zone", DWORD),
        ("reserved", DWORD),
        ("boot_bias", ctypes.c_ulonglong),
        ("sleep_bias", ctypes.c_ulonglong),
    )


def boot_id() -> str:
    """What differs in every boot: the moment at which the kernel began, in 100 ns since 1601, as hex.

    Setting the clock moves that moment, and the bias beside it by as much; their difference stays. A shutdown with fast
    start-up is no new boot: the kernel goes on, as GetTickCount does; a restart always is one.

    Source: NtQuerySystemInformation, SystemTimeOfDayInformation (<winternl.h>, phnt's ntexapi.h); that KeSetSystemTime
    adds the step to both: ReactOS, ntoskrnl/ke/clock.c.
    """
    found, size = _TimeOfDay(), DWORD()
    status = ntdll.NtQuerySystemInformation(TIME_OF_DAY, ctypes.byref(found), ctypes.sizeof(found), ctypes.byref(size))
    if status != 0:
        raise failure(31)
    return f"{found.boot - found.boot_bias:x}"
