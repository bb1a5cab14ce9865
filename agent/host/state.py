"""What a snapshot looks at on Linux: which kinds and folders there are, and what changes there by itself."""

from __future__ import annotations

import os
import stat as stat_

from agent import accounts
from agent.host import processes
from agent.host.boot import PREFIX
from agent.journal import mono

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator, Sequence

    from agent.host import Host
    from agent.snapshot import FileReader, Snapshot

ALTERNATIVES = "/var/lib/dpkg/alternatives"
WATCHED = ("/etc", "/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/system", ALTERNATIVES)
WATCHED_LAST = ("/usr/local", "/opt")
"""Where large software lies: read when all else has been, so that it does not use up what is hashed."""
LISTED = (
    "/",
    "/home",
    "/root",
    "/srv",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/opt",
    "/var/spool",
    "/var/www",
)
"""Where software puts its data, and people theirs: what stands in these folders is compared by name, type and owner."""
REMOTE = ("nfs", "cifs", "smb", "autofs", "fuse", "9p", "ceph", "afs", "gluster", "lustre")
"""How the types of file systems begin that are another computer's: asking one that is away never ends."""
SCHEDULES = (
    "/etc/crontab",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
    "/var/spool/cron",
)
SCHEDULE_FOLDERS = tuple(path + "/" for path in SCHEDULES)
SYSLOG = ("auth.log", "cron", "cron.log", "daemon.log", "debug", "kern.log", "mail.err", "mail.info", "mail.log",
          "mail.warn", "maillog", "messages", "secure", "syslog", "user.log")  # fmt: skip
"""The system's own log, begun anew with the first line of a kind. Source: rsyslog.conf of Debian and of Red Hat."""
NOISE = frozenset(
    (
        "/etc/ld.so.cache",  # derived from the libraries by ldconfig
        "/etc/mtab",  # the kernel's list of mounts
        "/etc/adjtime",  # the hardware clock's drift
        "/etc/.pwd.lock",  # an empty lock of lckpwdf(3)
        "/etc/resolv.conf",  # written by whoever configures the network, at any time
        "/etc/passwd-",  # copies that shadow-utils keep of the version before
        "/etc/group-",
        "/etc/shadow-",
        "/etc/gshadow-",
        "/etc/subuid-",
        "/etc/subgid-",
        "/var/cache/ldconfig",  # as ld.so.cache
        "/var/cache/private",  # made by systemd for services without a user of their own
        "/var/lib/private",
        "/var/log/private",
        "/var/log/journal",
        "/var/log/alternatives.log",  # what dpkg and its tools say of themselves
        "/var/log/apt",
        "/var/log/dpkg.log",
        "/var/log/btmp",  # who came and went
        "/var/log/faillog",
        "/var/log/lastlog",
        "/var/log/wtmp",
        "/root/.bash_history",
        "/root/.lesshst",
        "/root/.viminfo",
        *("/var/log/" + name for name in SYSLOG),
    )
)
"""Files that change by themselves or only mirror what is compared elsewhere."""

UNIT_TYPES = (".service", ".timer", ".socket")
ON_THE_WAY = ("activating", "deactivating", "reloading")
"""States of a service that do not last. Source: systemctl(1)."""
UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)


OURS = "/" + PREFIX


def first_kinds(host: Host, watch: Sequence[str]) -> Snapshot:
    """The kinds that are read before the files."""
    return {
        "packages": {
            name: f"{p.version} {p.status}" for name, p in host.packages().items() if p.status != "not-installed"
        },
        "users": accounts.read("user"),
        "groups": accounts.read("group"),
        "processes": processes.of_deleted_programs(),
        "clock": {"boot_s": mono()},
        "ports": {f"{s.protocol} {s.address}:{s.port}": "" for s in host.listening() if is_lasting(s.protocol, s.port)},
    }


def last_kinds(files: dict[str, Any]) -> Snapshot:
    """The kinds that are read after the files, or out of their rows."""
    return {
        "schedules": {path: row[-1] for path, row in files.items() if is_schedule(path)},
        "services": services(),
    }


def watched(watch: Sequence[str]) -> Iterator[str]:
    """Folders and files to be read whole, each once: ours, and the playbook's ``watch``."""
    paths = (*WATCHED, *SCHEDULES, *watch, *WATCHED_LAST)
    yield from dict.fromkeys(os.path.realpath(os.path.expanduser(path)) for path in paths)


def read_links(reader: FileReader, before: Snapshot) -> Snapshot:
    """Take in the links that ``update-alternatives`` manages: by its file for a name, those that the file names."""
    known: dict[str, list[str]] = before.get("alternatives", {})
    found = {}
    for path in [path for path in reader.files if path.startswith(ALTERNATIVES + "/")]:
        former = reader.known.get(path)
        same = former is not None and former[8] == reader.files[path][8] and path in known
        found[path] = known[path] if same else alternative_links(accounts.read_file(path))
        for link in found[path]:
            reader.read(link)
    return {"alternatives": found}


def listed() -> Sequence[str]:
    """Folders where data lies."""
    return LISTED


def elsewhere(host: Host) -> set[str]:
    """Folders whose content is nobody's business here: the agent's own, and file systems of other computers."""
    return {host.root, *remote_mounts()}


