"""What installers leave behind, or change, that no undo knows of: maintainer scripts do more than their packages say.

Only what came with one of our effects is touched: the kernel's time of change lies within that effect, or, when
software is removed later, the installing run recorded it and nobody has changed it since. Nothing is lost: what is
taken away is kept in the run's folder first. What other people changed meanwhile stays, and is named as residue.

A folder of data goes as a whole or not at all: what was on the computer before us may have been moved there.
"""

from __future__ import annotations

import os
import pwd

from agent import accounts, files, snapshot
from agent.host.state import UNIT_FOLDERS, is_listed
from agent.moments import GRAIN_S, within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Callable

    from agent.contents import Contents
    from agent.host import Host
    from agent.snapshot import Snapshot

SYSTEM_ID_LIMIT = 1000
"""Accounts from here on are people's; we never remove one. Source: Debian policy 9.2.2."""
OVERRIDES = "/var/lib/dpkg/statoverride"
"""A line each: user, group, mode, path. Source: dpkg-statoverride(1)."""


class Sweep:
    """One sweep: what was done, for the record."""

    def __init__(self, host: Host, keep: str, contents: Contents, runs: Sequence[str] = ()) -> None:
        self.host = host
        self.keep = keep
        self.contents = contents
        self.runs = runs
        """The folders of the runs whose programs may be at work still."""
        self.done: dict[str, list[str]] = {"removed": [], "restored": [], "stopped": []}

    def is_due(self, windows: Sequence[tuple[float, float]]) -> bool:
        """Whether something is left that no residue tells of: programs at work, or what systemd still holds for true.

        Args:
            windows: when our effects were at work: seconds of the epoch, from and to.
        """
        from agent.host import stragglers, systemd

        if stragglers.find(self.runs):
            return True
        return bool(windows and units_changed(min(windows)[0]) and systemd.stale())

    def rollback(
        self, residue: Sequence[dict[str, str]], before: Snapshot, windows: Sequence[tuple[float, float]]
    ) -> dict[str, list[str]]:
        """Take back what our own effects left or changed.

        Args:
            residue: as ``snapshot.difference`` gives it.
            before: the state to come back to.
            windows: when our effects were at work: seconds of the epoch, from and to.
        """

        # Asked before anything is taken away, since that changes the folders above it.
        known = uids_of(before)

        def is_ours(path: str, *, new: bool) -> bool:
            if new and is_listed(path):
                return came_with(path, windows, is_stranger=lambda uid: uid < SYSTEM_ID_LIMIT and uid not in known)
            return within(changed_at(path), windows)

        ours = [row for row in self._paths(residue) if is_ours(row["name"], new=row["change"] == "added")]
        kinds = [kind for kind, paths in accounts.FILES.items() if any(is_ours(path, new=False) for path in paths)]
        self._stop_stragglers()
        self._stop_units(residue, [row["name"] for row in ours if row["change"] == "added"])
        for row in sorted(ours, key=lambda r: r["name"], reverse=True):
            if row["change"] == "added":
                self._remove(row["name"])
        for row in sorted(ours, key=lambda r: r["name"]):
            if row["change"] != "added":
                self._restore(row["name"], before["files"][row["name"]])
        self._remove_accounts([row for row in residue if row["kind"] in kinds], self._owners(residue))
        self._restore_accounts([row for row in residue if row["kind"] in kinds], before)
        self._settle_services([*residue, *self._reload(before)], before)
        return self.done

    def removal(
        self,
        residue: Sequence[dict[str, str]],
        before: Snapshot,
        now: Snapshot,
        *,
        installed: dict[str, Any],
        windows: Sequence[tuple[float, float]],
        removing: Sequence[tuple[float, float]],
    ) -> dict[str, list[str]]:
        """Take away what the installing runs added, where it is still as they left it.

        Args:
            residue: what is left of it.
            before: the state before the first of them.
            now: the state now.
            installed: by path, the content that the installing run left.
            windows: when their effects were at work: seconds of the epoch, from and to.
            removing: when those of this run were, which empty folders.
        """

        def is_as_left(path: str) -> bool:
            if is_listed(path):  # what a service has written since then is its users'
                return came_with(path, windows, folder_windows=removing)
            return bool(now["files"].get(path, [""] * 9)[8] == installed.get(path))

        added = [r["name"] for r in self._paths(residue) if r["change"] == "added" and is_as_left(r["name"])]
        self._stop_stragglers()
        self._stop_units(residue, added)
        for path in sorted(added, reverse=True):
            self._remove(path)
        self._remove_accounts(residue, self._owners(residue))
        self._settle_services([*residue, *self._reload(before)], before)
        return self.done

    def _paths(self, residue: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        return [row for row in residue if row["kind"] in ("file", "schedule")]

    def _remove(self, path: str) -> None:
        """Away with it, after a copy; a folder only when it is empty by now, or of data."""
        found = files.describe(path)
        if found["is"] == "directory" and not is_listed(path):
            if path in files.remove_empty([path]):
                return
        elif found["is"] != "absent":
            files.keep(path, self.keep, links=True)
            files.remove(path)
        self.done["removed"].append(path)

    def _restore(self, path: str, row: Sequence[Any]) -> None:
        """As it was: content, mode, owner and time; left as it is where its content was not kept."""
        kind, mode, uid, gid, _, mtime_ns, _, inode, content = row
        found = files.describe(path)
        if content is None and (found["is"] == "absent" or os.lstat(path).st_ino != inode):
            return  # an empty folder would pass for the data that is lost
        if found["is"] != "absent" and (content is None or path in accounts.ALL_FILES):
            os.chown(path, uid, gid, follow_symlinks=False)
            if kind != "l":
                os.chmod(path, mode)
        elif kind == "f":
            data = self.contents.read(content)
            if data is None or found["is"] == "directory":
                return
            if found["is"] != "absent":
                files.keep(path, self.keep)
            import io

            files.write(path, io.BytesIO(data), mode=mode, owner=(uid, gid))
            os.utime(path, ns=(mtime_ns, mtime_ns))
        elif kind == "l" and found["is"] != "directory":
            files.write_link(path, content)
            os.chown(path, uid, gid, follow_symlinks=False)
        elif kind == "d" and found["is"] in ("absent", "directory"):
            os.makedirs(path, exist_ok=True)
            os.chown(path, uid, gid)
            os.chmod(path, mode)
        else:
            return
        self.done["restored"].append(path)

    def _owners(self, residue: Sequence[dict[str, str]]) -> tuple[set[int], set[int]]:
        """Users and groups by number that own what is still there of the residue."""
        uids, gids = set(), set()
        for row in self._paths(residue):
            for stat in tree(row["name"]):
                uids.add(stat.st_uid)
                gids.add(stat.st_gid)
        return uids, gids

    def _remove_accounts(self, residue: Sequence[dict[str, str]], owners: tuple[set[int], set[int]]) -> None:
        """System users and groups that a maintainer script made; never one whose number the next account would take
        over together with its files.
        """
        for kind, command, owning in (("user", "userdel", owners[0]), ("group", "groupdel", owners[1])):
            for row in residue:
                name = row["name"]
                if row["kind"] != kind or row["change"] != "added":
                    continue
                number = number_of(kind, name)
                if number is None or number >= SYSTEM_ID_LIMIT or number in owning:
                    continue
                self._remove_overrides(kind, name)
                if self.host.run([command, name], timeout_s=30).ok:
                    self.done["removed"].append(kind + " " + name)

    def _restore_accounts(self, residue: Sequence[dict[str, str]], before: Snapshot) -> None:
        """Accounts that were there before: their lines as they were."""

        def former(path: str) -> bytes | None:
            row = before["files"].get(path)
            return self.contents.read(row[8]) if row else None

        for kind in accounts.FILES:
            names = [row["name"] for row in residue if row["kind"] == kind and row["change"] != "added"]
            if names:
                accounts.put_back(kind, names, former)
                self.done["restored"] += [f"{kind} {name}" for name in names]

    def _remove_overrides(self, kind: str, name: str) -> None:
        """What ``dpkg-statoverride`` keeps for an account: dpkg refuses all work while one names nobody it knows."""
        try:
            with open(OVERRIDES, encoding="utf-8", errors="surrogateescape") as file:
                rows = [line.rstrip("\n").split(" ", 3) for line in file]
        except FileNotFoundError:
            return
        for row in rows:
            if len(row) < 4 or row[kind == "group"] != name:
                continue
            if self.host.run(["dpkg-statoverride", "--remove", row[3]], timeout_s=30).ok:
                self.done["removed"].append("statoverride " + row[3])

    def _settle_services(self, residue: Sequence[dict[str, str]], before: Snapshot) -> None:
        """Services of software that is gone are stopped and forgotten; those that ran before run again."""
        names = list(dict.fromkeys(row["name"] for row in residue if row["kind"] == "service"))
        if not names:
            return
        gone = self.host.services.forget([name for name in names if name not in before["services"]])["gone"]
        for name in names:
            if before["services"].get(name) in ("active", "reloading"):
                if self.host.run(["systemctl", "start", name], timeout_s=90).ok:
                    self.done["restored"].append(name)
            elif name in gone:
                self.done["stopped"].append(name)
            else:
                self.host.run(["systemctl", "reset-failed", name], timeout_s=30)

    def _stop_units(self, residue: Sequence[dict[str, str]], going: Sequence[str]) -> None:
        """Units that run and whose files are about to go: once the file is gone, systemd would let them run on."""
        files_of = {os.path.basename(path) for path in going}
        for row in residue:
            if (row["kind"], row["change"]) != ("service", "added") or row["name"] not in files_of:
                continue
            if self.host.run(["systemctl", "stop", row["name"]], timeout_s=90).ok:
                self.done["stopped"].append(row["name"])

    def _stop_stragglers(self) -> None:
        """Programs that an installer left running by hand."""
        from agent.host import stragglers

        self.done["stopped"] += stragglers.stop(stragglers.find(self.runs))

    def _reload(self, before: Snapshot) -> list[dict[str, str]]:
        """What systemd has read of units whose files are gone, or are as before again, it is made to forget.

        Returns:
            The services that are not as before by then, as residue: one that was masked while it ran may have failed.
        """
        from agent.host import state, systemd
        from agent.host.bus import BusError

        units = systemd.stale() if self.host is not None else []
        if not units:
            return []
        try:
            systemd.reload()
        except BusError:
            return []  # the next snapshot tells
        self.done["restored"] += ["daemon-reload " + unit for unit in units]
        now = {"services": state.services()}
        rows = snapshot.difference({"services": before["services"]}, now)
        return [row for row in rows if row["name"] in before["services"]]


def units_changed(since: float) -> bool:
    """Whether names in the folders of units, or in those beside a unit, came, went or changed since a moment."""
    for folder in UNIT_FOLDERS:
        for place in (folder, *(path for path in files_in(folder) if path.endswith((".d", ".wants", ".requires")))):
            try:
                if os.stat(place).st_mtime >= since - GRAIN_S:
                    return True
            except OSError:
                continue
    return False


def files_in(folder: str) -> list[str]:
    """The paths of what stands in a folder; none where it is not there."""
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError:
        return []


def changed_at(path: str) -> float | None:
    """When a path was changed; for one that has vanished, when the nearest folder that is there was."""
    while path != "/":
        try:
            return os.lstat(path).st_ctime
        except OSError:
            path = os.path.dirname(path)
    return None


def came_with(
    path: str,
    windows: Sequence[tuple[float, float]],
    *,
    folder_windows: Sequence[tuple[float, float]] = (),
    is_stranger: Callable[[int], bool] = lambda _uid: False,
) -> bool:
    """Whether all of a tree of data came with effects of ours.

    Args:
        path: its root.
        windows: when the effects were at work.
        folder_windows: when something may have been taken out of its folders.
        is_stranger: whether a user, by number, is one that came with the software too: what is theirs may have been
            written at any time since the first effect.
    """
    import stat as stat_

    first = min((start for start, _ in windows), default=0.0) - GRAIN_S
    for stat in tree(path):
        if stat.st_ctime < first:
            return False
        is_folder = stat_.S_ISDIR(stat.st_mode)
        if within(stat.st_ctime, windows) or (is_folder and within(stat.st_ctime, folder_windows)):
            continue
        if not is_stranger(stat.st_uid):
            return False
    return bool(windows)


def tree(path: str) -> Iterator[os.stat_result]:
    """What stands at a path and below it; nothing where nothing does."""
    try:
        stat = os.lstat(path)
    except OSError:
        return
    yield stat
    if os.path.isdir(path) and not os.path.islink(path):
        for name in files.below(path):
            try:
                yield os.lstat(name)
            except FileNotFoundError:
                continue  # it went meanwhile


def uids_of(snapshot: Snapshot) -> set[int]:
    """The users of a snapshot by number."""
    return {0, *(int(row.split(":", 1)[0]) for row in snapshot.get("users", {}).values())}


def number_of(kind: str, name: str) -> int | None:
    """The number of a user or group; None where it is gone."""
    try:
        if kind == "user":
            return pwd.getpwnam(name).pw_uid
        import grp

        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
