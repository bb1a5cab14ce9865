"""What the agent asks of the operating system where Python's own names differ by platform: here as Windows has it.

The same names as in ``agent/host/native.py``, which says what each of them is.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import time

from agent.windows import win32
from agent.windows.clock import boot_id as boot_id
from agent.windows.line import Line as Line
from agent.windows.win32 import FileTime, kernel32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from typing import Any, Callable

SHELL = ("cmd.exe", "/d", "/s", "/c")
OWN = win32.OWN
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | OWN
KNOWS_MODES = False
ALL_SHARED = 0x7
READ_WRITE = 0xC0000000
OPEN_EXISTING, OPEN_ALWAYS = 3, 4
DELETE = 0x10000
QUERY_LIMITED = 0x1000
EXCLUSIVE, AT_ONCE = 0x2, 0x1
LOCKED_AT = 0x7FFF0000
"""A lock here forbids reading what it is on, so it is on a byte that no file of ours reaches."""
PATIENCE_S = 2.0
"""An antivirus or an indexer has a new file open for a moment."""
BUSY = (win32.ERROR_ACCESS_DENIED, win32.ERROR_SHARING_VIOLATION, win32.ERROR_LOCK_VIOLATION)
LONG = 240
RESERVED = {"con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(1, 10))}
"""Names of devices, with any ending. Source: Naming Files, Paths, and Namespaces."""
KEPT_ATTRIBUTES = 0x1 | 0x2 | 0x4 | 0x20 | 0x2000
"""Read-only, hidden, system, archive, not indexed: those that SetFileAttributes sets."""
LOOK_S = 0.2


def mono() -> float:
    """Seconds since the boot; QueryPerformanceCounter runs on in sleep and is touched by no clock.

    Source: Acquiring high-resolution time stamps, "What happens during sleep".
    """
    return round(time.perf_counter(), 3)


def follow_zone() -> None:
    """The C library keeps the zone that it found. Source: _tzset."""
    ctypes.CDLL("ucrtbase")._tzset()


def started_at(pid: int) -> str | None:
    """When a process began, in 100 ns since 1601; None where it has ended."""
    handle = kernel32.OpenProcess(QUERY_LIMITED, False, pid)
    if not handle:
        return None
    with win32.Handle(handle):
        code, began, ended, kernel, user = win32.DWORD(), FileTime(), FileTime(), FileTime(), FileTime()
        found = [ctypes.byref(moment) for moment in (began, ended, kernel, user)]
        if not kernel32.GetProcessTimes(handle, *found) or not kernel32.GetExitCodeProcess(handle, ctypes.byref(code)):
            return None
        # One that somebody still holds open has an end; the code alone may be 259 for good.
        return str(began.ticks) if code.value == win32.STILL_ACTIVE and not ended.ticks else None


def live(work: Callable[[bool], None], folder: str, *, at_boot: bool) -> None:
    """Do the work of the life that outlives the line: as the service that we were started as."""
    from agent.windows import service

    service.live(work, folder)


# -- files of ours -----------------------------------------------------------------------------------------------------


class _Place(ctypes.Structure):
    """OVERLAPPED."""

    _fields_ = (
        ("internal", ctypes.c_size_t * 2),
        ("offset", win32.DWORD),
        ("offset_high", win32.DWORD),
        ("event", win32.HANDLE),
    )


_locks = win32.Library(
    "kernel32",
    LockFileEx=(win32.BOOL, win32.HANDLE, *(win32.DWORD,) * 4, ctypes.POINTER(_Place)),
    GetDiskFreeSpaceExW=(win32.BOOL, win32.LPCWSTR, *(ctypes.POINTER(win32.ULONGLONG),) * 3),
)


def lock(handle: int, *, waits: bool = True) -> None:
    """Have a file for ourselves, until it is closed."""
    place = _Place(offset=LOCKED_AT)
    flags = EXCLUSIVE if waits else EXCLUSIVE | AT_ONCE
    if not _locks.LockFileEx(win32.handle_of(handle), flags, 0, 1, 0, ctypes.byref(place)):
        code = win32.last_error()
        if code in (win32.ERROR_LOCK_VIOLATION, win32.ERROR_IO_PENDING):
            raise BlockingIOError(errno.EAGAIN, "another process has it")
        raise win32.failure(code)


def allocate(handle: int, size_bytes: int) -> None:
    """Give a file so many bytes of the disk: NTFS sets them aside when the end of a file is set."""
    if os.fstat(handle).st_size < size_bytes:
        os.ftruncate(handle, size_bytes)


def write_at(handle: int, data: bytes, offset: int) -> int:
    """Write at a place of a file; how much was."""
    os.lseek(handle, offset, os.SEEK_SET)
    return os.write(handle, data)


def read_at(handle: int, size_bytes: int, offset: int) -> bytes:
    """Read from a place of a file."""
    os.lseek(handle, offset, os.SEEK_SET)
    return os.read(handle, size_bytes)


def open_shared(path: str) -> int:
    """Open a file, made where it is not there, that may be renamed and removed meanwhile."""
    handle = kernel32.CreateFileW(path, READ_WRITE, ALL_SHARED, None, OPEN_ALWAYS, 0x80, None)
    return win32.number_of(win32.checked(handle, path), os.O_RDWR)


def open_followed(path: str) -> FileIO:
    """Open a file to be read; FlushFileBuffers wants the right to write."""
    return open(path, "r+b", buffering=0)


def sync_folder(folder: str) -> None:
    """NTFS keeps names in its own log, before what is flushed of a file. Source: FlushFileBuffers, NTFS."""


def sync_file(path: str) -> None:
    """Make the bytes of a file durable that is closed already."""
    readonly = not os.stat(path).st_mode & stat.S_IWRITE
    if readonly:
        os.chmod(path, stat.S_IWRITE | stat.S_IREAD)
    handle = os.open(path, os.O_RDWR | OWN)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
        if readonly:
            os.chmod(path, stat.S_IREAD)


def sync_all() -> bool:
    """Only by opening the volume, which not everybody may."""
    return False


def free_bytes(folder: str) -> int:
    """What we may still write there, by our quota too."""
    found = win32.ULONGLONG()
    done = _locks.GetDiskFreeSpaceExW(folder, ctypes.byref(found), None, None)
    win32.checked(done, folder)
    return int(found.value)


# -- files of the computer ---------------------------------------------------------------------------------------------


def reach(path: str) -> str:
    """A whole path by which a file is reached, however long it is. Source: Maximum Path Length Limitation."""
    return deep(path) if len(path) > LONG else path


def deep(folder: str) -> str:
    """A whole path below which others may be of any length."""
    if folder.startswith("\\\\?\\"):
        return folder
    whole = os.path.abspath(folder)
    return "\\\\?\\UNC" + whole[1:] if whole.startswith("\\\\") else "\\\\?\\" + whole


def shown(path: str) -> str:
    """A path as people write it."""
    return "\\\\" + path[8:] if path.startswith("\\\\?\\UNC\\") else path[4:] if path.startswith("\\\\?\\") else path


def below(folder: str, name: str) -> str:
    """A path in a folder, of a name whose parts are apart by slashes: ``\\\\?\\`` takes backslashes alone."""
    return os.path.join(folder, name.replace("/", "\\"))


def is_unfit(name: str) -> bool:
    """Whether a relative path, its parts apart by slashes, would mean something else here.

    A drive, another stream of a file, a device; what ends in a point or a space loses it.
    """
    if name.startswith("/") or any(sign in name for sign in '\0\\:*?"<>|'):
        return True
    parts = [part for part in name.split("/") if part not in ("", ".", "..")]
    return any(part[-1] in ". " or part.split(".")[0].strip().lower() in RESERVED for part in parts)


def kind_of(path: str, status: os.stat_result) -> str:
    """``file``, ``directory``, ``link`` or ``other``, by ``lstat``; a junction and what stands for one are links."""
    if stat.S_ISDIR(status.st_mode):
        from agent.windows import links

        return "link" if links.target_of(path, status) is not None else "directory"
    return "file" if stat.S_ISREG(status.st_mode) else "link" if stat.S_ISLNK(status.st_mode) else "other"


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, and no link to one."""
    return entry.is_dir(follow_symlinks=False) and kind_of(entry.path, os.lstat(entry.path)) == "directory"


