"""What keeps a computer from taking an installation now: a reboot that waits, a package manager at work."""

from __future__ import annotations

import os

from agent.host.locks import CannotTell, holder_among, holder_of, program_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.redact import Redactor

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


def package_manager_holder(secrets: Redactor) -> str | None:
    """Which program holds one of the package manager's locks, without secrets; None where none does.

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
            return program_of(pid, secrets)
    return holder_among(inodes, secrets) if inodes else None


def inode_of(path: str) -> int:
    """A file's inode.

    Raises:
        CannotTell: even its folder is closed to us.
    """
    try:
        return os.stat(path).st_ino
    except OSError as error:
        raise CannotTell(f"{path}: {error.strerror}") from error
