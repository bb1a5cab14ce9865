"""The version that a set-up program replaces: its own set-up, where an earlier run of ours brought it."""

from __future__ import annotations

import os
import shutil

from agent.actions import ActionFailed, Detection
from agent.digest import sha256_of_file
from agent.kept import load
from agent.protocol import text
from agent.windows import installers, programs, removal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host


def keep(spec: dict[str, Any], found: Detection, host: Host, folder: str) -> dict[str, Any]:
    """What brings the version before back.

    Raises:
        ActionFailed: nothing does, and the playbook does not allow that (``replace``).
    """
    now = removal.listed(host)
    for note in notes(host):
        if not is_of(note, spec["detect"]):
            continue
        entries = [row for row in note.get("entries") or [] if row in now]
        blob = host.blob(note.get("digest") or "-")
        if not entries or not os.path.isfile(blob) or note["digest"] == host.payload(spec["payload"])["digest"]:
            continue
        target = os.path.join(folder, os.path.basename(note["file"]))
        os.makedirs(folder, exist_ok=True)
        shutil.copyfile(blob, target)
        if sha256_of_file(target) == note["digest"]:
            return {**note, "entries": entries, "setup": target, "found": str(found.found)}
    if not spec.get("replace"):
        reason = text(
            f"{found.found} sudah terpasang, dan Pasang tidak memiliki pemasangnya untuk mengembalikannya."
            " Lepas dahulu, atau tulis replace: true di playbook.",
            f"{found.found} is installed, and Pasang does not have its set-up to bring it back."
            " Remove it first, or write replace: true in the playbook.",
        )
        raise ActionFailed(reason)
    return {"found": str(found.found), "entries": now, "setup": None}


def is_of(note: dict[str, Any], detect: dict[str, Any]) -> bool:
    """Whether what is remembered is of the software that is looked for."""
    name = detect.get("program")
    if name:
        return any(programs.is_named(row[3], name) for row in note["entries"])
    about = ("file", "registry", "service")
    return [detect.get(word) for word in about] == [(note.get("detect") or {}).get(word) for word in about]


def notes(host: Host) -> list[dict[str, Any]]:
    """What is remembered of every set-up that ran here."""
    folder = os.path.join(host.root, "installers")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [note for note in (load(os.path.join(folder, name)) for name in names) if note and note.get("entries")]


def is_there(before: dict[str, Any], host: Host) -> bool:
    """Whether the version before still stands, untouched as far as its entries tell."""
    now = removal.listed(host)
    return bool(before["entries"]) and all(row in now for row in before["entries"])


def bring_back(before: dict[str, Any] | None, entry: dict[str, Any], host: Host, evidence: dict[str, Any]) -> None:
    """Install the version before again.

    Raises:
        ActionFailed: nobody can, or it did not come back.
    """
    if before is None:
        return
    if not before["setup"]:
        reason = text(
            f"{before['found']} yang digantikan tidak dapat dikembalikan: pemasangnya tidak dimiliki.",
            f"{before['found']} that was replaced cannot be brought back: its set-up is not at hand.",
        )
        raise ActionFailed(reason, evidence)
    if sha256_of_file(before["setup"]) != before["digest"]:
        reason = text("Pemasang versi sebelumnya rusak.", "The set-up of the version before is damaged.")
        raise ActionFailed(reason, evidence)
    path = os.path.join(host.root, "work", before["digest"][:16], os.path.basename(before["setup"]))
    installers.place(before["setup"], path, before["digest"], os.path.basename(path))
    argv = [path, *before["silent"]]
    try:
        said, call = installers.call(host, argv, maker=before["maker"], timeout_s=entry["timeout_s"])
    finally:
        installers.unlink(path)
    evidence["calls"].append(call)
    if not is_there(before, host):
        why = installers.reason_of(said, call)
        reason = text(
            f"{before['found']} tidak dapat dikembalikan: {why['id']}",
            f"{before['found']} cannot be brought back: {why['en']}",
        )
        raise ActionFailed(reason, evidence)
    kept = {key: before.get(key) for key in ("digest", "file", "silent", "maker", "detect", "entries")}
    installers.note(host, before["digest"], kept)
