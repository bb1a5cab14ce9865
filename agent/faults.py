"""Named points at which the tests kill this process, or hold it while they do worse to the computer from outside.

A point is a place around one record: ``agent:effect#2:after`` is when the run's second ``effect`` has been written,
``:before`` when it has not, ``:torn`` when half of its line has. A file arms one point, and only its owner can write
there; without that file this module is not even loaded::

    {"point": "agent:effect#2:after", "do": "kill" | "hold", "within_s": 60}

It fires once: the file is gone from the disk, and ``fault.reached`` lies beside it, before anything happens, so that
the process that comes back goes on in peace. ``hold`` waits until ``fault.reached`` is taken away, or ``within_s`` is
over.
"""

from __future__ import annotations

import os
import time

from agent.files import sync_folder
from agent.light import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REACHED = "fault.reached"
KILL = 9
"""On Linux the signal that nobody survives; on Windows whatever number ends a process at once."""
WITHIN_S = 60.0
LOOK_S = 0.01


class Fault:
    """The point that a file arms."""

    def __init__(self, path: str) -> None:
        """Read what is armed.

        Args:
            path: of the file; it is there.
        """
        with open(path, encoding="utf-8") as file:
            armed: dict[str, Any] = json.load(file)
        self._path = path
        self._point: str = armed["point"]
        self._kills = armed["do"] == "kill"
        self._within_s = float(armed.get("within_s", WITHIN_S))

    def reach(self, point: str, **about: Any) -> None:
        """Pass a point; where it is the one that is armed, this does not return, or late.

        Args:
            point: its name.
            about: what the tests shall know of the moment.
        """
        if point != self._point:
            return
        self._point = ""
        reached = self._disarm({"point": point, "pid": os.getpid(), **about})
        if self._kills:
            os.kill(os.getpid(), KILL)
        deadline = time.monotonic() + self._within_s
        while os.path.exists(reached) and time.monotonic() < deadline:
            time.sleep(LOOK_S)

    def tear(self, point: str, handle: int, line: bytes, **about: Any) -> bytes:
        """Pass the points before a record and in the middle of it.

        Args:
            point: the record's name.
            handle: the file it is written to.
            line: what is written.
            about: as for ``reach``.

        Returns:
            What is left to be written.
        """
        self.reach(point + ":before", **about)
        if point + ":torn" != self._point:
            return line
        half = len(line) // 2
        os.write(handle, line[:half])
        self.reach(point + ":torn", **about)
        return line[half:]

    def _disarm(self, about: dict[str, Any]) -> str:
        """Take the file away for good, and only then say that the point was reached; where that stands."""
        folder = os.path.dirname(self._path)
        os.unlink(self._path)
        sync_folder(folder)
        reached = os.path.join(folder, REACHED)
        with open(reached + ".part", "w", encoding="utf-8") as file:
            json.dump(about, file)
        os.rename(reached + ".part", reached)
        return reached
