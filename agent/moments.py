"""When a run's effects were at work, by its own journal, and whether something happened then."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

GRAIN_S = 0.02
"""The clocks by which files are dated tick a hundred times a second or so, on Windows every 15.6 ms."""


def within(moment: float | None, windows: Sequence[tuple[float, float]]) -> bool:
    """Whether a moment lies in one of the windows, give or take the grain of the kernel's clock."""
    return moment is not None and any(start - GRAIN_S <= moment <= end + GRAIN_S for start, end in windows)


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
