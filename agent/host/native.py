"""What the agent asks of the operating system where Python's own names differ by platform: here as Linux has it.

``agent/windows/native.py`` has the same names. Everything in here is small and costs nothing to load.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from typing import Any, Callable

SHELL = ("/bin/sh", "-c")
ENDED = ("Z", "X", "x")
"""The kernel's letters for a process that is no more. Source: proc(5), stat, field 3."""
OWN = os.O_CLOEXEC
"""How a file of ours is opened: no program inherits it."""
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""How one is made that nobody has put there before us."""


def boot_id() -> str:
    """The kernel's name for this boot."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def mono() -> float:
    """Seconds of the boot clock, which no change of the wall clock touches and which runs on in sleep."""
    return round(time.clock_gettime(time.CLOCK_BOOTTIME), 3)


def follow_zone() -> None:
    """See it where somebody has set another time zone since we started."""
    time.tzset()


def started_at(pid: int) -> str | None:
    """When a process began, in ticks since boot; None where it has ended. Source: proc(5), stat, fields 3 and 22."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            field = file.read().rsplit(")", 1)[1].split()
            return field[19] if field[0] not in ENDED else None
    except (OSError, IndexError):
        return None


def live(work: Callable[[bool], None], folder: str, *, at_boot: bool) -> None:
    """Do the work of the life that outlives the line.

    Args:
        work: told whether the computer has started us by itself.
        folder: the run's.
        at_boot: whether our own command line says that.
    """
    work(at_boot)


# -- files of ours -----------------------------------------------------------------------------------------------------


def lock(handle: int, *, waits: bool = True) -> None:
    """Have a file for ourselves, until it is closed.

    Raises:
        BlockingIOError: somebody else has it, and it is not to be waited for.
    """
    fcntl.flock(handle, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)


def allocate(handle: int, size_bytes: int) -> None:
    """Give a file so many bytes of the disk, for good."""
    os.posix_fallocate(handle, 0, size_bytes)


def write_at(handle: int, data: bytes, offset: int) -> int:
    """Write at a place of a file; how much was."""
    return os.pwrite(handle, data, offset)


def read_at(handle: int, size_bytes: int, offset: int) -> bytes:
    """Read from a place of a file."""
    return os.pread(handle, size_bytes, offset)


def open_shared(path: str) -> int:
    """Open a file, made where it is not there, that may be renamed and removed meanwhile."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def open_followed(path: str) -> FileIO:
    """Open a file to be read that another process writes, and that we may have to put on the disk for it."""
    return open(path, "rb", buffering=0)


def sync_folder(folder: str) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot sync a folder
            raise
    finally:
        os.close(handle)


def sync_file(path: str) -> None:
    """Make the bytes of a file durable that is closed already."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_all() -> bool:
    """Put everything on the disk that the computer has not written yet; False where that cannot be asked for."""
    os.sync()
    return True


def free_bytes(folder: str) -> int:
    """What we may still write there."""
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize


# -- files of the computer ---------------------------------------------------------------------------------------------

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}
replace = os.rename
"""Rename, in one step also where something stands already."""
KNOWS_MODES = True
"""Whether files have a mode, an owner and a group that a plan may ask for."""


def reach(path: str) -> str:
    """A whole path by which a file is reached, however long it is."""
    return path


def deep(folder: str) -> str:
    """A whole path below which others may be of any length."""
    return folder


def name_key(name: str) -> str:
    """By what a name is told from others in its folder."""
    return name


def shown(path: str) -> str:
    """A path as people write it."""
    return path


def below(folder: str, name: str) -> str:
    """A path in a folder, of a name whose parts are apart by slashes."""
    return os.path.join(folder, name)


def is_unfit(name: str) -> bool:
    """Whether a relative path, its parts apart by slashes, would mean something else here."""
    return name.startswith("/") or "\0" in name


def kind_of(path: str, status: os.stat_result) -> str:
    """``file``, ``directory``, ``link`` or ``other``, by ``lstat``."""
    return KINDS.get(stat.S_IFMT(status.st_mode), "other")


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, and no link to one."""
    return entry.is_dir(follow_symlinks=False)


def point(temporary: str, path: str, target: str) -> None:
    """Let ``path`` be a link to ``target``, in one step also where there is one already.

    Args:
        temporary: a name beside it that nothing has.
        path: the link.
        target: as the link has it: from its folder.
    """
    os.symlink(target, temporary)
    os.rename(temporary, path)


def pointed_to(path: str) -> str | None:
    """Where a link leads; None where there is none."""
    try:
        return os.readlink(path)
    except OSError:
        return None


