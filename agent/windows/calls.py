"""What a process of a program that hangs waits for, as far as Windows tells: the window in which it asks.

A service has a desktop of its own, on which nobody sees what a program shows; whoever enumerates windows there sees it.
Source: EnumWindows, GetWindowThreadProcessId; Interactive Services.
"""

from __future__ import annotations

import ctypes

from agent.windows import win32
from agent.windows.win32 import BOOL, DWORD, HANDLE, LPVOID, LPWSTR, P_DWORD, Library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.windows.trees import Part

TITLE_LIMIT = 2000

_user32 = Library(
    "user32",
    EnumWindows=(BOOL, LPVOID, LPVOID),
    GetWindowTextW=(ctypes.c_int, HANDLE, LPWSTR, ctypes.c_int),
    GetWindowThreadProcessId=(DWORD, HANDLE, P_DWORD),
    IsWindowVisible=(BOOL, HANDLE),
)


def began_at(part: Part) -> float:
    """When a process began, in seconds of the epoch."""
    return (part.began - win32.EPOCH_TICKS) / 1e7


def seen(part: Part) -> dict[str, Any]:
    """What can be seen of what a process waits for; without what cannot."""
    titles = titles_of(part.pid)
    found = {"window": " / ".join(titles), "unit": part.unit}
    return {key: value for key, value in found.items() if value}


def reads_an_answer(call: str | None) -> bool:
    """Windows tells no call that a process waits in."""
    return False


def titles_of(pid: int) -> list[str]:
    """The titles of the windows that a process shows."""
    found: list[str] = []
    native: Any = ctypes

    def look(window: int, _: int) -> int:
        owner, title = DWORD(), ctypes.create_unicode_buffer(TITLE_LIMIT)
        _user32.GetWindowThreadProcessId(window, ctypes.byref(owner))
        if (
            owner.value == pid
            and _user32.IsWindowVisible(window)
            and _user32.GetWindowTextW(window, title, TITLE_LIMIT)
        ):
            found.append(title.value)
        return 1

    callback = native.WINFUNCTYPE(BOOL, HANDLE, ctypes.c_void_p)(look)
    _user32.EnumWindows(ctypes.cast(callback, LPVOID), None)
    return found
