"""One case: the order is given, the fault comes at its point, whoever is left goes on, and the end is judged."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from agent.faults import REACHED
from tests.chaos.computer import Computer
from tests.chaos.judge import Verdict, judge
from tests.chaos.points import Case
from tests.lab.office import Office, kill, wait_for

HELD_S = 60.0
"""How long the point waits for us."""
PATIENCE_S = 150.0
"""How long a controller may take to come to an end by itself; it tries to reattach for 90 s."""
BRIEF_S = 2.0
BACK_S = 10.0
SETTLES_S = 0.2
LONG_S = 40.0
RESUMES = 5
AS_BEFORE = ("not_started", "unreachable")
"""Ends of an order that never came to the computer: a person gives it again."""


@dataclass
class Row:
    """What a case came to: a line of the rows file."""

    scenario: str
    point: str
    fault: str
    how: str = ""
    end: str = ""
    first: str = ""
    """What the controller that gave the order said, where it came to an end."""
    outcome: str = ""
    reason: str = ""
    wrong: list[str] = field(default_factory=list)
    resumes: int = 0
    again: bool = False
    """Whether the order had to be given again, because nothing of it had come to the computer."""
    seconds: float = 0.0

    @property
    def key(self) -> Case:
        """The case it is of."""
        return Case(self.scenario, self.point, self.fault)

    def line(self) -> str:
        """As it is kept."""
        return json.dumps(asdict(self)) + "\n"


class NotReached(Exception):
    """The order came to its end without passing the point, or nobody was there for the fault."""


class Injection:
    """One case on one computer."""

    def __init__(self, computer: Computer, case: Case, folder: Path) -> None:
        self.computer = computer
        self.host = computer.host
        self.case = case
        self.folder = folder
        self.reference = computer.prepare(case.scenario)
        self.row = Row(case.scenario, case.point, case.fault)

    def carry(self) -> Row:
        """From a fresh computer to the verdict. What is wrong stands in the row; nothing is raised for it."""
        began = time.monotonic()
        try:
            self._carry()
        except NotReached as error:
            self.row.end, self.row.reason = "not reached", str(error)
        except (AssertionError, TimeoutError, RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            self.row.end = "other"
            self.row.wrong.append(f"{type(error).__name__}: {error}"[:2000])
        self.row.seconds = round(time.monotonic() - began, 2)
        return self.row

    def _carry(self) -> None:
        self.computer.fresh(self.case.scenario)
        office = self.computer.office(self.case.scenario, self.folder)
        inventory = self.computer.inventory(office)
        try:
            process = self._order(office, inventory)
            try:
                self._await(process)
                self._strike(process, office)
                self._leave_alone(process)
            finally:
                if process.poll() is None:
                    kill(process)
            self.row.first = said_first(office, self.host.name)
            number = self._finish(office, inventory)
            self.computer.rest()
            verdict = judge(self.computer, self.case.scenario, office, number)
        finally:
            office.close()
            self.host.restore_line()
        self._note(verdict)

    def _note(self, verdict: Verdict) -> None:
        self.row.end, self.row.outcome, self.row.reason = verdict.end, verdict.outcome, verdict.reason
        self.row.wrong += verdict.wrong

    # --- to the point ---------------------------------------------------------------------------------------------

    def _order(self, office: Office, inventory: Path) -> subprocess.Popen[str]:
        """Arm the point and give the order."""
        case = self.case
        is_self = case.side == case.fault  # whoever writes the record can do it to itself
        armed = {"point": case.point, "do": "kill" if is_self else "hold", "within_s": HELD_S}
        folder = self._mark.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "fault.json").write_text(json.dumps(armed))
        environment = {"PASANG_FAULT": str(folder / "fault.json")} if case.side == "controller" else {}
        return office.start("install", self.reference.playbook, "-i", inventory, "--json", **environment)

    @property
    def _mark(self) -> Path:
        """What lies there once the point is reached."""
        return (self.folder if self.case.side == "controller" else self.computer.store) / REACHED

    def _await(self, process: subprocess.Popen[str]) -> None:
        wait_for(lambda: self._mark.exists() or process.poll() is not None, "the point", timeout_s=HELD_S)
        if not self._mark.exists():
            raise NotReached("the order ended without passing it")

    def _release(self) -> None:
        self._mark.unlink(missing_ok=True)

    # --- the faults -----------------------------------------------------------------------------------------------

    def _strike(self, process: subprocess.Popen[str], office: Office) -> None:
        strike = {"controller": self._controller, "agent": self._agent, "line": self._line, "power": self._power}
        strike[self.case.fault](process, office)
        self._release()

    def _controller(self, process: subprocess.Popen[str], _: Office) -> None:
        if self.case.side == "controller":
            process.wait(timeout=HELD_S)
        else:
            kill(process)

    def _agent(self, *_: object) -> None:
        if self.case.side == "agent":
            return
        self._until(lambda: bool(self.computer.holder()) or self._has_ended(), BRIEF_S)  # one hands over to another
        found = self.computer.holder()
        if not found or not self.computer.kill(found["pid"]):
            raise NotReached("there is no agent")
        if self.case.side == "installer":
            # The installer outlives the agent. It is done when the next one comes, or that one finds it at work.
            self.row.how = self._one_of("installer done", "installer at work")
            if self.row.how == "installer at work":
                self._until(lambda: bool(self.computer.holder()), BACK_S)
                time.sleep(BRIEF_S)

    def _line(self, process: subprocess.Popen[str], office: Office) -> None:
        """For a moment; for so long that the controller notices; or the controller vanishes from the line for good."""
        self.row.how = self._one_of("brief", "long", "gone")
        self.host.cut_line()
        self._release()
        if self.row.how == "long":
            self._until(lambda: process.poll() is not None or has_lost(office), LONG_S)
        else:
            self._until(lambda: process.poll() is not None or self._has_ended(), BRIEF_S)
        if self.row.how == "gone":
            kill(process)
            # Its kernel would still say good-bye, which one that has lost its power does not.
            self.computer.lab.run_inside(["ss", "--kill", "--tcp", "--all", "dst", self.host.address])
        self.host.restore_line()

    def _power(self, process: subprocess.Popen[str], office: Office) -> None:
        """The plug is pulled; what was not on the disk is lost. With or without a controller that waits."""
        self.row.how = self._one_of("followed", "alone")
        mark = json.loads(self._mark.read_text())
        self.host.power_off()
        if self.case.side == "agent":
            lose(self.computer.outside(mark["journal"]), mark["synced_bytes"], told=told(office))
        if self.row.how == "alone":
            kill(process)
        self._release()
        self.host.boot()

    def _one_of(self, *ways: str) -> str:
        return ways[zlib.crc32(f"{self.case.scenario} {self.case.point}".encode()) % len(ways)]

    def _until(self, true: Callable[[], bool], within_s: float) -> None:
        end = time.monotonic() + within_s
        while not true() and time.monotonic() < end:
            time.sleep(0.05)

    def _has_ended(self) -> bool:
        journals = self.computer.journals()
        return bool(journals) and '"type":"run_ended"' in journals[-1].read_text()

    # --- to the end -----------------------------------------------------------------------------------------------

    def _leave_alone(self, process: subprocess.Popen[str]) -> None:
        """The controller that gave the order comes to an end by itself, if it lives."""
        process.wait(timeout=PATIENCE_S)

    def _finish(self, office: Office, inventory: Path) -> str:
        """Go on with new processes until nothing is open; the number of the form that counts."""
        self._resume(office, inventory)
        forms = office.rows("select number, state from form order by number")
        if not forms or forms[-1][1] in AS_BEFORE:
            self._never_begun(office)
            self.row.again = True
            office.do("install", self.reference.playbook, inventory)
            self._resume(office, inventory)
            forms = office.rows("select number, state from form order by number")
        return str(forms[-1][0])

    def _resume(self, office: Office, inventory: Path) -> None:
        for _ in range(RESUMES):
            done = office.pasang("resume", "-i", inventory, "--json")
            assert done.out, (done.code, done.err)
            if not done.summary["hosts"]:
                return
            self.row.resumes += 1
        raise AssertionError(f"still open after {RESUMES} times: {done.summary['hosts']}")

    def _never_begun(self, office: Office) -> None:
        """Nothing on record, or not begun: then nothing has been done to the computer."""
        changed = self.computer.changed(self.reference.before, self.computer.read())
        assert not changed, f"never begun, and yet {changed}"
        assert self.computer.installs() == self.reference.installs, "never begun, and yet an installer was at work"


def said_first(office: Office, host: str) -> str:
    """The outcome in the summary of the order; empty where there is none."""
    last = (office.folder / "out").read_text().rpartition('{"type": "summary"')
    return str(json.loads("{" + '"type": "summary"' + last[2])["hosts"][host]["outcome"]) if last[1] else ""


def has_lost(office: Office) -> bool:
    """Whether the controller has noticed that the line is dead."""
    return bool(office.rows("select 1 from event where type = 'line_lost'"))


def told(office: Office) -> int:
    """The number of the last record that left the computer: what is on its way to the record is waited for."""
    last, now = -1, 0
    while last != now:
        time.sleep(SETTLES_S)
        last = now
        now = int(office.rows("select coalesce(max(seq), 0) from event where source = 'agent'")[0][0])
    return now


def lose(journal: Path, synced_bytes: int, *, told: int) -> None:
    """Take of a journal all that a power cut may take: what was never put on the disk, and told to nobody.

    Args:
        journal: on the disk of a computer that is off.
        synced_bytes: how much of it its writer put there; -1: not even its name.
        told: how many records left the computer; whoever told them has put them on the disk before.
    """
    lines = journal.read_bytes().splitlines(keepends=True)
    kept_bytes = max(synced_bytes, sum(len(line) for line in lines[:told]))
    if kept_bytes <= 0 and synced_bytes < 0:
        shutil.rmtree(journal.parent)
        return
    with journal.open("r+b") as file:
        file.truncate(kept_bytes)
