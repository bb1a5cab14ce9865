"""Rights on files: those that are a file's own, kept and put back; and our own folder closed to everybody else.

Written as Windows writes them (SDDL). Source: Security Descriptor Definition Language; SetNamedSecurityInfo, which
hands rights on to what is below, and SetFileSecurity, which does not.
"""

from __future__ import annotations

import ctypes
import os

from agent.windows import win32
from agent.windows.win32 import BOOL, DWORD, HANDLE, LPCWSTR, LPVOID, P_DWORD, Library, kernel32

OWNER, GROUP, DACL = 0x1, 0x2, 0x4
PROTECTED = 0x80000000
FILE_OBJECT = 1
OURS = "O:BAG:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
"""Administrators and the system, and what is made below as well; nothing comes from above."""
TRUSTED = ("S-1-5-32-544", "S-1-5-18")
"""Administrators, the system. Source: well-known SIDs."""

_advapi32 = Library(
    "advapi32",
    ConvertSecurityDescriptorToStringSecurityDescriptorW=(BOOL, LPVOID, DWORD, DWORD, LPVOID, P_DWORD),
    ConvertSidToStringSidW=(BOOL, LPVOID, LPVOID),
    ConvertStringSecurityDescriptorToSecurityDescriptorW=(BOOL, LPCWSTR, DWORD, LPVOID, P_DWORD),
    GetFileSecurityW=(BOOL, LPCWSTR, DWORD, LPVOID, DWORD, P_DWORD),
    GetSecurityDescriptorDacl=(BOOL, LPVOID, LPVOID, LPVOID, LPVOID),
    GetSecurityDescriptorOwner=(BOOL, LPVOID, LPVOID, LPVOID),
    SetFileSecurityW=(BOOL, LPCWSTR, DWORD, LPVOID),
    SetNamedSecurityInfoW=(DWORD, LPCWSTR, DWORD, DWORD, LPVOID, LPVOID, LPVOID, LPVOID),
    OpenProcessToken=(BOOL, HANDLE, DWORD, LPVOID),
    GetTokenInformation=(BOOL, HANDLE, DWORD, LPVOID, DWORD, P_DWORD),
)


def rights_of(path: str, what: int = OWNER | DACL) -> str:
    """Owner and rights of a file or folder, in SDDL.

    Raises:
        OSError: it is not there, or not for our eyes.
    """
    return _written(_descriptor(path, what), what)


def own_rights(path: str) -> str:
    """The rights of a file where they are not all those of its folder; empty where they are, or nobody tells."""
    try:
        rights = rights_of(path, DACL)
    except OSError:
        return ""
    entries = rights.split("(")[1:]
    return rights if any("ID" not in entry.split(";")[1] for entry in entries if ";" in entry) else ""


def set_rights(path: str, rights: str) -> None:
    """Set the rights of a file as they were, as far as we may."""
    _advapi32.SetFileSecurityW(path, DACL | (PROTECTED if "P" in rights.split("(")[0] else 0), _read(rights))


def owner_of(path: str) -> str:
    """Whose a file is, as an SID."""
    return _owner_in(_descriptor(path, OWNER))


def close(folder: str) -> bool:
    """Close a folder to everybody but administrators and the system, with all that is below; nothing where it is.

    Returns:
        Whether it is closed, read back: a file system without rights (FAT, Wine's) takes them and keeps none.

    Raises:
        OSError: it is somebody else's (who may have put anything into it), or it cannot be closed.
    """
    os.makedirs(folder, exist_ok=True)
    if is_closed(folder):
        return True
    owner = owner_of(folder)
    if owner not in (*TRUSTED, own_sid()):
        raise PermissionError(13, f"it belongs to {owner}; remove it first", folder)
    descriptor = _read(OURS)
    dacl, present, defaulted = LPVOID(), BOOL(), BOOL()
    found = [ctypes.byref(one) for one in (present, dacl, defaulted)]
    win32.checked(_advapi32.GetSecurityDescriptorDacl(descriptor, *found))
    code = _advapi32.SetNamedSecurityInfoW(folder, FILE_OBJECT, DACL | PROTECTED, None, None, dacl, None)
    if code:
        raise win32.failure(code, folder)
    return is_closed(folder)


def is_closed(folder: str) -> bool:
    """Whether nobody but administrators, the system and ourselves may anything there."""
    _, *entries = rights_of(folder, DACL).split("(")
    who = {entry.rstrip(")").split(";")[5] for entry in entries if not entry.startswith("D")}
    return bool(entries) and who <= {"SY", "BA", "LA", own_sid()}


def own_sid() -> str:
    """Who we are. Source: GetTokenInformation, TokenUser."""
    token, size = HANDLE(), DWORD()
    win32.checked(_advapi32.OpenProcessToken(kernel32.GetCurrentProcess(), 0x8, ctypes.byref(token)))
    with win32.Handle(token.value or 0):
        data = (ctypes.c_char * 256)()
        win32.checked(_advapi32.GetTokenInformation(token, 1, data, len(data), ctypes.byref(size)))
        return _sid(LPVOID.from_buffer(data).value)


def _descriptor(path: str, what: int) -> ctypes.Array[ctypes.c_char]:
    size = DWORD()
    _advapi32.GetFileSecurityW(path, what, None, 0, ctypes.byref(size))
    if not size.value:
        raise win32.failure(path=path)
    data = ctypes.create_string_buffer(size.value)
    win32.checked(_advapi32.GetFileSecurityW(path, what, data, size, ctypes.byref(size)), path)
    return data


def _owner_in(descriptor: object) -> str:
    sid, defaulted = LPVOID(), BOOL()
    win32.checked(_advapi32.GetSecurityDescriptorOwner(descriptor, ctypes.byref(sid), ctypes.byref(defaulted)))
    return _sid(sid.value)


def _sid(place: int | None) -> str:
    words = LPVOID()
    win32.checked(_advapi32.ConvertSidToStringSidW(place, ctypes.byref(words)))
    return _taken(words)


def _written(descriptor: object, what: int) -> str:
    words = LPVOID()
    done = _advapi32.ConvertSecurityDescriptorToStringSecurityDescriptorW(
        descriptor, 1, what, ctypes.byref(words), None
    )
    win32.checked(done)
    return _taken(words)


def _read(rights: str) -> bytes:
    found, size = LPVOID(), DWORD()
    done = _advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW(
        rights, 1, ctypes.byref(found), ctypes.byref(size)
    )
    win32.checked(done)
    try:
        return ctypes.string_at(found.value or 0, size.value)
    finally:
        kernel32.LocalFree(found)


def _taken(words: ctypes.c_void_p) -> str:
    """A string that Windows made for us."""
    try:
        return ctypes.wstring_at(words.value or 0)
    finally:
        kernel32.LocalFree(words)
