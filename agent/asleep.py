"""A run that waits: for a person, or for the hour in which the computer may be rebooted. What ends the wait.

The process that waits holds no journal open. While it sleeps a mark lies in the run's folder, so that a contact that
brings what is waited for leaves it to that process to go on.
"""

from __future__ import annotations

import os
import time

from agent import lock, stopping
from agent.alone import Alone, is_over
from agent.host import native
from agent.kept import load, save
from agent.light.contexts import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host

MARK = "asleep.json"
LOOK_S = 2.0
"""How often is looked whether the wait is over: three system calls."""
KEEP_SHARE = 0.01
"""So much of the time that it may be alone is at risk in a power cut."""
KEEP_AT_LEAST_S = 60.0


def until_due(folder: str, host: Host, record: dict[str, Any] | None) -> bool:
    """Sleep until a run can go on; False where only a contact can bring that about, or it is there no more.

    Args:
        folder: the run's.
        host: this computer.
        record: the last one of its journal; None where there is none.
    """
    path = os.path.join(folder, "plan.json")
    plan, read_at = load(path), changed_at(path)
    if plan is None or record is None or record["type"] != "waiting":
        return plan is not None
    count = Alone(folder, host.boot_id())
    count.keep()
    if not is_waiting(folder, record, plan, host, count=count):
        return True
    if not is_attended(record):
        return False
    keep_every_s = max(KEEP_AT_LEAST_S, (record.get("alone") or {}).get("after_s", 0) * KEEP_SHARE)
    kept_at = time.monotonic()
    mark = os.path.join(folder, MARK)
    with suppress(OSError):  # on a full disk a contact starts another process, which leaves the computer to this one
        save(mark, {"pid": os.getpid(), "began": lock.started_at(os.getpid()), "boot": host.boot_id()})
    try:
        while is_waiting(folder, record, plan, host, count=count):
            if time.monotonic() - kept_at >= keep_every_s:
                count.keep()
                kept_at = time.monotonic()
            time.sleep(LOOK_S)
            if changed_at(path) != read_at:
                plan, read_at = load(path), changed_at(path)
                if plan is None:
                    return False  # the run was removed under our feet
    finally:
        if os.path.exists(mark):
            os.unlink(mark)
    count.keep()
    return True


def changed_at(path: str) -> int:
    """When a file was written last, in nanoseconds; 0 where there is none."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def is_there(folder: str) -> bool:
    """Whether a process sleeps over this run, and will see by itself what ends the wait."""
    mark = load(os.path.join(folder, MARK))
    return mark is not None and lock.alive(mark)


def is_waiting(
    folder: str, record: dict[str, Any], plan: dict[str, Any], host: Host, *, count: Alone | None = None
) -> bool:
    """Whether a run still waits, with all that is known by now.

    Args:
        folder: the run's; an order to stop may lie there.
        record: the last one of its journal.
        plan: with the decision, where a person has taken it by now.
        host: this computer.
        count: how long no controller was heard of; None: one is there.
    """
    if record["type"] != "waiting":
        return False
    if record.get("boot") not in (None, host.boot_id()) or stopping.is_ordered(folder):
        return False
    if record["outcome"] == "awaiting_decision" and plan.get("decision"):
        return False
    if record["outcome"] == "awaiting_reboot":
        return not is_open(record["window"])
    return count is None or not is_over(record.get("alone"), count)


def is_between(record: dict[str, Any] | None) -> bool:
    """Whether a run waits where nothing is half done, so that others may work on the computer meanwhile."""
    return record is not None and record["type"] == "waiting" and record["outcome"] == "awaiting_decision"


def is_attended(record: dict[str, Any]) -> bool:
    """Whether a process stays with a run that waits: for its hour, to hold the computer, or to decide in the end."""
    policy = record.get("alone")
    return not is_between(record) or (policy is not None and policy["then"] != "wait")


def is_open(window: dict[str, str]) -> bool:
    """Whether the computer's own clock stands between ``from`` and ``to`` (``HH:MM``; over midnight where need be)."""
    native.follow_zone()  # somebody may have set another while we slept
    at = time.strftime("%H:%M")
    if window["from"] <= window["to"]:
        return window["from"] <= at < window["to"]
    return at >= window["from"] or at < window["to"]
