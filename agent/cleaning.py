"""What the agent keeps on the computer, removed by age or by hand."""

from __future__ import annotations

import os
import time

import agent
from agent.host import boot, brought
from agent.light import json


def clean(root: str, *, keep_days: float, everything: bool) -> int:
    """Remove payloads, old agents and finished runs that nobody has used for ``keep_days``; the bytes that went.

    What installed software needs for its way back stays, unless ``everything`` is to go.
    """
    before_bytes = size_of(root)
    runs = os.path.join(root, "runs")
    if everything:
        for name in names_in(runs):
            boot.forget(os.path.join(runs, name))
        for name in os.listdir(root):
            if name != "lock":
                remove(os.path.join(root, name))
        brought.give_up(root)
        return before_bytes - size_of(root)
    kept = runs_of_installed(root)
    if keep_days <= 0 and all(is_ended(os.path.join(runs, name)) for name in names_in(runs)):
        brought.give_up(root)  # runs that sleep go on with it
    oldest = time.time() - keep_days * 86400
    running = agent.__spec__.origin if agent.__spec__ else None
    for folder in ("blobs", "agent", "psutil", "runs"):
        base = os.path.join(root, folder)
        for name in names_in(base):
            path = os.path.join(base, name)
            is_old = os.lstat(path).st_mtime < oldest
            if is_old and path not in kept and path != running and (folder != "runs" or is_ended(path)):
                remove(path)
    return before_bytes - size_of(root)


def names_in(folder: str) -> list[str]:
    """What a folder holds; nothing where there is none."""
    return os.listdir(folder) if os.path.isdir(folder) else []


def is_ended(folder: str) -> bool:
    """Whether a run came to its end."""
    try:
        with open(os.path.join(folder, "journal.ndjson"), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 65536))
            return b'"type":"run_ended"' in file.read()
    except OSError:
        return True


def runs_of_installed(root: str) -> set[str]:
    """The folders of runs whose undo log is still needed."""
    found: set[str] = set()
    base = os.path.join(root, "installed")
    for name in names_in(base):
        try:
            with open(os.path.join(base, name), encoding="utf-8") as file:
                found.update(run["folder"] for run in json.load(file)["runs"])
        except (OSError, ValueError, KeyError):
            continue
    return found


def size_of(root: str) -> int:
    """The bytes of all files below a folder."""
    return sum(os.lstat(os.path.join(f, n)).st_size for f, _, names in os.walk(root) for n in names)


def remove(path: str) -> None:
    """Remove a file or a tree; nothing where there is neither."""
    if os.path.isdir(path) and not os.path.islink(path):
        import shutil  # on most days nothing is old

        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        os.unlink(path)
