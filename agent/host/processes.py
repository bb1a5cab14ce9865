"""Running processes: on Linux read from /proc, elsewhere asked of psutil.

With psutil the same costs its import first (``docs/decisions/0020-questions-that-cost-little.md``).
"""

from __future__ import annotations

import os
import sys
import time

from agent.host.native import ENDED as ENDED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, NamedTuple

    class Process(NamedTuple):
        """One process that runs; ended ones that nobody waited for are not among them."""

        pid: int
        parent: int
        name: str
        """The kernel's name for it: what ``ps -o comm`` shows, at most 15 characters."""
        argv: list[str]
        """Empty for the kernel's own threads."""
        started: str
        """Tells a process from a later one with the same number; else of no meaning."""

        @property
        def names(self) -> set[str]:
            """What it may be called."""
            ...
else:
    from agent.light.tuples import namedtuple

    class Process(namedtuple("Process", "pid parent name argv started")):
        """One process that runs; ended ones that nobody waited for are not among them."""

        __slots__ = ()

        @property
        def names(self):
            """What it may be called: the kernel's name, and the file name it was started by."""
            return {self.name, os.path.basename(self.argv[0])} if self.argv else {self.name}


PROC = "/proc"
DELETED = " (deleted)"


class Unreadable(Exception):
    """Processes cannot be read here: no /proc and no psutil, or no right to look."""


def processes(*, everywhere: bool = False) -> Iterator[Process]:
    """Every process of this computer that runs, in no order.

    Args:
        everywhere: those of containers too, which share its network perhaps, but neither programs nor numbers.

    Raises:
        Unreadable: they cannot be listed.
    """
    if not sys.platform.startswith("linux"):
        yield from processes_of_psutil()
        return
    try:
        entries = os.listdir(PROC)
    except OSError as error:
        raise Unreadable(str(error)) from error
    for entry in entries:
        if entry.isdigit():
            process = process_of(int(entry))
            if process is not None and (everywhere or not is_contained(process.pid)):
                yield process


def process_of(pid: int) -> Process | None:
    """One process by its number; None where it has ended.

    Source: proc(5): in ``stat`` the name stands in brackets and may itself hold brackets and spaces; behind it state,
    parent … and as the 20th the start in ticks since boot.
    """
    if not sys.platform.startswith("linux"):
        return next((process for process in processes_of_psutil() if process.pid == pid), None)
    try:
        stat = content_of(f"{PROC}/{pid}/stat")
        argv = content_of(f"{PROC}/{pid}/cmdline")
    except OSError:
        return None  # it ended between the listing and now
    head, _, rest = stat.rpartition(")")
    field = rest.split()
    if len(field) < 20 or field[0] in ENDED:
        return None
    words = argv.rstrip("\0").split("\0") if argv else []
    return Process(pid, int(field[1]), head.partition("(")[2], words, field[19])


def is_contained(pid: int) -> bool:
    """Whether a process is a container's: numbered in a namespace of its own, and with another root folder.

    A service with numbers of its own (``PrivatePIDs=``) has the computer's root, and one that was moved into a folder
    (chroot) the computer's numbers. Whose root we may not see is judged by the numbers. Source: pid_namespaces(7);
    proc(5), ``NSpid``.
    """
    try:
        inside = content_of(f"{PROC}/{pid}/status").partition("\nNSpid:")[2].partition("\n")[0]
        if len(inside.split()) < 2:
            return False
        return not os.path.samefile(f"{PROC}/{pid}/root", "/")
    except PermissionError:
        return True
    except OSError:
        return False  # it has ended


def age_s(process: Process) -> float | None:
    """How long a process has been running, in seconds; None where that cannot be told."""
    if not sys.platform.startswith("linux"):
        return None
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - int(process.started) / os.sysconf("SC_CLK_TCK"))


