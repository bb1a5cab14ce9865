"""One run at a time on a computer: a lock that says whose it is, since when, and until when.

The file holds the holder; ``flock`` only guards the moment of changing it. A holder counts for as long as it lives: one
whose process is gone, or from before the computer was booted, no longer holds. Handing over expires by itself.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager

from agent.host.linux import boot_id
from agent.journal import now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

HANDING_OVER_S = 30
"""How long the computer is kept for a process that has been started and has not taken the lock yet."""


class Held(Exception):
    """Somebody else holds the computer; ``holder`` says who."""

    def __init__(self, holder: dict[str, Any]) -> None:
        super().__init__("the computer is held")
        self.holder = holder


def started_at(pid: int) -> str | None:
    """When a process began, in ticks since boot; None where it is gone. Source: proc(5), stat, field 22."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def alive(holder: dict[str, Any]) -> bool:
    """Whether the holder's process still lives."""
    return (
        holder.get("boot") == boot_id()
        and holder.get("began") is not None
        and started_at(holder["pid"]) == holder["began"]
    )


def holds(holder: dict[str, Any]) -> bool:
    """Whether the holder still counts: it lives, or it has just left the computer to a process that is starting."""
    return bool(holder) and (alive(holder) or time.time() < holder.get("handed_until", 0))


@contextmanager
def changing(path: str) -> Iterator[dict[str, Any]]:
    """The lock's content, changed by nobody else meanwhile; what is in the dict at the end is written."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            holder = json.loads(os.read(fd, 65536) or b"{}")
        except ValueError:
            holder = {}
        before = dict(holder)
        yield holder
        if holder != before:
            data = json.dumps(holder).encode()
            os.lseek(fd, 0, os.SEEK_SET)
            os.ftruncate(fd, 0)
            os.write(fd, data)
    finally:
        os.close(fd)


def take(root: str, run: str, owner: str) -> None:
    """Hold the computer for a run; the same run may take it again, in the same process or a later one.

    Raises:
        Held: another run holds it, or another process of this run is at work.
    """
    with changing(os.path.join(root, "lock")) as holder:
        is_heir = holder.get("run") == run and not alive(holder)
        if holds(holder) and holder["pid"] != os.getpid() and not is_heir:
            raise Held(dict(holder))
        holder.clear()
        holder.update(
            run=run,
            owner=owner,
            since=now(),
            pid=os.getpid(),
            began=started_at(os.getpid()),
            boot=boot_id(),
        )


def hand_over(root: str) -> None:
    """Leave the computer to a process of the same run that is about to start: nobody else gets in between."""
    with changing(os.path.join(root, "lock")) as holder:
        if holder.get("pid") == os.getpid():
            holder.update(began=None, handed_until=time.time() + HANDING_OVER_S)


def release(root: str) -> None:
    """Let go of the computer, where this process holds it."""
    with changing(os.path.join(root, "lock")) as holder:
        if holder.get("pid") == os.getpid():
            holder.clear()


def read(root: str) -> dict[str, Any]:
    """Who holds the computer, or an empty dict."""
    with changing(os.path.join(root, "lock")) as holder:
        return dict(holder) if holds(holder) else {}
