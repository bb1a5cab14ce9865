"""What a computer of the lab really is: read from outside, with dpkg, systemctl, ss and the disk itself.

Nothing here uses the product, so that a test which compares two read-outs does not take the product's word.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.lab.hosts import Host

FOLDERS = ("/etc", "/home", "/opt", "/root", "/srv", "/usr", "/var")

# Changes on a computer that nobody touches.
LIVES = ("/var/log/journal*", "/var/lib/systemd/*", "/var/lib/private", "/var/tmp/systemd-private-*", "/var/log/btmp",
         "/var/log/wtmp", "/var/log/lastlog", "/etc/resolv.conf", "/var/lib/lastlog*", "/var/lib/wtmpdb*")  # fmt: skip

# What dpkg, debconf and useradd write for themselves whenever anything is installed, and keep when it is purged.
DPKG_TRACES = ("/var/lib/dpkg/*", "/var/log/dpkg.log", "/var/log/alternatives.log", "/var/log/apt/*",
               "/var/cache/debconf/*", "/var/cache/ldconfig/*", "/etc/ld.so.cache", "/etc/*-", "/var/lib/apt/*",
               "/var/cache/apt/*", "/var/lib/systemd/deb-systemd-*")  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One file of a tree.

    Attributes:
        kind: "file", "folder", "link" or "other".
        mode: the permission bits.
        content: the SHA-256 in hex of a file, the target of a link, otherwise empty.
    """

    kind: str
    mode: int
    uid: int
    gid: int
    size_bytes: int
    content: str


@dataclass(frozen=True)
class Readout:
    """Everything of a computer that an installation may change and a way back must put back."""

    packages: dict[str, str]  # name -> "version status"
    units: dict[str, str]  # unit file -> enabled, disabled, static, masked …
    active: dict[str, str]  # services, sockets and timers that are loaded -> active/running, failed/failed …
    ports: dict[str, str]  # "tcp 0.0.0.0:22" -> names of the processes
    people: dict[str, str]  # "user petugas", "group users" -> the rest of the line
    files: dict[str, Entry]

    def difference(self, after: Readout, *, ignore: Iterable[str] = (*LIVES, *DPKG_TRACES)) -> dict[str, str]:
        """Return what `after` has differently: "package nginx" -> "added", "removed" or "changed"; empty if nothing.

        Args:
            after: the later read-out of the same computer.
            ignore: glob patterns of files that do not count.
        """
        found: dict[str, str] = {}
        for word, was, became in (
            ("package", self.packages, after.packages),
            ("unit", self.units, after.units),
            ("active", self.active, after.active),
            ("port", self.ports, after.ports),
            ("people", self.people, after.people),
        ):
            found |= {f"{word} {name}": change for name, change in changes(was, became).items()}
        for path, change in changes(self.files, after.files).items():
            if not any(fnmatch.fnmatch(path, pattern) for pattern in ignore):
                found[path] = change
        return found


def read(host: Host, folders: Iterable[str] = FOLDERS) -> Readout:
    """Read a computer that is on; files only under `folders`."""
    return Readout(
        packages=packages(host),
        units=_table(host, ["list-unit-files", "--full"], value=slice(1, 2)),
        active=_table(
            host, ["list-units", "--all", "--plain", "--full", "--type=service,socket,timer"], value=slice(2, 4)
        ),
        ports=ports(host),
        people=people(host),
        files=tree(host, folders),
    )


def packages(host: Host) -> dict[str, str]:
    """The packages dpkg knows: name -> version and status, such as "1.22.1-9 install ok installed"."""
    rows = host.run(["dpkg-query", "--show", "--showformat=${Package}\t${Version} ${Status}\n"]).stdout.splitlines()
    return {name: rest for name, _, rest in (row.partition("\t") for row in rows) if "not-installed" not in rest}


def ports(host: Host) -> dict[str, str]:
    """What listens: "tcp 0.0.0.0:22" -> the names of the processes, sorted."""
    found: dict[str, set[str]] = {}
    for row in host.run(
        ["ss", "--no-header", "--listening", "--numeric", "--tcp", "--udp", "--processes"]
    ).stdout.splitlines():
        fields = row.split()
        names = found.setdefault(f"{fields[0]} {fields[4]}", set())
        names.update(part for number, part in enumerate(" ".join(fields[6:]).split('"')) if number % 2)
    return {port: " ".join(sorted(names)) for port, names in found.items()}


def people(host: Host) -> dict[str, str]:
    """The users and groups of the computer itself."""
    found = {}
    for kind, file in (("user", "passwd"), ("group", "group")):
        for line in (host.root / "etc" / file).read_text().splitlines():
            name, _, rest = line.partition(":")
            found[f"{kind} {name}"] = rest
    return found


def tree(host: Host, folders: Iterable[str] = FOLDERS) -> dict[str, Entry]:
    """Everything under `folders` on the computer's disk, by absolute path; a folder that is not there has no entry.

    Read on the overlay from outside: the computer may be off, and what it has mounted over its disk is not seen.
    """
    root, (written, base) = str(host.root), host.layers
    found: dict[str, Entry] = {}
    for folder in folders:
        top = root + folder
        if not os.path.lexists(top):
            continue
        found[folder] = _entry(top, folder, written, base)
        for parent, names, files in os.walk(top):
            inside = parent.removeprefix(root)
            for name in (*names, *files):
                found[f"{inside}/{name}"] = _entry(f"{parent}/{name}", f"{inside}/{name}", written, base)
    return found


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, str]:
    """Return name -> "added", "removed" or "changed", sorted by name."""
    found = {name: "changed" for name in before.keys() & after.keys() if before[name] != after[name]}
    found |= dict.fromkeys(after.keys() - before.keys(), "added")
    found |= dict.fromkeys(before.keys() - after.keys(), "removed")
    return dict(sorted(found.items()))


def _entry(path: str, inside: str, written: Path, base: Path) -> Entry:
    status = os.lstat(path)
    kind, content, size_bytes = "other", "", 0
    if stat.S_ISLNK(status.st_mode):
        kind, content = "link", os.readlink(path)
    elif stat.S_ISDIR(status.st_mode):
        kind = "folder"
    elif stat.S_ISREG(status.st_mode):
        kind, size_bytes = "file", status.st_size
        content = _base_digest(status, inside, written, base) or _digest(path)
    return Entry(kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, size_bytes, content)


def _base_digest(status: os.stat_result, inside: str, written: Path, base: Path) -> str | None:
    """The digest of a file that the computer has not touched, which is read once for all computers; otherwise None."""
    if os.path.lexists(f"{written}{inside}"):
        return None
    try:
        below = os.lstat(f"{base}{inside}")
    except OSError:  # its folder was renamed
        return None
    if (below.st_ino, below.st_size, below.st_mtime_ns) != (status.st_ino, status.st_size, status.st_mtime_ns):
        return None
    return _digest_once(f"{base}{inside}", below.st_mtime_ns)


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _digest_once(path: str, modified_ns: int) -> str:
    """The digest of a file of a base; bases are never written to."""
    return _digest(path)


def _table(host: Host, argv: list[str], *, value: slice) -> dict[str, str]:
    rows = host.run(["systemctl", "--no-legend", "--no-pager", *argv]).stdout.splitlines()
    return {row.split()[0]: "/".join(row.split()[value]) for row in rows if row.strip()}
