"""What keeps a computer from taking an installation now: a reboot that waits, a package manager at work."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass

REBOOT_MARK = "/run/reboot-required"
MODULES = "/lib/modules"
CONTAINER_MARK = "/run/systemd/container"
LOCKS = (
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
)
"""Held by fcntl(2); that they exist means nothing. Source: dpkg's frontend interface, and apt for the last two."""


class CannotTell(Exception):
    """The locks could not be looked at."""


def pending_reboot(kernel: str) -> str | None:
    """What waits for a reboot, as a short line; None where nothing does.

    Args:
        kernel: the release that runs.

    Source: Debian's packages leave /run/reboot-required and, beside it, their names in ``.pkgs``. A kernel without its
    modules was replaced under our feet; a container has its host's kernel and no modules of its own.
    """
    if os.path.exists(REBOOT_MARK):
        try:
            with open(REBOOT_MARK + ".pkgs", encoding="utf-8", errors="replace") as file:
                names = sorted(set(file.read().split()))
        except OSError:
            names = []
        return ", ".join(names[:6]) + (" …" if len(names) > 6 else "") or REBOOT_MARK
    if not kernel or os.path.exists(CONTAINER_MARK) or os.path.isdir(os.path.join(MODULES, kernel)):
        return None
    try:
        others = sorted(os.listdir(MODULES))
    except OSError:
        return None
    return f"kernel {kernel} → {others[-1]}" if others else None


def package_manager_holder() -> str | None:
    """Which program holds one of the package manager's locks; None where none does.

    Raises:
        CannotTell: a lock can neither be opened nor found in /proc/locks.
    """
    inodes: set[int] = set()
    for path in LOCKS:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue  # never used yet, or no such package manager
        except PermissionError:
            inodes.add(inode_of(path))
            continue
        except OSError as error:
            raise CannotTell(f"{path}: {error.strerror}") from error
        try:
            pid = holder_of(descriptor)
        finally:
            os.close(descriptor)
        if pid is not None:
            return program_of(pid)
    return holder_among(inodes) if inodes else None


def holder_of(descriptor: int) -> int | None:
    """Who stands in the way of locking a whole file, asked without locking it: a process, 0 where it is out of sight.

    Source: fcntl(2) F_GETLK; struct flock is short type, short whence, off_t start, off_t len, pid_t pid.
    """
    import fcntl
    import struct

    layout = "hhqqi4x"
    question = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = struct.unpack(layout, fcntl.fcntl(descriptor, fcntl.F_GETLK, question))
    return None if kind == fcntl.F_UNLCK else max(0, pid)


def holder_among(inodes: set[int]) -> str | None:
    """Which program holds a lock on one of these inodes, as the kernel lists locks for everybody.

    Source: proc(5), /proc/locks: ``1: POSIX  ADVISORY  WRITE 412 08:01:262185 0 EOF``; the number of the device differs
    from that of stat(2) on some filesystems (btrfs, overlayfs), so the inode has to do.

    Raises:
        CannotTell: there is no such list.
    """
    try:
        with open("/proc/locks", encoding="ascii") as file:
            rows = [line.split() for line in file]
    except OSError as error:
        raise CannotTell(f"/proc/locks: {error.strerror}") from error
    for part in rows:
        if len(part) >= 6 and part[1] in ("POSIX", "OFDLCK") and int(part[5].rsplit(":", 1)[1]) in inodes:
            return program_of(int(part[4]))
    return None


def inode_of(path: str) -> int:
    """A file's inode.

    Raises:
        CannotTell: even its folder is closed to us.
    """
    try:
        return os.stat(path).st_ino
    except OSError as error:
        raise CannotTell(f"{path}: {error.strerror}") from error


def program_of(pid: int) -> str:
    """A process as people know it: name and number."""
    from agent.host.processes import process_of

    process = process_of(pid) if pid > 0 else None
    return f"{process.name} (pid {pid})" if process else f"pid {pid}" if pid > 0 else "?"
