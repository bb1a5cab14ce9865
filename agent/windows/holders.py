"""Which programs have a file open: what Windows' restart manager knows, as set-ups ask it.

Source: RmStartSession, RmRegisterResources, RmGetList; RM_PROCESS_INFO of <restartmanager.h>.
"""

from __future__ import annotations

import ctypes

from agent.windows.win32 import DWORD, LPCWSTR, LPVOID, LPWSTR, P_DWORD, FileTime, Library

MOST = 8


class _Info(ctypes.Structure):
    """RM_PROCESS_INFO."""

    _fields_ = (
        ("pid", DWORD),
        ("began", FileTime),
        ("name", ctypes.c_wchar * 256),
        ("service", ctypes.c_wchar * 64),
        ("kind", DWORD),
        ("status", DWORD),
        ("session", DWORD),
        ("restarts", DWORD),
    )


_manager = Library(
    "rstrtmgr",
    RmStartSession=(DWORD, P_DWORD, DWORD, LPWSTR),
    RmRegisterResources=(DWORD, DWORD, DWORD, LPVOID, DWORD, LPVOID, DWORD, LPVOID),
    RmGetList=(DWORD, DWORD, P_DWORD, P_DWORD, LPVOID, P_DWORD),
    RmEndSession=(DWORD, DWORD),
)


def of_file(path: str) -> list[str]:
    """Programs that have a file open, by name and number; none where nobody tells."""
    session, key = DWORD(), ctypes.create_unicode_buffer(33)
    if _manager.RmStartSession(ctypes.byref(session), 0, key):
        return []
    try:
        if _manager.RmRegisterResources(session, 1, (LPCWSTR * 1)(path), 0, None, 0, None):
            return []
        needed, count, why, found = DWORD(), DWORD(MOST), DWORD(), (_Info * MOST)()
        if _manager.RmGetList(session, ctypes.byref(needed), ctypes.byref(count), found, ctypes.byref(why)):
            return []
        return [f"{found[place].name} ({found[place].pid})" for place in range(count.value)]
    except OSError:
        return []
    finally:
        _manager.RmEndSession(session)
