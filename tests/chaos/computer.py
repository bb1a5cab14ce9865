"""A computer and an office made ready for a scenario, again and again, and what a run without a fault leaves."""

from __future__ import annotations

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.points import Case, cases_of
from tests.chaos.scenarios import Scenario
from tests.lab.hosts import Host
from tests.lab.lab import Lab
from tests.lab.office import Office

DATABASE = "pasang.sqlite3"
Footprint = dict[str, object]


@dataclass(frozen=True)
class Playbooks:
    """Of a scenario: the one that is ordered, and the one that was before."""

    ordered: Path
    before: Path | None


@dataclass(frozen=True)
class Reference:
    """A scenario without a fault on one computer.

    Attributes:
        playbook: what is ordered.
        home: the office as it is before the order.
        before: the computer before it, as ``Computer.read`` reads it.
        footprint: what is different after it.
        results: step -> how it ended.
        versions: of the packages that are ordered.
        installs: how much the installer had told of itself before.
        cases: every fault that is possible.
    """

    playbook: Path
    home: Path
    before: Any
    footprint: Footprint
    results: Mapping[int, str | None]
    versions: frozenset[str]
    installs: int
    cases: list[Case]


class Computer(ABC):
    """One computer of the lab, which carries one case after the other; below are those of each kind."""

    base: str
    """Of the lab's."""
    scenarios: Mapping[str, Scenario]

    def __init__(self, lab: Lab, host: Host, folder: Path, playbooks: Mapping[str, Playbooks]) -> None:
        self.lab = lab
        self.host = host
        self.folder = folder
        self.references: dict[str, Reference] = {}
        self._playbooks = playbooks

    @property
    @abstractmethod
    def store(self) -> Path:
        """What the agent keeps there, from outside."""

    @abstractmethod
    def outside(self, path: str) -> Path:
        """A path of the computer, from outside."""

    @abstractmethod
    def rest(self) -> None:
        """Wait until nothing of a boot is left to be done."""

    @abstractmethod
    def read(self) -> Any:
        """All of it that an installation may change."""

    @abstractmethod
    def changed(self, before: Any, now: Any) -> dict[str, str]:
        """What is not as before, by name: added, removed or changed; logs that go on aside."""

    @abstractmethod
    def footprint(self, before: Any, after: Any) -> Footprint:
        """What is not as before, each with what it is now: None where it is gone."""

    @abstractmethod
    def installs(self) -> int:
        """How much the installer has told of itself so far."""

    @abstractmethod
    def holder(self) -> dict[str, Any]:
        """Who holds the computer and lives, of the agent's lock; empty where nobody does."""

    @abstractmethod
    def kill(self, pid: int) -> bool:
        """End a process as a fault does; whether there was one."""

    @abstractmethod
    def left_behind(self) -> list[str]:
        """What of ours is still at work on a computer that is done; one that is about to leave is given its moment."""

    @abstractmethod
    def out_of_service(self) -> list[str]:
        """What contradicts that the software of the scenario is at work."""

    @abstractmethod
    def installed_twice(self, reference: Reference, journal: Sequence[Mapping[str, Any]]) -> list[str]:
        """Installers that ran for what was in place, or without a look of their own that had found it not in place."""

    @abstractmethod
    def untrue(self, reference: Reference, now: Any, form: Mapping[str, Any]) -> list[str]:
        """Where a form that needs a person is silent, or says what is not so."""

    def inventory(self, office: Office) -> Path:
        """Of this computer alone."""
        return office.inventory([self.host])

    def equip(self, office: Office) -> None:
        """What an office needs before it can give an order."""
        office.trust()

    def make_ready(self, scenario: str, office: Office) -> None:
        """The disk with which every case of a scenario begins, kept under its name where it is not a new one."""
        playbook = self._playbooks[scenario].before
        if playbook is not None:
            self.host.reset()
            self.rest()
            done = office.do("install", playbook, self.inventory(office))
            assert done.code == 0, (done.summary, done.err)
            self.host.keep_disk(scenario)

    def is_kept(self, scenario: str) -> bool:
        """Whether its cases begin with a disk that was kept."""
        return self.scenarios[scenario].before is not None

    def prepare(self, scenario: str) -> Reference:
        """Do once what every case of a scenario begins with, and see how it ends without a fault."""
        if scenario not in self.references:
            self.references[scenario] = self._prepare(scenario)
        return self.references[scenario]

    def fresh(self, scenario: str) -> None:
        """The computer as it is before the order, at rest."""
        self.host.reset(kept=scenario if self.is_kept(scenario) else None)
        self.rest()

    def office(self, scenario: str, folder: Path) -> Office:
        """An office as it is before the order, in a folder of its own."""
        office = Office(self.lab, folder)
        shutil.copytree(self.references[scenario].home, office.home, dirs_exist_ok=True)
        return office

    def journals(self) -> list[Path]:
        """Of the runs on the computer's disk, oldest first, without that of the version before."""
        return sorted((self.store / "runs").glob("*/journal.ndjson"), key=lambda p: p.parent.name)

    def scripts(self) -> list[str]:
        """The points that installers passed, in order; none where they pass none."""
        return []

    def _prepare(self, scenario: str) -> Reference:
        playbooks, end = self._playbooks[scenario], self.scenarios[scenario].end
        office = Office(self.lab, self.folder / f"reference-{scenario}")
        self.equip(office)
        pristine = office.folder / "pristine"
        assert office.pasang("form", "list").code == 0
        shutil.copy(office.home / DATABASE, pristine)
        self.make_ready(scenario, office)
        self.fresh(scenario)
        before, installs = self.read(), self.installs()
        done = office.do("install", playbooks.ordered, self.inventory(office))
        row = done.host(self.host.name)
        assert row["outcome"] == end, (row, done.err)
        is_clean = row["rollback"] is None or row["rollback"]["verdict"] == "clean"
        assert is_clean is (end != "needs_person"), row
        stored = [json.loads(body) for (body,) in office.rows(
            "select body from event where run = ? order by id", done.summary["run"])]  # fmt: skip
        journal = [json.loads(line) for line in self.journals()[-1].read_text().splitlines()]
        results = results_of(office.form(row["form"]))
        for file in office.home.glob(f"{DATABASE}*"):
            file.unlink()
        pristine.rename(office.home / DATABASE)
        return Reference(
            playbook=playbooks.ordered,
            home=office.home,
            before=before,
            footprint=self.footprint(before, self.read()),
            results=results,
            versions=frozenset(deb.name.split("_")[1] for deb in playbooks.ordered.parent.glob("*.deb")),
            installs=installs,
            cases=cases_of(scenario, journal, stored, self.scripts()),
        )


def results_of(form: Mapping[str, Any]) -> dict[int, str | None]:
    """Step -> how it ended, of an exported form."""
    return {step["no"]: step["result"] for step in form["steps"]}