def patiently(work: Callable[[], Any], path: str) -> Any:
    """Do something with a file that others may have open for a moment.

    Raises:
        OSError: it did not go; a file that is in use is called so.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return work()
        except OSError as error:
            code = getattr(error, "winerror", None)
            if code not in BUSY or time.monotonic() > deadline:
                if code == win32.ERROR_SHARING_VIOLATION:
                    error.filename = error.filename or path
                raise
            time.sleep(0.05)


def writable(path: str) -> None:
    """Take the mark "read-only" off what stands at a path; nothing where there is nothing."""
    found = kernel32.GetFileAttributesW(path)
    if found != 0xFFFFFFFF and found & 0x1:
        kernel32.SetFileAttributesW(path, found & ~0x1)


def replace(former: str, path: str) -> None:
    """Rename, in one step also where a file stands already."""
    writable(path)
    try:
        patiently(lambda: os.replace(former, path), path)
    except PermissionError as error:
        raise (win32.failure(win32.ERROR_SHARING_VIOLATION, path) if is_in_use(path) else error) from error


def is_in_use(path: str) -> bool:
    """Whether a file cannot be replaced because somebody has it open: MoveFileEx calls that a refusal of rights."""
    handle = kernel32.CreateFileW(path, DELETE, ALL_SHARED, None, OPEN_EXISTING, 0, None)
    if handle and handle != win32.INVALID_HANDLE:
        kernel32.CloseHandle(handle)
        return False
    return win32.last_error() == win32.ERROR_SHARING_VIOLATION


def point(temporary: str, path: str, target: str) -> None:
    """Let ``path`` be a link to a folder: see ``agent.windows.links``."""
    from agent.windows import links

    links.point(temporary, path, target)


def pointed_to(path: str) -> str | None:
    """Where a link leads; None where there is none."""
    from agent.windows import links

    try:
        return links.target_of(path, os.lstat(path))
    except OSError:
        return None


def link_within(folder: str, name: str, target: str) -> None:
    """A link of an archive is a second name of its file here: symbolic links need a right of their own."""
    inside = os.path.normpath(os.path.join(os.path.dirname(name), target))
    if is_unfit(target) or inside.split(os.sep)[0] == ".." or os.path.isdir(below(folder, inside)):
        raise ValueError(name)
    os.link(below(folder, inside), below(folder, name))


def unlink(path: str) -> None:
    """Remove a file or a link."""
    status = os.lstat(path)
    if stat.S_ISDIR(status.st_mode):
        from agent.windows import links

        links.remove(path)
        return
    writable(path)
    patiently(lambda: os.unlink(path), path)


def rmdir(path: str) -> None:
    """Remove an empty folder."""
    writable(path)
    patiently(lambda: os.rmdir(path), path)


def users_of(error: OSError) -> list[str] | None:
    """The programs that have a file open, where that is why something could not be done; empty where nobody tells."""
    if getattr(error, "winerror", None) not in (win32.ERROR_SHARING_VIOLATION, win32.ERROR_LOCK_VIOLATION):
        return None
    from agent.windows import holders

    return [user for path in (error.filename, error.filename2) if path for user in holders.of_file(path)]


def link(path: str, target: str) -> None:
    """Give a file a second name."""
    os.link(path, target)


def attributes_of(path: str) -> dict[str, str]:
    """The marks of a file that are not the usual ones, and its rights where they are its own."""
    from agent.windows import acl

    marks = kernel32.GetFileAttributesW(path)
    found = {} if marks == 0xFFFFFFFF else {"marks": f"{marks & KEPT_ATTRIBUTES:x}"}
    rights = acl.own_rights(path)
    return {**found, "rights": rights} if rights else found


def set_attributes(path: str, attributes: dict[str, str]) -> None:
    """Set marks and rights, as far as we may: no file is lost over them."""
    from agent.windows import acl

    if "marks" in attributes:
        now = kernel32.GetFileAttributesW(path)
        kernel32.SetFileAttributesW(path, (now & ~KEPT_ATTRIBUTES) | int(attributes["marks"], 16) or 0x80)
    if attributes.get("rights") and acl.own_rights(path) != attributes["rights"]:
        acl.set_rights(path, attributes["rights"])


def open_to_all(folder: str) -> None:
    """A folder has the rights of the one above it."""


def set_mode(path: str, mode: int) -> None:
    """Nothing: whether a file is read-only is among its marks."""


def own(handle: int, mode: int, owner: tuple[int, int] | None) -> None:
    """A file has the rights of its folder."""


def set_owner(path: str, owner: tuple[int, int], *, of_link: bool = False) -> None:
    """The owner is whoever made it."""


def set_times(path: str, mtime_ns: int, *, of_link: bool = False) -> None:
    """Set the time of change; of a link nobody sees it."""
    if not of_link:
        marks = kernel32.GetFileAttributesW(path)
        writable(path)
        os.utime(path, ns=(mtime_ns, mtime_ns))
        if marks & 0x1:
            kernel32.SetFileAttributesW(path, marks)


def is_changeable(owner: tuple[int, int]) -> bool:
    """There is nothing to set."""
    return False


def own_ids() -> tuple[int, int]:
    """Python knows no numbers of people here."""
    return 0, 0


def owner_name(uid: int) -> str:
    """There are no numbers."""
    return str(uid)


def id_of(name: str, which: str) -> int:
    """There are no numbers."""
    raise KeyError(name)


# -- the line, and orders ----------------------------------------------------------------------------------------------


def is_line_lost(error: OSError) -> bool:
    """Whether nobody reads a line any more: the C library calls a pipe without a reader an invalid argument."""
    return error.errno in (errno.EINVAL, errno.EPIPE)


class _Listener:
    """A thread that looks whether an order lies there, and interrupts the main thread then. Of this process."""

    def __init__(self) -> None:
        self.path = ""

    def start(self, path: str) -> None:
        import _thread

        is_new, self.path = not self.path, path
        if is_new:
            _thread.start_new_thread(self.look, ())

    def look(self) -> None:
        import _thread

        told = ""
        while True:
            path = self.path
            if path and path != told and os.path.exists(path):
                told = path
                _thread.interrupt_main()  # as Ctrl+C does: what waits, waits at most as long as it was going to
            time.sleep(LOOK_S)


_listener = _Listener()


def hear(path: str, heard: Callable[..., Any]) -> None:
    """Let a function be called in the midst of what we do when an order lies there, until ``deaf``."""
    from agent.light import signal

    signal.signal(signal.SIGINT, heard)
    _listener.start(path)


def deaf() -> None:
    """Nothing interrupts us any more."""
    from agent.light import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)


def wake(pid: int) -> None:
    """Nothing to do: whoever is at work looks by itself."""
