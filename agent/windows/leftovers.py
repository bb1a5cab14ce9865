"""What installers leave behind on Windows, or change, that no undo knows of.

More happens at once on a desktop than on a server: programs renew themselves, and people work. So a moment within one
of our effects is not enough here. What goes must also be new since the state before, from its topmost folder (or key)
on; stand where installers put what is their software's own; be owned by whoever our installers run as, in every file
of it; and be named by no program, service or start that is still there. Empty folders and keys that came with our
effects go wherever they stand. Of what is taken away a copy is kept in the run's folder first. Everything else is
named as residue: ``docs/decisions/0073-the-state-of-a-windows-computer.md``.
"""

from __future__ import annotations

import ntpath
import os

from agent import files
from agent.moments import within
from agent.windows import disk, keys, kinds, owners, registry, scm, state, stragglers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from agent.contents import Contents
    from agent.snapshot import Snapshot
    from agent.windows.host import WindowsHost

    Windows = Sequence[tuple[float, float]]
    Residue = Sequence[dict[str, str]]

STOPPING_S, STARTING_S = 30.0, 90.0


class Sweep:
    """One sweep: what was done, for the record."""

    def __init__(self, host: WindowsHost, keep: str, contents: Contents) -> None:
        self.host = host
        self.keep = keep
        self.contents = contents
        self.done: dict[str, list[str]] = {"removed": [], "restored": [], "stopped": []}

    def is_due(self, windows: Windows) -> bool:  # noqa: ARG002 - of the contract
        """Whether something is left that no residue tells of: programs at work that ours have started."""
        return bool(stragglers.find())

    def rollback(self, residue: Residue, before: Snapshot, windows: Windows) -> dict[str, list[str]]:
        """Take back what our own effects left or changed: see ``agent.leftovers.Sweep.rollback``."""
        self.done["stopped"] += stragglers.stop()
        self._remove_services(residue, windows)
        self._remove_files(residue, windows)
        for row in sorted(residue, key=lambda r: r["name"]):
            if row["kind"] == "file" and row["change"] != "added" and within(disk.changed_at(row["name"]), windows):
                self._restore(row["name"], before["files"][row["name"]])
        self._remove_keys(residue, windows)
        self._start_again(residue, before)
        return self.done

    def removal(
        self,
        residue: Residue,
        before: Snapshot,
        now: Snapshot,
        *,
        installed: dict[str, Any],
        windows: Windows,
        removing: Windows,
    ) -> dict[str, list[str]]:
        """Take away what the installing runs added and nobody has touched since: see ``agent.leftovers.Sweep.removal``.

        What removing it changed is the folders that it emptied, and so is dated within ``removing``.
        """
        self.done["stopped"] += stragglers.stop()
        both = [*windows, *removing]
        self._remove_services(residue, both)
        changed = {path for path, row in now["files"].items() if installed.get(path) not in (None, "", row[8])}
        self._remove_files([row for row in residue if row["name"] not in changed], windows, removing)
        self._remove_keys(residue, both)
        self._start_again(residue, before)
        return self.done

    def _remove_files(self, residue: Residue, windows: Windows, removing: Windows = ()) -> None:
        """New trees that are wholly ours, and new folders with nothing in them."""
        added = sorted(row["name"] for row in residue if (row["kind"], row["change"]) == ("file", "added"))
        if not added:
            return
        installers, used = owners.installers(), [path.lower() for path in named_paths(self.host)]
        for root in topmost(added, ntpath.dirname):
            rows = list(tree(root))
            if not all(came_with(row, windows, removing) for _, row in rows):
                continue
            is_empty = all(row[0] == "d" for _, row in rows)
            is_own = state.places.is_new_place(root) and not is_named(root, used)
            if is_empty or (is_own and all(owners.owner_of(path) in installers for path, _ in rows)):
                self._remove(root)

    def _remove(self, path: str) -> None:
        """Away with it, after a copy; what somebody holds open stays, and is named."""
        try:
            files.keep(path, self.keep, links=True)
            files.remove(path)
        except OSError:
            return
        self.done["removed"].append(path)

    def _restore(self, path: str, row: Sequence[Any]) -> None:
        """A file whose content was kept, as it was; a folder that is gone, empty."""
        kind, _, _, _, _, mtime_ns, _, _, content = row
        if kind == "d" and content is not None and not os.path.lexists(path):
            os.makedirs(path)
        elif kind == "f" and content:
            data, found = self.contents.read(content), files.describe(path)
            if data is None or found["is"] not in ("absent", "file"):
                return
            import io

            if found["is"] == "file":
                files.keep(path, self.keep)
            files.write(path, io.BytesIO(data), mode=0o644, former=found)
            os.utime(path, ns=(mtime_ns, mtime_ns))
        else:
            return
        self.done["restored"].append(path)

    def _remove_services(self, residue: Residue, windows: Windows) -> None:
        """Services that our effects made and whose program is gone: stopped and forgotten."""
        for row in residue:
            if (row["kind"], row["change"]) != ("service", "added"):
                continue
            name = row["name"]
            key = f"{kinds.SERVICES}\\{name}"
            config = scm.config(name)
            if config is None or not within(keys.written_at(key), windows):
                continue
            if os.path.exists(kinds.program_of(config.command, state.places.windows)):
                continue
            try:
                if scm.stop(name):
                    scm.wait(name, ("stopped",), STOPPING_S)
                    self.done["stopped"].append(name)
            except OSError:
                self.done["stopped"].append(name + " ?")  # it takes no orders, and ends with the computer
            self._keep_key(key)
            if scm.delete(name):
                self.done["removed"].append("service " + name)

    def _start_again(self, residue: Residue, before: Snapshot) -> None:
        """Services that were to run all the time and did, and that something has stopped."""
        for row in residue:
            name, was = row["name"], before.get("services", {}).get(row["name"], "")
            if row["kind"] != "service" or "running" not in was.split():
                continue
            status = scm.status(name)
            try:
                if status is None or status.state != "stopped" or not scm.start(name):
                    continue
                status = scm.wait(name, ("running", "stopped"), STARTING_S)
            except OSError:
                continue  # it cannot be started: it is named
            if status is not None and status.state == "running":
                self.done["restored"].append("service " + name)

    def _remove_keys(self, residue: Residue, windows: Windows) -> None:
        """New keys of a maker that was not there before, and new keys with nothing in them."""
        added = sorted(row["name"] for row in residue if (row["kind"], row["change"]) == ("key", "added"))
        for root in topmost(added, lambda key: key.rpartition("\\")[0]):
            every = list(keys.below(root))
            if not every or not all(within(keys.written_at(key), windows) for key in every):
                continue
            is_makers = root.rpartition("\\")[0] in kinds.SOFTWARES
            if is_makers or not any(registry.values(key) for key in every):
                self._keep_key(root)
                if registry.delete_key(root):
                    self.done["removed"].append(root)

    def _keep_key(self, key: str) -> None:
        """A copy, for whoever misses it."""
        from agent.digest import sha256
        from agent.kept import save

        name = str(sha256(key.encode("utf-8", "surrogatepass")).hexdigest())[:16]
        save(os.path.join(self.keep, f"key-{name}.json"), registry.keep(key))