def user_of(process: Process) -> int | None:
    """The number of the user a process works as (its effective one); None where that cannot be told."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        for line in content_of(f"{PROC}/{process.pid}/status").split("\n"):
            if line.startswith("Uid:"):
                return int(line.split()[2])
    except (OSError, ValueError, IndexError):
        return None
    return None


def user_number(user: object) -> int | None:
    """A user's of a number or a name.

    Raises:
        KeyError: there is no such user.
    """
    if user is None:
        return None
    if str(user).isdigit():
        return int(str(user))
    import pwd

    return pwd.getpwnam(str(user)).pw_uid


def own_family() -> set[int]:
    """This process and what runs it: they name the software in their own command line, and are not it.

    Whoever lets people in, and would so without us (sshd), is not among them.
    """
    family: set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in family:
        process = process_of(pid)
        if process is not None and pid != os.getpid() and lets_in(process):
            break
        family.add(pid)
        if process is None or process.parent == 1:
            break  # process 1 is the computer's, not ours
        pid = process.parent
    return family


def lets_in(process: Process) -> bool:
    """Whether a process waits for people to come in: it listens; one that may not be looked into goes by its name.

    Source: sshd.c and session.c of OpenSSH: that which listens has its own command line, those of a session
    ``sshd: user [priv]`` and ``sshd: user@pts/0``.
    """
    from agent.host import sockets

    try:
        os.listdir(f"{PROC}/{process.pid}/fd")
        return holds_one(process.pid, {f"socket:[{one.inode}]" for one in sockets.listening() if one.protocol == "tcp"})
    except OSError:
        words = process.argv or [""]
        return os.path.basename(words[0]) == "sshd" or "[listener]" in words[0]


def holders(inodes: set[int], preferred: str = "") -> dict[int, Process]:
    """Which processes hold a socket, by the inodes of sockets.

    Args:
        inodes: of the sockets, as ``Socket.inode``.
        preferred: processes of this name are looked at first; where one of them is found, the others are not.

    Returns:
        Processes by their number. Without the right to look into a process (another user's), it is missing here.
    """
    links = {f"socket:[{inode}]" for inode in inodes}
    found: dict[int, Process] = {}
    others: list[Process] = []
    for process in processes(everywhere=True):
        if preferred and preferred not in process.names:
            others.append(process)
        elif holds_one(process.pid, links):
            found[process.pid] = process
    if not found:
        found = {process.pid: process for process in others if holds_one(process.pid, links)}
    return found


def holds_one(pid: int, links: set[str]) -> bool:
    """Whether a process has one of these open."""
    folder = f"{PROC}/{pid}/fd"
    try:
        descriptors = os.listdir(folder)
    except OSError:
        return False
    for descriptor in descriptors:
        try:
            if os.readlink(f"{folder}/{descriptor}") in links:
                return True
        except OSError:
            continue  # closed meanwhile
    return False


def of_deleted_programs() -> dict[str, float]:
    """Processes whose program is no longer on the disk: its path, and when the youngest was started, in s since boot.

    Empty where that cannot be told. Source: proc(5), ``exe``.
    """
    found: dict[str, float] = {}
    try:
        entries = os.listdir(PROC)
    except OSError:
        return found
    for entry in entries:
        if not entry.isdigit():
            continue
        try:
            program = os.readlink(f"{PROC}/{entry}/exe")
        except OSError:
            continue  # the kernel's own, or it has ended
        if not program.endswith(DELETED) or program.startswith("/memfd:") or int(entry) == os.getpid():
            continue
        process = process_of(int(entry))
        if process is not None and not is_contained(process.pid):
            path = program[: -len(DELETED)]
            found[path] = max(found.get(path, 0.0), int(process.started) / os.sysconf("SC_CLK_TCK"))
    return found


def content_of(path: str) -> str:
    """A file of /proc, read without the layers that ``open`` puts between."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 65536).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def processes_of_psutil() -> Iterator[Process]:
    """As ``processes``, on a platform where no file tells."""
    try:
        import psutil
    except ImportError as error:
        raise Unreadable("psutil is missing") from error
    for one in psutil.process_iter(["pid", "ppid", "name", "cmdline", "status", "create_time"]):
        info = one.info
        if info["status"] != psutil.STATUS_ZOMBIE:
            yield Process(
                info["pid"], info["ppid"] or 0, info["name"] or "", info["cmdline"] or [], str(info["create_time"])
            )
