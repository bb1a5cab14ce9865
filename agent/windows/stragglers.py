"""Programs that go on although the one which started them has ended: they are in its job, which is kept open for that.

Whoever goes on after the agent was killed knows of none of them: a job's name goes with its last handle. What the
service manager starts is in no job of ours.
"""

from __future__ import annotations

import time

from agent.windows import start, trees
from agent.windows.table import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.windows.jobs import Job
    from agent.windows.trees import Part

LEAST_CPU = 0.01
"""Of one core: see ``agent.hang``."""


def jobs_of(folder: str = "") -> list[Job]:
    """The jobs of programs that lie in a folder (in whatever one, where none is named) and have left something."""
    return [job for program, job in start.left_behind() if program.lower().startswith(folder.lower())]


def find(folder: str = "") -> list[Part]:
    """What is still at work of such programs."""
    rows = table()
    pids = sorted({pid for job in jobs_of(folder) for pid in job.members()})
    return [trees.part_of(rows[pid]) for pid in pids if pid in rows]


def stop(folder: str = "") -> list[str]:
    """End all of that; how each is told of."""
    parts = find(folder)
    told = [f"process {part.pid} ({part.name})" for part in parts]
    for job in jobs_of(folder):
        job.end()
    deadline = time.monotonic() + trees.KILLING_S
    while parts and time.monotonic() < deadline:
        time.sleep(trees.LOOK_AGAIN_S)
        parts = find(folder)
    return told


class Pace:
    """Whether what such a program has left gets on: a set-up may hand its work to a child, and end."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._last: tuple[object, ...] = ()
        self._ticks = 0
        self._looked_at = self.moved_at = time.monotonic()
        """When it last did."""

    def is_any(self) -> bool:
        """Look, and say whether anything is left."""
        parts, now = find(self._folder), time.monotonic()
        seen = tuple((part.pid, part.began, trees.transferred_bytes(part.pid)) for part in parts)
        ticks = sum(part.ticks for part in parts)
        if seen != self._last or ticks - self._ticks >= LEAST_CPU * (now - self._looked_at) * start.ticks_per_s():
            self.moved_at = now
        self._last, self._ticks, self._looked_at = seen, ticks, now
        return bool(parts)
