"""A program and all that it started, wherever that went: to see whether it gets on, and to stop it whole.

What forks twice, or begins a session of its own, has no parent among them any more. It is known by the mark that it
inherited in its environment, and where the agent is a unit of systemd's also by the unit's control group, which nothing
leaves by forking. What a systemctl among them waits for counts as theirs too: the processes of that service.

Source: proc(5), cgroups(7).
"""

from __future__ import annotations

import os
import stat
import time

from agent.host import systemd
from agent.host.processes import ENDED, PROC, content_of
from agent.light import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, NamedTuple

    class Part(NamedTuple):
        """One process of a tree."""

        pid: int
        parent: int
        session: int
        name: str
        state: str
        """The kernel's letter: R runs, S sleeps, D sleeps and cannot be woken, T is stopped."""
        ticks: int
        """CPU that it took, and those of its children that have ended."""
        faults: int
        """Of memory, by its children that have ended: more of them when another one has."""
        began: int
        """In ticks since boot."""
        unit: str
        """The service that it is of, where somebody in the tree waits for that one; else empty."""

else:
    from agent.light.tuples import namedtuple

    Part = namedtuple("Part", "pid parent session name state ticks faults began unit")

CGROUPS = {"0": ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"), "name=systemd": ("/sys/fs/cgroup/systemd",)}
"""Where a hierarchy of control groups may be, by what /proc/PID/cgroup calls it."""
GRACE_S = 2.0
"""How long a tree may take to end by itself when it is asked to."""
KILLING_S = 1.5
LOOK_AGAIN_S = 0.05
STARTING_S = 60.0
"""So long after it was noted that a program is about to be started it may have begun, on a busy computer."""
INIT = 1
"""The parent of those whose own has ended."""


class Tree:
    """What a program is made of, whenever it is asked."""

    def __init__(self, pid: int, mark: str, since: int) -> None:
        """Remember what it is known by.

        Args:
            pid: the program; it leads a session of its own.
            mark: a line of the environment that it was started with.
            since: when it was started, or earlier: in ticks since boot.
        """
        self._pid = pid
        self._mark = mark
        self._since = since
        self._known: dict[int, int] = {}
        """When each that was found to belong began, by its number."""
        self.services: list[systemd.Awaited] = []
        """Those that a systemctl in the tree waited for when it was last looked at."""

    def parts(self, *, everywhere: bool = False) -> dict[int, Part]:
        """Its processes now, by number.

        Args:
            everywhere: look also outside of the agent's own control group, which is dearer.
        """
        found = self._own(everywhere=everywhere)
        self.services = awaited(found)
        return {**self._of_services(), **found}

    def stop(self) -> list[Part]:
        """Ask all of it to end, and end it; what could not be ended."""
        parts = self.parts(everywhere=True)
        for service in self.services:
            systemd.abandon(service)
        asked: set[tuple[int, int]] = set()
        deadline = time.monotonic() + GRACE_S
        while parts and time.monotonic() < deadline:
            for part in parts.values():
                if not part.unit and (part.pid, part.began) not in asked:
                    asked.add((part.pid, part.began))
                    tell(part, signal.SIGTERM)
                    tell(part, signal.SIGCONT)
            time.sleep(LOOK_AGAIN_S)
            parts = {pid: now for pid, part in parts.items() if (now := row_of(pid)) and now.began == part.began}
            parts = parts or self._rest()
        deadline = time.monotonic() + KILLING_S
        while parts and time.monotonic() < deadline:
            for service in self.services:
                systemd.kill(service)
            for part in parts.values():
                if not part.unit:
                    tell(part, signal.SIGKILL)
            time.sleep(LOOK_AGAIN_S)
            parts = self._rest()
        return list(parts.values())

    def _rest(self) -> dict[int, Part]:
        """What is left of it; of services those that were waited for when it was told to end."""
        return {**self._of_services(), **self._own(everywhere=True)}

    def _own(self, *, everywhere: bool) -> dict[int, Part]:
        group = own_group()
        inside = set(members(group)) if group else set()
        candidates = numbers() if everywhere or not group else inside
        left = {row.pid: row for row in map(row_of, candidates) if row and row.began >= self._since}
        left.pop(os.getpid(), None)
        found: dict[int, Part] = {}
        strangers: set[int] = set()
        while True:
            more = {pid: row for pid, row in left.items() if self._is_kin(row, found)}
            if not more:
                # Nobody's child: what began in our own control group since, or carries the mark.
                for pid, row in left.items():
                    is_alone = pid in inside and row.parent == INIT
                    if is_alone or (pid not in strangers and is_marked(pid, self._mark)):
                        more[pid] = row
                strangers.update(left)
            if not more:
                self._known = {pid: row.began for pid, row in found.items()}
                return found
            found.update(more)
            left = {pid: row for pid, row in left.items() if pid not in more}

    def _is_kin(self, row: Part, found: dict[int, Part]) -> bool:
        return (
            row.pid == self._pid
            or row.parent in found
            or row.session == self._pid
            or row.session in found
            or self._known.get(row.pid) == row.began
        )

    def _of_services(self) -> dict[int, Part]:
        found: dict[int, Part] = {}
        for service in self.services:
            rows = {row.pid: row for row in map(row_of, members(group_at(service.group))) if row}
            if service.is_reloading:  # what serves is to go on; only what makes it read its files again is waited for
                rows = descendants(service.control, rows)
            found.update((pid, Part(*row[:-1], service.unit)) for pid, row in rows.items())
        return found


def awaited(parts: dict[int, Part]) -> list[systemd.Awaited]:
    """The services that a systemctl among some processes waits for."""
    found: list[systemd.Awaited] = []
    for part in parts.values():
        if part.name == "systemctl":
            words = words_of(part.pid)[1:]
            found += systemd.awaited([word for word in words if not word.startswith("-")], user="--user" in words)
    return found


def descendants(pid: int, rows: dict[int, Part]) -> dict[int, Part]:
    """A process and those of others that descend from it."""
    found = {pid: rows[pid]} if pid in rows else {}
    while True:
        more = {row.pid: row for row in rows.values() if row.parent in found and row.pid not in found}
        if not more:
            return found
        found.update(more)


def tell(part: Part, number: int) -> None:
    """Signal a process, unless its number is by now another's."""
    row = row_of(part.pid)
    if row is None or row.began != part.began:
        return
    try:
        os.kill(part.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def row_of(pid: int) -> Part | None:
    """One process; None where it has ended.

    Source: proc(5), stat: behind the name state, parent, group, session …, as the 9th the minor faults of its ended
    children, as the 12th to 15th its own CPU and theirs, as the 20th its beginning.
    """
    try:
        stat = content_of(f"{PROC}/{pid}/stat")
    except OSError:
        return None
    head, _, rest = stat.rpartition(")")
    field = rest.split()
    if len(field) < 20 or field[0] in ENDED:
        return None
    name, ticks = head.partition("(")[2], sum(map(int, field[11:15]))
    return Part(pid, int(field[1]), int(field[3]), name, field[0], ticks, int(field[8]), int(field[19]), "")


def leader_of(pid: int, mark: str, since: int) -> int:
    """The process of a program that somebody started who has gone since; 0 where it has ended.

    Args:
        pid: its number; 0 where whoever started it died before that was known: then it is looked for by its mark.
        mark: as ``Tree`` takes it.
        since: likewise.
    """
    latest = since + STARTING_S * os.sysconf("SC_CLK_TCK")
    for number in [pid] if pid else numbers():
        row = row_of(number)
        if row and row.session == row.pid and since <= row.began < latest and (pid or is_marked(number, mark)):
            return number
    return 0


def is_marked(pid: int, mark: str) -> bool:
    """Whether a process has this line in its environment; not where it has ended, or is somebody else's."""
    try:
        with open(f"{PROC}/{pid}/environ", "rb") as file:
            return mark.encode() in file.read().split(b"\0")
    except OSError:
        return False


def words_of(pid: int) -> list[str]:
    """A process's command line; empty where it has ended."""
    try:
        line = content_of(f"{PROC}/{pid}/cmdline")
    except OSError:
        return []
    return line.rstrip("\0").split("\0") if line else []


def outputs(pid: int, root: str, mark: str) -> list[BinaryIO]:
    """The files that a program left behind writes to; what goes into a pipe or a socket is not ours.

    Args:
        pid: the process.
        root: the agent's folder, and
        mark: as ``Tree`` takes it: by them they are found where a process does not tell.
    """
    found: list[BinaryIO] = []
    for number in (1, 2):
        path = f"{PROC}/{pid}/fd/{number}"
        try:
            if stat.S_ISREG(os.stat(path).st_mode):
                found.append(open(path, "rb"))  # noqa: SIM115 - until it is seen to
        except OSError:  # it has ended, or is somebody else's
            continue
    return found


def transferred_bytes(pid: int) -> int:
    """What a process has read and written so far, through files, pipes and terminals alike; 0 where nobody tells.

    Source: proc(5), io.
    """
    try:
        rows = content_of(f"{PROC}/{pid}/io").split("\n")
    except OSError:
        return 0
    wanted = ("rchar:", "wchar:", "read_bytes:", "write_bytes:")
    return sum(int(row.split()[1]) for row in rows if row.startswith(wanted))


def numbers() -> list[int]:
    """The numbers of all processes."""
    return [int(entry) for entry in os.listdir(PROC) if entry.isdigit()]


def named_group(pid: int) -> str:
    """The control group that systemd put a process in; empty where it is gone."""
    try:
        lines = content_of(f"{PROC}/{pid}/cgroup").splitlines()
    except OSError:
        return ""
    named = [line for line in lines if line.startswith(("0::", "1:name=systemd:"))]
    return max((line.split(":", 2)[2] for line in named), key=len, default="")


def own_group() -> str:
    """The folder of the agent's own control group, where it is a unit of ours; else empty."""
    try:
        lines = content_of(f"{PROC}/self/cgroup").split("\n")
    except OSError:
        return ""
    for line in lines:
        number, _, rest = line.partition(":")
        kind, _, path = rest.partition(":")
        if os.path.basename(path).startswith(systemd.OURS):
            group = group_at(path, kind or number)
            if group:
                return group
    return ""


def group_at(path: str, kind: str = "") -> str:
    """The folder of a control group; empty where it is not there."""
    for mounts in (CGROUPS.get(kind),) if kind else CGROUPS.values():
        for mount in mounts or ():
            if path and os.path.exists(f"{mount}{path}/cgroup.procs"):
                return mount + path
    return ""


def members(group: str) -> list[int]:
    """The processes in a control group and those below it."""
    found: list[int] = []
    for folder, _, names in os.walk(group) if group else ():
        if "cgroup.procs" in names:
            try:
                found += map(int, content_of(f"{folder}/cgroup.procs").split())
            except OSError:
                continue  # it was taken away meanwhile
    return found
