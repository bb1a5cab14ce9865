"""Windows' own interface, called by ``ctypes``: a library is loaded, and a function declared, when it is first used.

A library's functions stand in a table: what it returns, then what it takes. What says by a zero that it failed goes
through ``checked``, which raises the error that the operating system named. This module can be imported anywhere; it
works on Windows alone.

Source for every declaration: the function's page at learn.microsoft.com/windows/win32/api, and the headers of the SDK.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import wintypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_native: Any = ctypes  # half of it is there on Windows only

BOOL, BYTE, DWORD, LONG, WORD = wintypes.BOOL, wintypes.BYTE, wintypes.DWORD, wintypes.LONG, wintypes.WORD
HANDLE, LPCWSTR, LPWSTR, LPVOID = wintypes.HANDLE, wintypes.LPCWSTR, wintypes.LPWSTR, wintypes.LPVOID
SIZE_T, ULONGLONG = ctypes.c_size_t, ctypes.c_ulonglong
P_DWORD = ctypes.POINTER(DWORD)

ERROR_FILE_NOT_FOUND = 2
ERROR_PATH_NOT_FOUND = 3
ERROR_ACCESS_DENIED = 5
ERROR_OWN: int = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
"""How a file of ours is opened: its bytes as they are, and no program inherits it."""
INVALID_HANDLE = 6
ERROR_SHARING_VIOLATION = 32
ERROR_LOCK_VIOLATION = 33
ERROR_INVALID_PARAMETER = 87
ERROR_BROKEN_PIPE = 109
ERROR_INSUFFICIENT_BUFFER = 122
ERROR_MORE_DATA = 234
ERROR_IO_PENDING = 997
"""Source: <winerror.h>."""

OWN: int = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)
"""How a file of ours is opened: its bytes as they are, and no program inherits it."""
INVALID_HANDLE = ctypes.c_size_t(-1).value
INFINITE = 0xFFFFFFFF
STILL_ACTIVE = 259
WAIT_OBJECT_0, WAIT_TIMEOUT = 0, 258


class Library:
    """A DLL, its functions by their names."""

    def __init__(self, name: str, **functions: tuple[Any, ...]) -> None:
        """Remember what is in it; nothing is loaded yet.

        Args:
            name: of the DLL.
            functions: by name, what each returns, then what it takes.
        """
        self._name = name
        self._functions = functions
        self._dll: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._functions:
            raise AttributeError(f"{self._name} has no {name} declared")
        if self._dll is None:
            self._dll = _native.WinDLL(self._name, use_last_error=True)
        function = getattr(self._dll, name)
        function.restype, *function.argtypes = self._functions[name]
        setattr(self, name, function)
        return function


class FileTime(ctypes.Structure):
    """FILETIME: 100 ns since 1601."""

    _fields_ = (("low", DWORD), ("high", DWORD))

    @property
    def ticks(self) -> int:
        """As one number."""
        return int(self.high) << 32 | int(self.low)


EPOCH_TICKS = 116444736000000000
"""1970 in 100 ns since 1601."""

kernel32 = Library(
    "kernel32",
    CloseHandle=(BOOL, HANDLE),
    CreateFileW=(HANDLE, LPCWSTR, DWORD, DWORD, LPVOID, DWORD, DWORD, HANDLE),
    DeviceIoControl=(BOOL, HANDLE, DWORD, LPVOID, DWORD, LPVOID, DWORD, P_DWORD, LPVOID),
    FlushFileBuffers=(BOOL, HANDLE),
    GetCurrentProcess=(HANDLE,),
    GetExitCodeProcess=(BOOL, HANDLE, P_DWORD),
    GetFileAttributesW=(DWORD, LPCWSTR),
    GetProcessTimes=(
        BOOL,
        HANDLE,
        *(ctypes.POINTER(FileTime) for _ in range(4)),
    ),
    LocalFree=(LPVOID, LPVOID),
    OpenMutexW=(HANDLE, DWORD, BOOL, LPCWSTR),
    OpenProcess=(HANDLE, DWORD, BOOL, DWORD),
    SetFileAttributesW=(BOOL, LPCWSTR, DWORD),
    TerminateProcess=(BOOL, HANDLE, wintypes.UINT),
    WaitForSingleObject=(DWORD, HANDLE, DWORD),
)
ntdll = Library("ntdll", NtQuerySystemInformation=(LONG, DWORD, LPVOID, DWORD, P_DWORD))
user32 = Library("user32", GetSystemMetrics=(ctypes.c_int, ctypes.c_int))
shell32 = Library("shell32", IsUserAnAdmin=(BOOL,))


def last_error() -> int:
    """What the last call in this thread said when it failed."""
    return int(_native.get_last_error())


def failure(code: int | None = None, path: str | None = None) -> OSError:
    """The error of a number (None: of the last call), as Python's own calls raise it: ``FileNotFoundError`` …

    Args:
        code: of <winerror.h>.
        path: what it is about.
    """
    code = last_error() if code is None else code
    words = str(_native.FormatError(code)).strip()
    return OSError(0, words, path, code)


def checked(result: Any, path: str | None = None) -> Any:
    """What a function returned.

    Raises:
        OSError: it was nothing: the call failed.
    """
    if not result or result == INVALID_HANDLE:
        raise failure(path=path)
    return result


class Handle:
    """A handle that a block closes."""

    __slots__ = ("value",)

    def __init__(self, value: int) -> None:
        self.value = value

    def __enter__(self) -> int:
        return self.value

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; once."""
        if self.value:
            kernel32.CloseHandle(self.value)
            self.value = 0


def handle_of(number: int) -> int:
    """Windows' handle of a file that Python knows by a number."""
    import msvcrt

    crt: Any = msvcrt
    return int(crt.get_osfhandle(number))


def number_of(handle: int, flags: int) -> int:
    """A number by which Python knows what Windows has opened; closing it closes that."""
    import msvcrt

    crt: Any = msvcrt
    return int(crt.open_osfhandle(handle, flags | OWN))


def winapi() -> Any:
    """What CPython itself calls of Windows to start programs. Source: Modules/_winapi.c."""
    import _winapi

    return _winapi


def text_of(buffer: Any, offset: int, size_bytes: int) -> str:
    """UTF-16 that stands in a buffer of bytes."""
    return bytes(buffer[offset : offset + size_bytes]).decode("utf-16-le", "surrogatepass")