def link_within(folder: str, name: str, target: str) -> None:
    """Make a link that came in an archive; all that is no link is in place already.

    Args:
        folder: where it was unpacked.
        name: of the link in there.
        target: where it leads, as the archive has it.

    Raises:
        ValueError: it leads out, as far as that can be told before it is made.
    """
    os.symlink(target, os.path.join(folder, name))


def unlink(path: str) -> None:
    """Remove a file or a link."""
    os.unlink(path)


def rmdir(path: str) -> None:
    """Remove an empty folder."""
    os.rmdir(path)


def users_of(error: OSError) -> list[str] | None:
    """The programs that have a file open, where that is why something could not be done; here it never is."""
    return None


def link(path: str, target: str) -> None:
    """Give a file a second name."""
    os.link(path, target, follow_symlinks=False)


def attributes_of(path: str) -> dict[str, str]:
    """Extended attributes (ACLs and labels are among them) as hex; empty where the file system has none."""
    found: dict[str, str] = {}
    try:
        for name in os.listxattr(path, follow_symlinks=False):
            found[name] = os.getxattr(path, name, follow_symlinks=False).hex()
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.ENODATA, errno.EPERM, errno.EACCES):
            raise
    return found


def set_attributes(path: str, attributes: dict[str, str]) -> None:
    """Set extended attributes as far as this user and file system may: no file is lost over a label."""
    for name, value in attributes.items():
        try:
            os.setxattr(path, name, bytes.fromhex(value), follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.EINVAL):
                raise


def open_to_all(folder: str) -> None:
    """Let everybody look into a folder that was made, as into the system's own, whatever the umask."""
    os.chmod(folder, 0o755)  # noqa: S103


def set_mode(path: str, mode: int) -> None:
    """Set the mode of what stands at a path."""
    os.chmod(path, mode)


def own(handle: int, mode: int, owner: tuple[int, int] | None) -> None:
    """Set mode and owner (None: as it is) of an open file."""
    if owner is not None:
        os.fchown(handle, *owner)
    os.fchmod(handle, mode)


def set_owner(path: str, owner: tuple[int, int], *, of_link: bool = False) -> None:
    """Set the owner of what stands at a path; -1 leaves a number as it is."""
    os.chown(path, *owner, follow_symlinks=not of_link)


def set_times(path: str, mtime_ns: int, *, of_link: bool = False) -> None:
    """Set the time of change of what stands at a path."""
    os.utime(path, ns=(mtime_ns, mtime_ns), follow_symlinks=not of_link)


def is_changeable(owner: tuple[int, int]) -> bool:
    """Whether this owner is to be set: not where we could not and need not, the file being ours anyway."""
    uid, gid = owner
    return os.geteuid() == 0 or uid != os.geteuid() or (gid != os.getegid() and gid in os.getgroups())


def own_ids() -> tuple[int, int]:
    """Whose a file is that we make: user and group."""
    return os.geteuid(), os.getegid()


def owner_name(uid: int) -> str:
    """A user's name, or the number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def id_of(name: str, which: str) -> int:
    """The number of a user (``owner``) or a group.

    Raises:
        KeyError: there is none of this name.
    """
    if which == "owner":
        import pwd

        return pwd.getpwnam(name).pw_uid
    import grp

    return grp.getgrnam(name).gr_gid


# -- the line, and orders ----------------------------------------------------------------------------------------------


class Line:
    """What comes in from outside. Nobody else reads it from now on."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def is_readable(self, timeout_s: float) -> bool:
        """Whether something can be read, or the end of it, within this time."""
        import select

        return bool(select.select([self._handle], [], [], timeout_s)[0])

    def read(self, most_bytes: int) -> bytes:
        """Something of it; nothing at its end."""
        return os.read(self._handle, most_bytes)


def is_line_lost(error: OSError) -> bool:
    """Whether a line could not be written to because nobody reads it, though Python does not call it so."""
    return False


def hear(path: str, heard: Callable[..., Any]) -> None:
    """Let a function be called in the midst of what we do when we are woken (``wake``), until ``deaf``.

    Args:
        path: where an order will lie.
        heard: called in this process's main thread.
    """
    from agent.light import signal

    signal.signal(signal.SIGURG, heard)


def deaf() -> None:
    """Nothing interrupts us any more."""
    from agent.light import signal

    signal.signal(signal.SIGURG, signal.SIG_IGN)


def wake(pid: int) -> None:
    """Tell a process that an order lies there.

    By a signal that one which is not listening yet ignores. Source: signal(7), SIGURG.
    """
    from agent.light import signal

    try:
        os.kill(pid, signal.SIGURG)
    except (ProcessLookupError, PermissionError):
        return
