"""The state of the computer before and after, and the difference between two.

Seven kinds are compared: packages with versions, services, listening ports, users, groups, schedules (cron and timers),
and files (type, mode, owner, content) under ``WATCHED``, ``WATCHED_LAST`` and the playbook's ``watch``. A snapshot is
plain JSON.
"""

from __future__ import annotations

import os
import stat as stat_

from agent import program
from agent.digest import sha256, sha256_of_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Sequence

    from agent.contents import Contents
    from agent.host import Host

    Snapshot = Dict[str, Dict[str, Any]]

KINDS = ("packages", "services", "ports", "users", "groups", "schedules", "files")
SINGULAR = dict(zip(KINDS, ("package", "service", "port", "user", "group", "schedule", "file")))

WATCHED = ("/etc", "/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/system")
WATCHED_LAST = ("/usr/local", "/opt")
"""Where large software lies: read when all else has been, so that it does not use up what is hashed."""
SCHEDULES = (
    "/etc/crontab",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/cron.weekly",
    "/etc/cron.monthly",
    "/var/spool/cron",
)
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
    )
)
"""Files that change by themselves or only mirror what is compared elsewhere."""

SMALL_FILE_BYTES = 256 * 1024
HASH_BUDGET_BYTES = 64 * 1024 * 1024
"""Content beyond this total is compared by size and time of change; the snapshot says how many files that concerns."""
LISTING_TIMEOUT_S = 60
UNIT_TYPES = (".service", ".timer", ".socket")
UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)


def take(
    host: Host, watch: Sequence[str] = (), *, before: Snapshot | None = None, contents: Contents | None = None
) -> Snapshot:
    """The state now.

    Args:
        host: this computer.
        watch: folders or files of the playbook, compared beside our own.
        before: an earlier snapshot: a file untouched since, by its inode, size and times, is not read again.
        contents: where the content of small files of the system's configuration is kept, to be restored.
    """
    listing = start_listing(host)
    state: Snapshot = {
        "packages": {
            name: f"{p.version} {p.status}" for name, p in host.packages().items() if p.status != "not-installed"
        },
        "users": accounts("/etc/passwd", (2, 3, 5, 6)),
        "groups": accounts("/etc/group", (2, 3)),
        "ports": {f"{s.protocol} {s.address}:{s.port}": "" for s in host.listening() if is_lasting(s.protocol, s.port)},
    }
    reader = FileReader((before or {}).get("files", {}), contents)
    for path in dict.fromkeys(
        os.path.realpath(os.path.expanduser(p)) for p in (*WATCHED, *SCHEDULES, *watch, *WATCHED_LAST)
    ):
        reader.read(path)
    state["files"] = reader.files
    state["schedules"] = {p: row[-1] for p, row in reader.files.items() if is_schedule(p)}
    state["services"] = listing() if listing else {}
    state["notes"] = {"unhashed": reader.unhashed}
    return state


class FileReader:
    """Rows of files by path: ``[type, mode, uid, gid, size, mtime_ns, ctime_ns, inode, content]``.

    ``type`` is f, d, l or o; ``content`` is the SHA-256 of a file, the target of a link, "" for the rest.
    """

    def __init__(self, known: dict[str, Any], contents: Contents | None = None) -> None:
        self.files: dict[str, list[Any]] = {}
        self.unhashed = 0
        self._known = known
        self._contents = contents
        self._left_bytes = HASH_BUDGET_BYTES

    def read(self, path: str) -> None:
        """Take in a file, or a folder with all that is below it; nothing where there is nothing."""
        if path in self.files:
            return
        try:
            self._add(path, os.lstat(path))
        except OSError:
            return
        if self.files.get(path, "o")[0] != "d":
            return
        try:
            with os.scandir(path) as entries:
                found = list(entries)
        except OSError:
            return
        for entry in found:
            if entry.path in NOISE:
                continue
            try:
                stat = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat_.S_ISDIR(stat.st_mode):
                self.read(entry.path)
            else:
                self._add(entry.path, stat)

    def _add(self, path: str, stat: os.stat_result) -> None:
        mode = stat.st_mode
        kind = "f" if stat_.S_ISREG(mode) else "d" if stat_.S_ISDIR(mode) else "l" if stat_.S_ISLNK(mode) else "o"
        row = [
            kind,
            mode & 0o7777,
            stat.st_uid,
            stat.st_gid,
            stat.st_size,
            stat.st_mtime_ns,
            stat.st_ctime_ns,
            stat.st_ino,
            "",
        ]
        former = self._known.get(path)
        if former and former[:8] == row[:8]:
            row[8] = former[8]
        elif kind == "l":
            row[8] = os.readlink(path)
        elif kind == "f":
            row[8] = self._content(path, stat.st_size)
        self.files[path] = row

    def _content(self, path: str, size_bytes: int) -> str:
        if size_bytes > self._left_bytes:
            self.unhashed += 1
            return ""
        self._left_bytes -= size_bytes
        try:
            if size_bytes > SMALL_FILE_BYTES:
                return sha256_of_file(path)
            fd = os.open(path, os.O_RDONLY)
            try:
                data = os.read(fd, SMALL_FILE_BYTES)
            finally:
                os.close(fd)
        except OSError:
            self.unhashed += 1
            return ""
        digest = str(sha256(data).hexdigest())
        if self._contents is not None and not path.startswith(WATCHED_LAST):
            self._contents.add(digest, data)
        return digest


