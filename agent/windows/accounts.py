"""Users and groups of this computer, by name: the number that is theirs alone, and a digest of what they are.

On a controller of a domain these are the domain's, many and always changing: none is read there.

Source: learn.microsoft.com/windows/win32/api/lmaccess, NetQueryDisplayInformation, NetLocalGroupEnum,
NetLocalGroupGetMembers; <lmaccess.h> for the rows.
"""

from __future__ import annotations

import ctypes

from agent.digest import sha256
from agent.windows import owners
from agent.windows.win32 import DWORD, LPCWSTR, LPVOID, LPWSTR, P_DWORD, Library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

USERS, MORE = 1, 234
"""The level of NetQueryDisplayInformation that tells users; what it says where more follow."""
AS_LARGE_AS_NEEDED = 0xFFFFFFFF
PAGE = 100
LASTING_FLAGS = 0xFFFFFFFF & ~(0x10 | 0x800000)
"""Of a user's flags: not UF_LOCKOUT and UF_PASSWORD_EXPIRED, which time and wrong words set. Source: <lmaccess.h>."""


class _User(ctypes.Structure):
    """NET_DISPLAY_USER."""

    _fields_ = (
        ("name", LPWSTR),
        ("comment", LPWSTR),
        ("flags", DWORD),
        ("full_name", LPWSTR),
        ("number", DWORD),
        ("next", DWORD),
    )


class _Group(ctypes.Structure):
    """LOCALGROUP_INFO_1."""

    _fields_ = (("name", LPWSTR), ("comment", LPWSTR))


class _Member(ctypes.Structure):
    """LOCALGROUP_MEMBERS_INFO_0: not by name, which a domain far away would have to be asked for."""

    _fields_ = (("sid", LPVOID),)


_netapi32 = Library(
    "netapi32",
    NetApiBufferFree=(DWORD, LPVOID),
    NetLocalGroupEnum=(DWORD, LPCWSTR, DWORD, LPVOID, DWORD, P_DWORD, P_DWORD, LPVOID),
    NetLocalGroupGetMembers=(DWORD, LPCWSTR, LPCWSTR, DWORD, LPVOID, DWORD, P_DWORD, P_DWORD, LPVOID),
    NetQueryDisplayInformation=(DWORD, LPCWSTR, DWORD, DWORD, DWORD, DWORD, P_DWORD, LPVOID),
)


def users() -> dict[str, str]:
    """Users by name: number, and a digest of names, comment and flags; empty where Windows does not tell."""
    found: dict[str, str] = {}
    start = 0
    while True:
        count, rows = DWORD(), LPVOID()
        code = _netapi32.NetQueryDisplayInformation(
            None, USERS, start, PAGE, AS_LARGE_AS_NEEDED, ctypes.byref(count), ctypes.byref(rows)
        )
        for name, said, following in taken(code, rows, _User, count.value, of_user):
            found[name] = said
            start = following
        if code != MORE or not count.value:
            return found


def of_user(row: Any) -> tuple[str, str, int]:
    """A user's name, what is said of the user, and where the next one is."""
    said = (row.comment or "", row.full_name or "", row.flags & LASTING_FLAGS)
    return row.name, f"{row.number}:{digest_of(said)}", row.next


def groups() -> dict[str, str]:
    """Local groups by name: a digest of comment and members; empty where Windows does not tell."""
    return {
        name: digest_of((comment, *sorted(listed(_Member, 0, lambda row: owners.said(LPVOID(row.sid)), name))))
        for name, comment in listed(_Group, 1, lambda row: (row.name, row.comment or ""))
    }


def listed(kind: Any, level: int, read: Callable[[Any], Any], group: str | None = None) -> list[Any]:
    """The rows of a list as ``read`` has them: of all groups, or of the members of one."""
    count, total, rows = DWORD(), DWORD(), LPVOID()
    room = (level, ctypes.byref(rows), AS_LARGE_AS_NEEDED, ctypes.byref(count), ctypes.byref(total), None)
    if group is None:
        code = _netapi32.NetLocalGroupEnum(None, *room)
    else:
        code = _netapi32.NetLocalGroupGetMembers(None, group, *room)
    return taken(code, rows, kind, count.value, read)


def taken(code: int, rows: Any, kind: Any, count: int, read: Callable[[Any], Any]) -> list[Any]:
    """Rows for which Windows made room, which is given back; none where it says that it failed.

    A computer on which it fails (its service for that is off) has no accounts in any snapshot.
    """
    if code not in (0, MORE) or not rows.value:
        return []
    try:
        return [read(row) for row in (kind * count).from_address(rows.value)]
    finally:
        _netapi32.NetApiBufferFree(rows)


def digest_of(said: tuple[Any, ...]) -> str:
    """A short digest of what is said of an account."""
    return str(sha256(repr(said).encode("utf-8", "surrogatepass")).hexdigest())[:16]
