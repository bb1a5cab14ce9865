"""A program and all that it started, on Windows: the members of its job, and who descends from them outside of it.

A child may leave the job (CREATE_BREAKAWAY_FROM_JOB, which we allow since some installers fail without); it is known by
its parent then. What msiexec asks of the installer service is done by that one, and counts as the program's too.
"""

from __future__ import annotations

import os
import time

from agent.windows import jobs, start, win32
from agent.windows.processes import QUERY_LIMITED, argv_of
from agent.windows.table import table as table_of
from agent.windows.table import transferred_bytes as transferred_bytes
from agent.windows.win32 import kernel32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, NamedTuple

    from agent.windows.table import Row

    class Part(NamedTuple):
        """One process of a tree."""

        pid: int
        parent: int
        session: int
        """0: Windows has no sessions of processes."""
        name: str
        state: str
        """R runs, S waits: see ``table.Row``."""
        ticks: int
        """CPU that it took, in 100 ns."""
        faults: int
        """Of the program itself: how many processes its job has had. More of them when another one has come."""
        began: int
        """In 100 ns since 1601."""
        unit: str
        """The service that it is of, where somebody in the tree waits for that one; else empty."""

else:
    from agent.light.tuples import namedtuple

    Part = namedtuple("Part", "pid parent session name state ticks faults began unit")

words_of = argv_of
KILLING_S = 3.5
LOOK_AGAIN_S = 0.05
TERMINATE = 0x1
INSTALLER, INSTALLER_SERVICE = "msiexec.exe", "msiserver"


class Tree:
    """What a program is made of, whenever it is asked."""

    def __init__(self, pid: int, mark: str, since: int) -> None:  # noqa: ARG002 - as on Linux
        """Remember what it is known by.

        Args:
            pid: the program.
            mark: as ``start.spawn`` was given it, behind the name of a variable.
            since: of no meaning here.
        """
        self._pid = pid
        self._job = jobs.find(label_of(mark))

    def parts(self, *, everywhere: bool = False) -> dict[int, Part]:
        """Its processes now, by number.

        Args:
            everywhere: look for what left the job too, which is dearer.
        """
        inside = set(self._job.members()) if self._job else {self._pid}
        table = table_of()
        found = {pid: part_of(table[pid]) for pid in inside & table.keys()}
        if everywhere or not self._job:
            add_descendants(found, table)
        if any(part.name.lower() == INSTALLER for part in found.values()):
            found.update(of_installer_service(table, found))
        if self._job and self._pid in found:
            found[self._pid] = Part(*found[self._pid][:6], self._job.account().started, *found[self._pid][7:])
        return found

    def stop(self) -> list[Part]:
        """End all of it at once (nothing here asks a program without a window to end); what could not be ended.

        Of the installer service only what it runs for the package is ended: it takes back by itself what it began.
        """
        parts = self.parts(everywhere=True)
        deadline = time.monotonic() + KILLING_S
        if self._job:
            self._job.end()
        while parts:
            for part in parts.values():
                if not is_installer(part):
                    end(part)
            time.sleep(LOOK_AGAIN_S)
            table = table_of()
            parts = {
                pid: part
                for pid, part in parts.items()
                if pid in table and table[pid].began == part.began and not is_installer(part)
            }
            if time.monotonic() > deadline:
                break
        return list(parts.values())


def label_of(mark: str) -> str:
    """The name of a job, as it stands in the environment of what is in it."""
    return mark.partition("=")[2]


def part_of(row: Row, unit: str = "") -> Part:
    """A process of the table."""
    return Part(row.pid, row.parent, 0, row.name, row.state, row.ticks, 0, row.began, unit)


def row_of(pid: int) -> Part | None:
    """One process; None where it has ended."""
    row = table_of().get(pid)
    return part_of(row) if row else None


def add_descendants(found: dict[int, Part], table: dict[int, Row], unit: str = "") -> None:
    """Add the processes that were started by some of these; a parent's number may be another's by now."""
    while True:
        more = {
            pid: part_of(row, unit)
            for pid, row in table.items()
            if row.parent in found and pid not in found and row.began >= found[row.parent].began and pid != os.getpid()
        }
        if not more:
            return
        found.update(more)


def of_installer_service(table: dict[int, Row], known: dict[int, Part]) -> dict[int, Part]:
    """The processes of the installer service, where it is at work for somebody."""
    from agent.windows import scm

    status = scm.status(INSTALLER_SERVICE)
    if status is None or status.pid in known or status.pid not in table:
        return {}
    found = {status.pid: part_of(table[status.pid], INSTALLER_SERVICE)}
    add_descendants(found, table, INSTALLER_SERVICE)
    return found


def is_installer(part: Part) -> bool:
    """Whether a process is the installer service itself."""
    return bool(part.unit) and part.name.lower() == INSTALLER


def end(part: Part) -> None:
    """End a process, unless its number is by now another's."""
    handle = kernel32.OpenProcess(TERMINATE | QUERY_LIMITED, False, part.pid)
    if not handle:
        return
    with win32.Handle(handle):
        row = table_of().get(part.pid)
        if row and row.began == part.began:
            kernel32.TerminateProcess(handle, jobs.ENDED)


def leader_of(pid: int, mark: str, since: int) -> int:
    """The process of a program that somebody started who has gone since; 0 where it has ended.

    It has its job open, so the job is found by its name for as long as it lives.
    """
    job = jobs.find(label_of(mark))
    if job is None:
        return 0
    with job:
        members = job.members()
    if pid:
        return pid if pid in members else 0
    table = table_of()
    began = {number: table[number].began for number in members if number in table}
    return min(began, key=lambda number: began[number], default=0)


def outputs(pid: int, root: str, mark: str) -> list[BinaryIO]:
    """The files that a program left behind writes to."""
    place = os.path.join(root, label_of(mark))
    return [file for file in map(start.open_scratch, (place + ".out", place + ".err")) if file]


def numbers() -> list[int]:
    """The numbers of all processes."""
    return list(table_of())
