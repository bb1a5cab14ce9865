"""The version that a file of Windows bears.

Source: https://learn.microsoft.com/windows/win32/api/winver/ (VS_FIXEDFILEINFO).
"""

from __future__ import annotations

import ctypes
import struct

from agent.windows.win32 import BOOL, DWORD, LPCWSTR, LPVOID, P_DWORD, Library

version = Library(
    "version",
    GetFileVersionInfoSizeW=(DWORD, LPCWSTR, P_DWORD),
    GetFileVersionInfoW=(BOOL, LPCWSTR, DWORD, DWORD, LPVOID),
    VerQueryValueW=(BOOL, LPVOID, LPCWSTR, LPVOID, P_DWORD),
)
MAGIC = 0xFEEF04BD


def of_file(path: str) -> str | None:
    """Its four numbers (``1.2.3.0``); None where it bears none."""
    size = version.GetFileVersionInfoSizeW(path, None)
    if not size:
        return None
    room = ctypes.create_string_buffer(size)
    place, length = ctypes.c_void_p(), DWORD()
    if not version.GetFileVersionInfoW(path, 0, size, room):
        return None
    if not version.VerQueryValueW(room, "\\", ctypes.byref(place), ctypes.byref(length)) or not place.value:
        return None
    magic, _, high, low = struct.unpack("<IIII", ctypes.string_at(place.value, 16))
    return f"{high >> 16}.{high & 0xFFFF}.{low >> 16}.{low & 0xFFFF}" if magic == MAGIC else None
