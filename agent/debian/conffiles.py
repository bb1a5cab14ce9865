"""What dpkg remembers of conffiles: the checksum that each came with, by which it knows one that somebody edited.

Where an old version had to be packed again from the disk, dpkg takes what lies there for what came with the package,
and the next upgrade would replace what a person wrote without a word. So its memory is put back too.
"""

from __future__ import annotations

import io
import os

from agent import files
from agent.actions import ActionFailed
from agent.debian import database
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host.linux import LinuxHost as Host

WHOLE = ("installed", "config-files", "triggers-awaited", "triggers-pending")
"""States in which dpkg's checksums are those of the package, not of one that is on its way."""


def forgotten(before: list[dict[str, Any]], host: Host) -> list[dict[str, Any]]:
    """The packages that are as they were, and of whose conffiles dpkg now knows something else.

    Args:
        before: how packages were, as ``packages.capture`` keeps it.
        host: the computer.
    """
    asked = [row for row in before if row["state"] in WHOLE and "conffiles" in row]
    return [row for row in asked if is_there(row, host) and known(row) != row["conffiles"]]


def is_there(row: dict[str, Any], host: Host) -> bool:
    """Whether a package is in the version and the state that it was in."""
    now = database.row(host.packages(), row["name"], row["architecture"])
    return now is not None and (now.version, now.status) == (row["version"], row["state"])


def known(row: dict[str, Any]) -> str:
    """What dpkg has of a package's conffiles now."""
    return (database.paragraph(row["name"], row["architecture"]) or {}).get("Conffiles", "")


def remember(before: list[dict[str, Any]], host: Host) -> list[dict[str, Any]]:
    """Let dpkg know of conffiles what it knew; to be called under its lock. The evidence, by dpkg's own word.

    Raises:
        ActionFailed: dpkg does not read it as it was written; then its status is as we found it.
    """
    done: list[dict[str, Any]] = []
    for row in forgotten(before, host):
        if database.interrupted():
            break  # what dpkg still has to write down would be held against another status
        path = os.path.join(database.FOLDER, "status")
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            former = file.read()
        _write(path, database.with_conffiles(former, row["name"], row["architecture"], row["conffiles"]))
        name = row["name"] if row["architecture"] == "all" else f"{row['name']}:{row['architecture']}"
        result = host.run(["dpkg-query", "--show", "--showformat=${Conffiles}", name], timeout_s=60)
        done.append(result.evidence())
        if not result.ok or result.out.split() != row["conffiles"].split():
            _write(path, former)
            reason = text(
                f"Catatan dpkg tentang berkas konfigurasi paket {name} tidak dapat dikembalikan.",
                f"What dpkg knows of the configuration files of {name} cannot be put back.",
            )
            raise ActionFailed(reason, {"calls": done})
    return done


def _write(path: str, content: str) -> None:
    """dpkg's status, whole or not at all."""
    status = os.stat(path)
    data = io.BytesIO(content.encode("utf-8", "surrogateescape"))
    files.write(path, data, mode=status.st_mode & 0o7777, owner=(status.st_uid, status.st_gid))


def residue(before: list[dict[str, Any]], host: Host) -> list[dict[str, str]]:
    """dpkg's status, where it says something else of conffiles than before: as ``snapshot.difference`` tells it."""
    path = os.path.join(database.FOLDER, "status")
    return [{"kind": "file", "name": path, "change": "changed"}] if forgotten(before, host) else []
