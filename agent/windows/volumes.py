"""Volumes of Windows: which one a path is on, and how much of it is free.

Source: learn.microsoft.com/windows/win32/api/fileapi: GetVolumePathNameW, GetDiskFreeSpaceExW, GetVolumeInformationW.
"""

from __future__ import annotations

import ctypes

from agent.windows.win32 import BOOL, DWORD, LPCWSTR, LPVOID, LPWSTR, P_DWORD, ULONGLONG, Library, checked

READ_ONLY = 0x00080000
"""FILE_READ_ONLY_VOLUME."""
PATH_CHARACTERS = 32768

_kernel32 = Library(
    "kernel32",
    GetDiskFreeSpaceExW=(BOOL, LPCWSTR, LPVOID, LPVOID, LPVOID),
    GetVolumeInformationW=(BOOL, LPCWSTR, LPWSTR, DWORD, P_DWORD, P_DWORD, P_DWORD, LPWSTR, DWORD),
    GetVolumePathNameW=(BOOL, LPCWSTR, LPWSTR, DWORD),
)


def device_of(folder: str) -> str:
    """Where the volume of a folder that exists is mounted: ``c:\\``, or a folder.

    Raises:
        OSError: there is no such volume, or it is not ready.
    """
    checked(_kernel32.GetDiskFreeSpaceExW(folder, None, None, None), folder)
    room = ctypes.create_unicode_buffer(PATH_CHARACTERS)
    checked(_kernel32.GetVolumePathNameW(folder, room, len(room)), folder)
    return room.value.lower()


def status_of(folder: str) -> tuple[int, int, bool]:
    """A volume's size, what is free of it for us (a quota counts), in bytes, and whether it can only be read.

    Raises:
        OSError: it cannot be told.
    """
    free, total = ULONGLONG(), ULONGLONG()
    checked(_kernel32.GetDiskFreeSpaceExW(folder, ctypes.byref(free), ctypes.byref(total), None), folder)
    flags = DWORD()
    told = _kernel32.GetVolumeInformationW(device_of(folder), None, 0, None, None, ctypes.byref(flags), None, 0)
    return total.value, free.value, bool(told and flags.value & READ_ONLY)