def topmost(names: Sequence[str], above: Any) -> Iterator[str]:
    """Those of several names (in order) that do not stand below another of them."""
    known = set(names)
    for name in names:
        place = above(name)
        while place not in known and place != above(place):
            place = above(place)
        if place not in known:
            yield name


def tree(path: str) -> Iterator[tuple[str, list[Any]]]:
    """What stands at a path and below it, as it is by now, with its rows; no link is followed."""
    row = disk.row_at(path)
    if row is None:
        return
    yield path, row
    if row[0] == "d":
        for below, _ in disk.rows_in(path):
            yield from tree(below)


def came_with(row: Sequence[Any], windows: Windows, removing: Windows) -> bool:
    """Whether something was last changed by our effects; a folder also by what was taken out of it."""
    moment = row[6] / 1e9 if row[6] else None
    return within(moment, windows) or (row[0] == "d" and within(moment, removing))


def named_paths(host: WindowsHost) -> list[str]:
    """Every text in which a program, service or start that is there now may name where it lies."""
    found = []
    for program in host.programs():
        found += [program.location, program.uninstall, program.quiet]
    found += [str(row.get("imagepath") or "") for row in kinds.service_rows()[0].values()]
    found += kinds.commands_at_start()
    return [text for text in found if text]


def is_named(root: str, texts: Sequence[str]) -> bool:
    """Whether one of several texts, in small letters, names a path or something below it."""
    wanted = root.lower()
    for text in texts:
        place = text.find(wanted)
        if place >= 0 and text[place + len(wanted) : place + len(wanted) + 1] in ("", "\\", '"', " ", ",", ";"):
            return True
    return False
