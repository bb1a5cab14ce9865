"""The state of the computer before and after, and the difference between two.

Kinds are compared by name: packages with versions, services, listening ports and so on, and files (type, mode, owner,
content) in folders that are read whole, the playbook's ``watch`` among them. Where data lies (``LISTED``) only names
are compared: what is behind a name may be large, and changes all the time. Which kinds and folders a computer has,
and what changes there by itself, its platform says (``agent.host.state``, ``agent.windows.state``). A snapshot is plain
JSON.
"""

from __future__ import annotations

from agent.digest import LARGE_BYTES, expect_bytes, sha256, sha256_of_file
from agent.host import state_of
from agent.light import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Collection, Dict, Sequence

    from agent.contents import Contents
    from agent.host import Host

    Snapshot = Dict[str, Any]

SINGULAR = {
    "packages": "package",
    "services": "service",
    "processes": "process",
    "ports": "port",
    "users": "user",
    "groups": "group",
    "schedules": "schedule",
    "autostarts": "autostart",
    "firewall": "firewall_rule",
    "variables": "variable",
    "keys": "key",
    "files": "file",
}
KINDS = tuple(SINGULAR)
"""All that there are, in the order in which differences are told. A platform has those that it knows."""
LISTED_LIMIT = 2000
"""Names in a folder; one that holds more is not compared, and counted as ``unhashed``."""
SMALL_FILE_BYTES = 256 * 1024
HASH_BUDGET_BYTES = 64 * 1024 * 1024
"""Content beyond this total is compared by size and time of change; the snapshot says how many files that concerns."""


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
    looks = state_of(host.os)
    state: Snapshot = looks.first_kinds(host, watch)
    if before is None:
        expect_bytes(LARGE_BYTES)  # /etc alone is as much, and here nothing of it is known yet
        before = {}
    reader = FileReader(looks, before.get("files", {}), contents)
    for path in looks.watched(watch):
        reader.read(path)
    state.update(looks.read_links(reader, before))
    elsewhere = looks.elsewhere(host)
    for path in looks.listed():
        reader.read_names(path, elsewhere)
    state["files"] = reader.files
    state.update(looks.last_kinds(reader.files))
    state["os"] = host.os
    state["notes"] = {"unhashed": reader.unhashed}
    return state


class FileReader:
    """Rows of files by path: ``[type, mode, uid, gid, size, mtime_ns, ctime_ns, inode, content]``.

    ``type`` is f, d, l, o, or p for a file whose content is elsewhere and would have to be fetched; ``content`` is the
    SHA-256 of a file, the target of a link, "" for the rest; None where only the name was looked at.
    """

    def __init__(self, looks: Any, known: dict[str, Any], contents: Contents | None = None) -> None:
        self.files: dict[str, list[Any]] = {}
        self.unhashed = 0
        self.known = known
        self._looks = looks
        self._contents = contents
        self._left_bytes = HASH_BUDGET_BYTES

    def read(self, path: str) -> None:
        """Take in a file, or a folder with all that is below it; nothing where there is nothing."""
        if path in self.files:
            return
        row = self._looks.row_at(path)
        if row is not None:
            self._add(path, row)

    def read_names(self, folder: str, skipped: Collection[str]) -> None:
        """Take in what stands in a folder by its names, as far as it was not read as a whole before."""
        if folder in skipped:
            return
        found = self._looks.names_in(folder)
        if len(found) > LISTED_LIMIT:
            self.unhashed += 1
            return
        for path, row in found:
            if path not in skipped and path not in self.files and not self._looks.is_noise(path):
                self.files[path] = [*row, None]

    def _add(self, path: str, row: list[Any]) -> None:
        kind = row[0]
        former = self.known.get(path)
        content = ""
        if former and former[:8] == row and former[8] is not None:
            content = former[8]
        elif kind == "l":
            content = self._looks.target_of(path)
        elif kind == "f":
            content = self._content(path, row[4])
        row.append(content)
        self.files[path] = row
        if kind == "d":
            for below, its_row in self._looks.rows_in(path):
                if below not in self.files and not self._looks.is_passed_over(below):
                    self._add(below, its_row)

    def _content(self, path: str, size_bytes: int) -> str:
        if size_bytes > self._left_bytes:
            self.unhashed += 1
            return ""
        self._left_bytes -= size_bytes
        try:
            if size_bytes > SMALL_FILE_BYTES:
                return sha256_of_file(path)
            data = self._looks.content_of(path, SMALL_FILE_BYTES)
        except OSError:
            self.unhashed += 1
            return ""
        digest = str(sha256(data).hexdigest())
        if self._contents is not None and self._looks.is_kept(path):
            self._contents.add(digest, data)
        return digest


def difference(before: Snapshot, after: Snapshot) -> list[dict[str, str]]:
    """What is not as it was: ``[{kind, name, change}]``, by kind and name; ``change`` is added, removed or changed."""
    looks = state_of(before.get("os", "linux"))
    found: list[dict[str, str]] = []
    for kind in KINDS:
        old, new = before.get(kind, {}), after.get(kind, {})
        for name in sorted(old.keys() | new.keys()):
            was, now = old.get(name), new.get(name)
            if was == now or (kind == "files" and same_file(was, now)):
                continue
            if looks.is_nothing(kind, name, was, now, before, after):
                continue
            change = "added" if was is None else "removed" if now is None else "changed"
            found.append({"kind": SINGULAR[kind], "name": name, "change": change})
    schedules = {row["name"] for row in found if row["kind"] == "schedule"}
    return [row for row in found if row["kind"] != "file" or row["name"] not in schedules]


def same_file(was: Any, now: Any) -> bool:
    """Whether two rows of a file mean the same: type, mode, owner and content; times and inodes may differ.

    Where the content of one was not read, size and modification time stand for it; where only names are compared, a
    folder must still be that folder, since one made anew has lost what was in it.
    """
    if was is None or now is None or was[:4] != now[:4]:
        return False
    if was[8] is None or now[8] is None:
        return bool(was[0] != "d" or was[7] == now[7])
    if was[0] in ("f", "p") and not (was[8] and now[8]):
        return bool(was[4:6] == now[4:6])
    return bool(was[8] == now[8])


def counts(state: Snapshot) -> dict[str, int]:
    """How many of each kind a snapshot holds: for the record."""
    return {kind: len(state[kind]) for kind in KINDS if kind in state}


def digest(state: Snapshot) -> str:
    """The SHA-256 of what a snapshot compares: equal digests, equal states."""
    compared = {kind: state[kind] for kind in KINDS if kind != "files" and kind in state}
    compared["files"] = {path: [*row[:4], row[8]] for path, row in state.get("files", {}).items()}
    return str(sha256(json.dumps(compared, sort_keys=True).encode("utf-8", "surrogateescape")).hexdigest())
