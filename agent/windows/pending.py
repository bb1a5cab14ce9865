"""What waits for Windows to be started anew, each with where that stands; and whether Windows Installer is at work.

Sources: learn.microsoft.com on MoveFileExW (PendingFileRenameOperations) and on the _MSIExecute mutex; for the rest the
places that Microsoft's own tools look at: Configuration Manager's client (DetermineIfRebootPending), the pending-reboot
checks of DSC (PSDscResources' xPendingReboot) and Server Manager.
"""

from __future__ import annotations

from agent.windows import registry
from agent.windows.win32 import BOOL, DWORD, HANDLE, LPCWSTR, Handle, Library, failure, kernel32, last_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

CBS = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Component Based Servicing"
UPDATE = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\WindowsUpdate\Auto Update\RebootRequired"
SESSIONS = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager"
NAMES = r"HKLM\SYSTEM\CurrentControlSet\Control\ComputerName"
NETLOGON = r"HKLM\SYSTEM\CurrentControlSet\Services\Netlogon"
SERVER_MANAGER = r"HKLM\SOFTWARE\Microsoft\ServerManager"
VOLATILE = r"HKLM\SOFTWARE\Microsoft\Updates"
TEMPORARY = ("\\temp\\", "\\tmp\\")
LISTED = 3
"""So many files are named; of more there is the count."""
MUTEX = "Global\\_MSIExecute"
SYNCHRONIZE, RELEASED, ABANDONED, HELD = 0x100000, 0, 0x80, 258

_kernel32 = Library(
    "kernel32",
    OpenMutexW=(HANDLE, DWORD, BOOL, LPCWSTR),
    ReleaseMutex=(BOOL, HANDLE),
)


def reboot() -> str | None:
    """What waits for a reboot of this computer, as a short line; None where nothing does."""
    return "; ".join(sources(data_of, registry.exists)) or None


def data_of(key: str, name: str) -> Any:
    """The data of a value; None where there is none."""
    value = registry.read(key, name)
    return value.data if value else None


def sources(read: Callable[[str, str], Any], exists: Callable[[str], bool]) -> Iterator[str]:
    """Each source that says a reboot is due, in words that are the same in every language.

    Args:
        read: the data of a value of a key, None where there is none.
        exists: whether there is a key.
    """
    for mark in ("RebootPending", "RebootInProgress"):
        if exists(f"{CBS}\\{mark}"):
            yield f"CBS {mark}"
    if exists(UPDATE):
        yield "Windows Update RebootRequired"
    moved = [
        path for name in ("", "2") for path in replaced(read(SESSIONS, "PendingFileRenameOperations" + name) or ())
    ]
    if moved:
        shown = ", ".join(moved[:LISTED]) + (" …" if len(moved) > LISTED else "")
        yield f"PendingFileRenameOperations ({len(moved)}: {shown})"
    if read(VOLATILE, "UpdateExeVolatile"):
        yield "UpdateExeVolatile"
    for name in ("JoinDomain", "AvoidSpnSet"):
        if read(NETLOGON, name) is not None:
            yield f"Netlogon {name}"
    active, following = (
        read(f"{NAMES}\\ActiveComputerName", "ComputerName"),
        read(f"{NAMES}\\ComputerName", "ComputerName"),
    )
    if active and following and active.lower() != following.lower():
        yield f"ComputerName {active} → {following}"
    if read(SERVER_MANAGER, "CurrentRebootAttempts"):
        yield "ServerManager CurrentRebootAttempts"


def replaced(rows: Sequence[str]) -> list[str]:
    """The files that wait to be replaced or deleted, of pairs of paths; an empty second one stands for deletion.

    Temporary files that wait to be deleted are not among them: programs ask for that all the time, and nothing that
    runs depends on it. A pair that ends early (the value cannot hold two empty texts in a row) is still one.
    """
    found = []
    for source, target in zip(rows[::2], [*rows[1::2], ""]):
        path = plain(target or source)
        if path and (target or not any(mark in path.lower() for mark in TEMPORARY)):
            found.append(path)
    return found


def plain(path: str) -> str:
    """A path without the kernel's prefix, and the sign that it may replace what is there."""
    path = path.lstrip("!*123456789") if path[:1] in "!*" else path
    return path[4:] if path.startswith("\\??\\") else path


def is_installer_at_work() -> bool:
    """Whether Windows Installer carries out an installation now: it then owns a mutex, and refuses others (1618).

    Raises:
        OSError: that cannot be told.
    """
    mutex = _kernel32.OpenMutexW(SYNCHRONIZE, False, MUTEX)
    if not mutex:
        code = last_error()
        if code in registry.GONE:
            return False
        raise failure(code, MUTEX)
    with Handle(mutex) as handle:
        said = kernel32.WaitForSingleObject(handle, 0)
        if said in (RELEASED, ABANDONED):
            _kernel32.ReleaseMutex(handle)
            return False
        if said == HELD:
            return True
        raise failure(path=MUTEX)