def accounts(path: str, columns: Sequence[int]) -> dict[str, str]:
    """Users or groups by name, with the columns that say who they are (never a password)."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            rows = [line.rstrip("\n").split(":") for line in file]
    except OSError:
        return {}
    return {row[0]: ":".join(row[c] for c in columns if c < len(row)) for row in rows if row[0]}


def is_lasting(protocol: str, port: int) -> bool:
    """Whether a socket is a service's: an unconnected UDP socket on a port the kernel picked belongs to some client."""
    return protocol == "tcp" or port < 32768


def is_schedule(path: str) -> bool:
    """Whether a file makes something run by the clock."""
    return path.endswith(".timer") or any(path == s or path.startswith(s + "/") for s in SCHEDULES)


def start_listing(host: Host) -> Any:
    """Begin asking systemd which units are active or failed; what is returned waits for it. None without systemd.

    It is asked while the files are read, since it works in a process of its own.
    """
    if not os.path.isdir("/run/systemd/system"):
        return None
    argv = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager", "--full"]
    output, nothing = program.scratch(), program.scratch()
    try:
        pid = program.spawn(
            [*argv, "--type=service,timer,socket"],
            program.own_environment(),
            None,
            (nothing.fileno(), output.fileno(), nothing.fileno()),
        )
    except OSError:
        return None

    def answer() -> dict[str, str]:
        with output, nothing:
            if program.wait(pid, LISTING_TIMEOUT_S) is None:
                program.stop_group(pid)
                raise TimeoutError("systemctl list-units: no answer")
            output.seek(0)
            rows = [line.split(None, 4) for line in output.read().decode("utf-8", "replace").splitlines()]
        return {r[0]: r[2] for r in rows if len(r) >= 4 and r[2] in ("active", "failed") and not is_passing(r[0])}

    return answer


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


def difference(before: Snapshot, after: Snapshot) -> list[dict[str, str]]:
    """What is not as it was: ``[{kind, name, change}]``, by kind and name; ``change`` is added, removed or changed."""
    found: list[dict[str, str]] = []
    for kind in KINDS:
        old, new = before.get(kind, {}), after.get(kind, {})
        for name in sorted(old.keys() | new.keys()):
            was, now = old.get(name), new.get(name)
            if was == now or (kind == "files" and same_file(was, now)):
                continue
            if kind == "services" and is_static(name):
                continue
            change = "added" if was is None else "removed" if now is None else "changed"
            found.append({"kind": SINGULAR[kind], "name": name, "change": change})
    schedules = {row["name"] for row in found if row["kind"] == "schedule"}
    return [row for row in found if row["kind"] != "file" or row["name"] not in schedules]


def same_file(was: Any, now: Any) -> bool:
    """Whether two rows of a file mean the same: type, mode, owner and content; times and inodes may differ.

    Where the content of one was not read, size and modification time stand for it.
    """
    if was is None or now is None or was[:4] != now[:4]:
        return False
    if was[0] == "f" and not (was[8] and now[8]):
        return bool(was[4:6] == now[4:6])
    return bool(was[8] == now[8])


def counts(state: Snapshot) -> dict[str, int]:
    """How many of each kind a snapshot holds: for the record."""
    return {kind: len(state.get(kind, {})) for kind in KINDS}


def digest(state: Snapshot) -> str:
    """The SHA-256 of what a snapshot compares: equal digests, equal states."""
    import json

    compared = {kind: state.get(kind, {}) for kind in KINDS if kind != "files"}
    compared["files"] = {path: [*row[:4], row[8]] for path, row in state.get("files", {}).items()}
    return str(sha256(json.dumps(compared, sort_keys=True).encode("utf-8", "surrogateescape")).hexdigest())
