"""What installers leave behind, or change, that no undo knows of: maintainer scripts do more than their packages say.

Only what came with one of our effects is touched: the kernel's time of change lies within that effect, or, when
software is removed later, the installing run recorded it and nobody has changed it since. Nothing is lost: what is
taken away is kept in the run's folder first. What other people changed meanwhile stays, and is named as residue.
"""

from __future__ import annotations

import os
import pwd

from agent import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from agent.contents import Contents
    from agent.host import Host
    from agent.snapshot import Snapshot

SYSTEM_ID_LIMIT = 1000
"""Accounts from here on are people's; we never remove one. Source: Debian policy 9.2.2."""


class Sweep:
    """One sweep: what was done, for the record."""

    def __init__(self, host: Host, keep: str, contents: Contents) -> None:
        self.host = host
        self.keep = keep
        self.contents = contents
        self.done: dict[str, list[str]] = {"removed": [], "restored": [], "stopped": []}

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
        ours = [row for row in self._paths(residue) if within(changed_at(row["name"]), windows)]
        self._stop_stragglers()
        self._stop_units(residue, [row["name"] for row in ours if row["change"] == "added"])
        self._remove_accounts(residue, lambda path: within(changed_at(path), windows))
        for row in sorted(ours, key=lambda r: r["name"], reverse=True):
            if row["change"] == "added":
                self._remove(row["name"])
        for row in sorted(ours, key=lambda r: r["name"]):
            if row["change"] != "added":
                self._restore(row["name"], before["files"][row["name"]])
        self._settle_services(residue)
        return self.done

    def removal(
        self, residue: Sequence[dict[str, str]], now: Snapshot, installed: dict[str, Any]
    ) -> dict[str, list[str]]:
        """Take away what the installing runs added, where it is still as they left it.

        Args:
            residue: what is left of it.
            now: the state now.
            installed: by path, the content that the installing run left.
        """
        added = [
            row["name"]
            for row in self._paths(residue)
            if row["change"] == "added" and now["files"].get(row["name"], [""] * 9)[8] == installed.get(row["name"])
        ]
        self._stop_stragglers()
        self._stop_units(residue, added)
        self._remove_accounts(residue, lambda _path: True)
        for path in sorted(added, reverse=True):
            self._remove(path)
        self._settle_services(residue)
        return self.done

    def _paths(self, residue: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        return [row for row in residue if row["kind"] in ("file", "schedule")]

    def _remove(self, path: str) -> None:
        """Away with it, after a copy; a folder only when it is empty by now."""
        found = files.describe(path)
        if found["is"] == "directory":
            if path in files.remove_empty([path]):
                return
        elif found["is"] != "absent":
            files.keep(path, self.keep)
            files.remove(path)
        self.done["removed"].append(path)

    def _restore(self, path: str, row: Sequence[Any]) -> None:
        """As it was: content, mode, owner and time; left as it is where its content was not kept."""
        kind, mode, uid, gid, _, mtime_ns, _, _, content = row
        found = files.describe(path)
        if kind == "f":
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

    def _remove_accounts(self, residue: Sequence[dict[str, str]], is_ours: Any) -> None:
        """System users and groups that a maintainer script made."""
        for kind, path, command in (("user", "/etc/passwd", "userdel"), ("group", "/etc/group", "groupdel")):
            for row in residue:
                name = row["name"]
                if row["kind"] != kind or row["change"] != "added" or not is_ours(path) or not is_system(kind, name):
                    continue
                if self.host.run([command, name], timeout_s=30).ok:
                    self.done["removed"].append(kind + " " + name)

    def _settle_services(self, residue: Sequence[dict[str, str]]) -> None:
        """Failed units of software that is gone are forgotten; those that ran before run again."""
        names = [row["name"] for row in residue if row["kind"] == "service"]
        if not names:
            return
        self.host.run(["systemctl", "daemon-reload"], timeout_s=60)
        for row in residue:
            if row["kind"] != "service":
                continue
            if row["change"] == "removed":
                if self.host.run(["systemctl", "start", row["name"]], timeout_s=90).ok:
                    self.done["restored"].append(row["name"])
            else:
                self.host.run(["systemctl", "reset-failed", row["name"]], timeout_s=30)

    def _stop_units(self, residue: Sequence[dict[str, str]], going: Sequence[str]) -> None:
        """Units that run and whose files are about to go: once the file is gone, systemd would let them run on."""
        files_of = {os.path.basename(path) for path in going}
        for row in residue:
            if (row["kind"], row["change"]) != ("service", "added") or row["name"] not in files_of:
                continue
            if self.host.run(["systemctl", "stop", row["name"]], timeout_s=90).ok:
                self.done["stopped"].append(row["name"])

    def _stop_stragglers(self) -> None:
        """Programs that an installer left running by hand: they live in the unit that we were started in."""
        own = read_cgroup("self")
        if "pasang-" not in own:
            return
        import signal

        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid() and read_cgroup(name) == own:
                try:
                    os.kill(int(name), signal.SIGTERM)
                except ProcessLookupError:
                    continue
                self.done["stopped"].append("process " + name)


def within(moment: float | None, windows: Sequence[tuple[float, float]]) -> bool:
    """Whether a moment lies in one of the windows, give or take the grain of the kernel's clock."""
    return moment is not None and any(start - 0.02 <= moment <= end + 0.02 for start, end in windows)


def changed_at(path: str) -> float | None:
    """When a path was changed; for one that has vanished, when the nearest folder that is there was."""
    while path != "/":
        try:
            return os.lstat(path).st_ctime
        except OSError:
            path = os.path.dirname(path)
    return None


def is_system(kind: str, name: str) -> bool:
    """Whether an account is software's rather than a person's."""
    try:
        if kind == "user":
            return pwd.getpwnam(name).pw_uid < SYSTEM_ID_LIMIT
        import grp

        return grp.getgrnam(name).gr_gid < SYSTEM_ID_LIMIT
    except KeyError:
        return False


def read_cgroup(pid: str) -> str:
    """The control group that systemd put a process in; empty where it is gone."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return ""
    named = [line for line in lines if line.startswith(("0::", "1:name=systemd:"))]
    return max((line.split(":", 2)[2] for line in named), key=len, default="")


def windows_of(records: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
    """When the run's effects were at work, by its journal: from each intent to its effect, or until now."""
    import time

    open_: dict[tuple[int, str], float] = {}
    found = []
    for record in records:
        key = (record.get("effect", 0), record.get("verb", ""))
        if record["type"] == "intent":
            open_[key] = epoch(record["at"])
        elif record["type"] == "effect" and key in open_:
            found.append((open_.pop(key), epoch(record["at"]) + 0.001))
    return found + [(start, time.time()) for start in open_.values()]


def epoch(at: str) -> float:
    """Seconds of the epoch for a record's ``at``."""
    from datetime import datetime, timezone

    return datetime.strptime(at, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc).timestamp()
