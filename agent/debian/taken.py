"""Files that a new package takes over from an installed one (``Replaces``), kept before and put back when it is gone.

dpkg strikes such a file from the list of the package that had it, and removes it with the package that took it: the
first is left without. Nothing else tells of that, since its version and its state stay as they were.

Source: deb-control(5), Replaces; dpkg-divert(1): a package's file lies where a diversion put it.
"""

from __future__ import annotations

import io
import os

from agent import debian, files
from agent.debian import contents, database
from agent.light import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from agent.host.linux import LinuxHost as Host
    from agent.host.linux import Package

    Kept = list[dict[str, Any]]


def capture(replaces: Mapping[str, str], debs: Mapping[str, str], host: Host, keep: str) -> Kept:
    """Keep what the packages that will be installed may take over; empty, and for nothing, where none replaces any.

    Args:
        replaces: by the name of a package its field ``Replaces``.
        debs: by the name of a package its .deb. Where that is not here yet, any file may be taken over.
        host: the computer.
        keep: the folder for copies.

    Returns:
        For each package that may lose something ``name``, ``architecture``, ``version``, ``whole`` (it may lose all
        that it has, and dpkg then forgets it), ``list`` and ``rows``, where its files stand.

    Raises:
        OSError: something cannot be kept.
    """
    wanted: dict[str, set[str] | None] = {}
    packages = host.packages()
    for name, field in replaces.items():
        for key in _replaced(name, field, packages):
            known = wanted.get(key, set())
            deb = debs.get(name)
            wanted[key] = None if known is None or deb is None else known | contents.paths(deb)
    kept = (_keep(key.partition(":")[0], packages[key], paths, keep) for key, paths in wanted.items())
    return [row for row in kept if row]


def _replaced(name: str, field: str, packages: dict[str, Package]) -> Iterator[str]:
    """The installed packages that a package may take files from, as ``Host.packages`` calls them."""
    relations = [relation for group in debian.parse_relations(field) for relation in group if relation.name != name]
    for key, row in packages.items() if relations else ():
        if row.status in ("not-installed", "config-files"):
            continue
        for relation in relations:
            if relation.name == key.partition(":")[0] and debian.holds(
                row.version, relation.operator, relation.version
            ):
                yield key


def _keep(name: str, package: Package, paths: set[str] | None, keep: str) -> dict[str, Any] | None:
    """What one package may lose; None where it is nothing."""
    from agent.debian.repack import diverted

    moved, own = diverted(name), database.listed(name, package.architecture)
    rows, left = [], 0
    folder = os.path.join(keep, "taken")
    names = files.numbered(files.make_folder(folder))
    for path in own:
        row = files.describe(moved.get(path, path))
        if row["is"] == "directory":
            continue
        if paths is not None and path not in paths:
            left += 1
            continue
        if row["is"] == "file":  # dpkg puts its own in place of it, so that a second name is as good as a copy
            row["copy"] = files.copy_of(row["path"], next(names), links=True)
        rows.append({**row, "listed": path})
    if not rows:
        return None
    place = next(names)
    with open(place, "x", encoding="utf-8", errors="surrogateescape") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")
        file.flush()
        os.fsync(file.fileno())
    listed = files.keep(database.info(name, package.architecture, "list"), folder)
    about = {"name": name, "architecture": package.architecture, "version": package.version}
    return {**about, "whole": paths is not None and not left, "list": listed, "rows": place}


def put_back(kept: Kept, host: Host) -> list[str]:
    """Let the packages have again what was taken from them; to be called under dpkg's lock.

    What belongs to another package by now stays with that; so does all of a package that has another version by now.

    Returns:
        The paths that are back.
    """
    done: list[str] = []
    for one in _as_before(kept, host):
        now = database.listed(one["name"], one["architecture"])
        back = []
        for row in _rows(one):
            if row["listed"] in now or _owner(row["listed"]):
                continue
            if row["is"] != "absent" and not os.path.lexists(row["path"]):
                files.put_back(row)
            back.append(row["listed"])
        if not back:
            continue
        former = _lines(one)
        lines = [line for line in former if line == "/." or line in now or line in back]
        if lines == former:
            files.put_back(one["list"])
        else:
            content = "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")
            files.write(one["list"]["path"], io.BytesIO(content), mode=0o644)
        done += back
    return done


def residue(kept: Kept, host: Host) -> list[dict[str, str]]:
    """What the packages have not got back, by dpkg's own lists and by the disk: as ``snapshot.difference`` tells it."""
    found = []
    for one in _as_before(kept, host):
        now = {"/.", *database.listed(one["name"], one["architecture"])}
        gone = [row["path"] for row in _rows(one) if row["is"] != "absent" and not os.path.lexists(row["path"])]
        found += [{"kind": "file", "name": path, "change": "removed"} for path in gone]
        if any(line not in now and not _owner(line) for line in _lines(one)):
            found.append({"kind": "file", "name": one["list"]["path"], "change": "changed"})
    return found


def _as_before(kept: Kept, host: Host) -> Iterator[dict[str, Any]]:
    """Those of which the version is there that was."""
    for one in kept:
        row = database.row(host.packages(), one["name"], one["architecture"])
        if row is not None and row.version == one["version"] and row.status != "config-files":
            yield one


def _rows(one: dict[str, Any]) -> Iterable[dict[str, Any]]:
    with open(one["rows"], encoding="utf-8", errors="surrogateescape") as file:
        return [json.loads(line) for line in file]


def _lines(one: dict[str, Any]) -> list[str]:
    """The list of a package as it was."""
    with open(one["list"]["copy"], encoding="utf-8", errors="surrogateescape") as file:
        return file.read().splitlines()


def _owner(path: str) -> str | None:
    """The list of a package that has a path; None where none has."""
    folder = os.path.join(database.FOLDER, "info")
    line = f"\n{path}\n".encode("utf-8", "surrogateescape")
    for name in os.listdir(folder):
        if name.endswith(".list"):
            with open(os.path.join(folder, name), "rb") as file:
                if line in b"\n" + file.read():
                    return name
    return None