def is_kept(path: str) -> bool:
    """Whether the content of a small file is kept, to be restored."""
    return not path.startswith(WATCHED_LAST)


def row_at(path: str) -> list[Any] | None:
    """The row of a path, but for its content; None where nothing is."""
    try:
        return row_of(os.lstat(path))
    except OSError:
        return None


def rows_in(folder: str) -> list[tuple[str, list[Any]]]:
    """What stands in a folder, by its path: rows but for the content. Empty where it cannot be read."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    found.append((entry.path, row_of(entry.stat(follow_symlinks=False))))
                except OSError:
                    continue
    except OSError:
        return []
    return found


names_in = rows_in
"""What of a folder of data is compared: all that stands in it."""


def is_passed_over(path: str) -> bool:
    """Whether a name in a folder that is read whole says nothing: ``NOISE``, and our own start with the computer."""
    return path in NOISE or OURS in path


def target_of(path: str) -> str:
    """Where a link leads."""
    return os.readlink(path)


def content_of(path: str, size_bytes: int) -> bytes:
    """A small file, without the layers that ``open`` puts between.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, size_bytes)
    finally:
        os.close(descriptor)


def is_nothing(kind: str, name: str, was: Any, now: Any, before: Snapshot, after: Snapshot) -> bool:
    """Whether a difference says nothing about who made it."""
    if kind == "services":
        return was in ON_THE_WAY or is_static(name)  # where it was going then, and who starts it, nobody can tell
    if kind == "processes":
        return bool(now is None or now < before.get("clock", {}).get("boot_s", 0))  # it was running before us
    # Users and groups are compared each by itself.
    return bool(kind == "files" and name in accounts.ALL_FILES and was and now and was[:4] == now[:4])


def row_of(stat: os.stat_result) -> list[Any]:
    """A row but for the content."""
    mode = stat.st_mode
    kind = "f" if stat_.S_ISREG(mode) else "d" if stat_.S_ISDIR(mode) else "l" if stat_.S_ISLNK(mode) else "o"
    return [
        kind,
        mode & 0o7777,
        stat.st_uid,
        stat.st_gid,
        stat.st_size,
        stat.st_mtime_ns,
        stat.st_ctime_ns,
        stat.st_ino,
    ]


def is_noise(path: str) -> bool:
    """Whether a name in a listed folder comes and goes by itself: ``NOISE``, and logs that were put aside."""
    if path in NOISE:
        return True
    folder, name = os.path.split(path)
    return folder == "/var/log" and (name[-1:].isdigit() or name.endswith((".gz", ".xz", ".zst", ".bz2", ".old")))


def is_listed(path: str) -> bool:
    """Whether a path stands where only names are compared."""
    return os.path.dirname(path) in LISTED


def remote_mounts() -> set[str]:
    """Where file systems of other computers are mounted. Source: proc(5), ``mounts``; fstab(5) for its escapes."""
    rows = [line.split() for line in accounts.read_file("/proc/self/mounts").decode("utf-8", "replace").splitlines()]
    return {row[1].replace("\\040", " ") for row in rows if len(row) > 2 and row[2].startswith(REMOTE)}


def alternative_links(content: bytes) -> list[str]:
    """The links of one name: its own and those that follow it.

    Source: update-alternatives(1) and its source: status, link, then pairs of name and link up to an empty line.
    """
    head = content.decode("utf-8", "surrogateescape").split("\n\n", 1)[0].split("\n")
    return [path for path in (*head[1:2], *head[3::2]) if path.startswith("/")]


def is_lasting(protocol: str, port: int) -> bool:
    """Whether a socket is a service's: an unconnected UDP socket on a port the kernel picked belongs to some client."""
    return protocol == "tcp" or port < 32768


def is_schedule(path: str) -> bool:
    """Whether a file makes something run by the clock."""
    return path.endswith(".timer") or path in SCHEDULES or path.startswith(SCHEDULE_FOLDERS)


def services() -> dict[str, str]:
    """Services, timers and sockets that are active, failed or on their way, with systemd's word.

    Empty without systemd, and for a user without privileges where no message bus leads to it.

    Raises:
        BusError: systemd does not answer.
    """
    from agent.host import systemd

    if not systemd.is_within_reach():
        return {}
    found = systemd.units(("active", "failed", *ON_THE_WAY), ["*" + kind for kind in UNIT_TYPES])
    return {unit: state for unit, state in found.items() if not is_passing(unit)}


def is_passing(unit: str) -> bool:
    """Whether a unit comes and goes by itself: sessions, transient units, ours."""
    return unit.startswith(("pasang-", "run-", "user@", "user-runtime-dir@", "session-", "ssh@", "sshd@", "systemd-"))


def is_static(unit: str) -> bool:
    """Whether a unit cannot be enabled, so that others start and stop it at any time (timers, D-Bus, sockets)."""
    name = unit.split("@", 1)[0] + "@." + unit.rsplit(".", 1)[1] if "@" in unit else unit
    for folder in UNIT_FOLDERS:
        try:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                return "[Install]" not in file.read()
        except OSError:
            continue
    return False
