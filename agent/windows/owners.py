"""Whose a file is: what a person's own program makes is that person's, what an installer or a service makes is not.

Source: learn.microsoft.com/windows/win32/secauthz, "Owner of a New Object"; well-known SIDs of <winnt.h>.
"""

from __future__ import annotations

import ctypes

from agent.windows.win32 import BOOL, DWORD, HANDLE, LPCWSTR, LPVOID, P_DWORD, Handle, Library, checked, kernel32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SYSTEM, ADMINISTRATORS = "S-1-5-18", "S-1-5-32-544"
TRUSTED_INSTALLER = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
OF_FILES, OWNER = 1, 1
"""SE_FILE_OBJECT of <accctrl.h>, OWNER_SECURITY_INFORMATION."""
TOKEN_QUERY, TOKEN_USER = 0x8, 1

_advapi32 = Library(
    "advapi32",
    ConvertSidToStringSidW=(BOOL, LPVOID, LPVOID),
    GetNamedSecurityInfoW=(DWORD, LPCWSTR, DWORD, DWORD, LPVOID, LPVOID, LPVOID, LPVOID, LPVOID),
    GetTokenInformation=(BOOL, HANDLE, DWORD, LPVOID, DWORD, P_DWORD),
    OpenProcessToken=(BOOL, HANDLE, DWORD, LPVOID),
)


def owner_of(path: str) -> str | None:
    """The SID of who owns a file or folder; None where that cannot be told."""
    owner, descriptor = LPVOID(), LPVOID()
    code = _advapi32.GetNamedSecurityInfoW(
        path, OF_FILES, OWNER, ctypes.byref(owner), None, None, None, ctypes.byref(descriptor)
    )
    if code or not owner.value:
        return None
    try:
        return said(owner)
    finally:
        kernel32.LocalFree(descriptor)


def installers() -> frozenset[str]:
    """The SIDs that own what an installer of ours makes."""
    return frozenset((SYSTEM, ADMINISTRATORS, TRUSTED_INSTALLER, ourselves()))


def ourselves() -> str:
    """The SID of the account that this process runs as."""
    token = HANDLE()
    checked(_advapi32.OpenProcessToken(kernel32.GetCurrentProcess(), TOKEN_QUERY, ctypes.byref(token)))
    with Handle(token.value or 0) as handle:
        return user_of(handle)


def user_of(token: int) -> str:
    """The SID of a token's user."""
    room, needed = (ctypes.c_void_p * 64)(), DWORD()
    checked(_advapi32.GetTokenInformation(token, TOKEN_USER, room, ctypes.sizeof(room), ctypes.byref(needed)))
    return said(LPVOID(room[0]))


def said(sid: Any) -> str:
    """A SID as it is written."""
    words = ctypes.c_wchar_p()
    checked(_advapi32.ConvertSidToStringSidW(sid, ctypes.byref(words)))
    text = words.value or ""
    kernel32.LocalFree(words)
    return text
