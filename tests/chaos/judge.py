"""How a computer was left, judged from outside, against what the form says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.chaos.computer import Computer, Reference, results_of
from tests.lab.office import Office

INSTALLED, ROLLED_BACK, NEEDS_PERSON = "installed", "rolled_back", "needs_person"
TWICE = ("it was installed", "nobody had looked")
"""What is said of an installer that ran twice."""
ALLOWED = (INSTALLED, ROLLED_BACK, NEEDS_PERSON)


@dataclass(frozen=True)
class Verdict:
    """What the form says, and everything that contradicts it. Good where nothing does and the end is allowed."""

    outcome: str
    wrong: list[str]
    reason: str = ""

    @property
    def end(self) -> str:
        """One of the three, or ``other``."""
        return self.outcome if self.outcome in ALLOWED and not self.wrong else "other"


def judge(computer: Computer, scenario: str, office: Office, number: str) -> Verdict:
    """Hold a form against its computer.

    Args:
        computer: at rest after the case.
        scenario: that was ordered.
        office: that gave the order.
        number: of the form.
    """
    reference = computer.references[scenario]
    form = office.form(number)
    outcome = str(form["outcome"])
    wrong = computer.left_behind()
    now = computer.read()
    journal = journal_of(computer, office, number)
    wrong += computer.installed_twice(reference, journal)
    wrong += copied(journal, office, number)
    if outcome == INSTALLED:
        wrong += as_installed(computer, reference, now, form)
    elif outcome == ROLLED_BACK:
        wrong += as_before(computer, reference, now, form)
    elif outcome == NEEDS_PERSON:
        wrong += computer.untrue(reference, now, form)
    return Verdict(outcome, wrong, str((form.get("reason") or {}).get("en", "")))


def journal_of(computer: Computer, office: Office, number: str) -> list[dict[str, Any]]:
    """The journal of a form's run on the computer's disk; empty where there is none."""
    ((run,),) = office.rows("select run from form where number = ?", number)
    for path in computer.journals():
        if path.parent.name.startswith(f"{run}."):
            return [json.loads(line) for line in path.read_text().splitlines()]
    return []


def as_installed(computer: Computer, reference: Reference, now: Any, form: Mapping[str, Any]) -> list[str]:
    """What contradicts "installed": anything that a run without a fault leaves otherwise, on disk or on the form."""
    wrong = differences(reference.footprint, computer.footprint(reference.before, now)) + computer.out_of_service()
    results = results_of(form)
    return wrong + [
        f"step {no} is {results.get(no)}, without a fault {result}"
        for no, result in reference.results.items()
        if results.get(no) != result
    ]


def as_before(computer: Computer, reference: Reference, now: Any, form: Mapping[str, Any]) -> list[str]:
    """What contradicts "rolled back, clean": anything that is not as before."""
    rollback = form["rollback"] or {}
    wrong = [f"{name} {change}" for name, change in computer.changed(reference.before, now).items()]
    if rollback.get("verdict") != "clean":
        wrong.append(f"the form says {rollback}")
    return wrong


def differences(expected: dict[str, object], found: dict[str, object]) -> list[str]:
    """Where two footprints are not the same."""
    return [
        f"{name} is {found.get(name, 'as before')}, without a fault {expected.get(name, 'as before')}"
        for name in sorted(expected.keys() | found.keys())
        if (name in expected, expected.get(name)) != (name in found, found.get(name))
    ]


def copied(journal: Sequence[dict[str, Any]], office: Office, number: str) -> list[str]:
    """Whether the controller's record is the computer's journal: every record, once, in order."""
    stored = [(e["seq"], e["type"], e["at"]) for e in office.events(number) if e["source"] == "agent"]
    written = [(r["seq"], r["type"], r["at"]) for r in journal]
    if stored == written:
        return []
    at = next(
        (n for n, (a, b) in enumerate(zip(stored, written, strict=False)) if a != b), min(len(stored), len(written))
    )
    return [
        f"of {len(written)} records {len(stored)} are stored; the first that differs is {at + 1}:"
        f" {stored[at : at + 1]} for {written[at : at + 1]}"
    ]


def looks_of(journal: Sequence[Mapping[str, Any]]) -> list[float]:
    """When the installation was found not in place, in seconds of the epoch: once before it was begun, and after."""
    found: list[float] = []
    is_begun = False
    for record in journal:
        if record["type"] == "detected" and record["section"] == "install" and record["state"] != "present":
            found = [*(found if is_begun else []), datetime.fromisoformat(record["at"]).timestamp()]
        is_begun = is_begun or (record["type"] == "intent" and record["section"] == "install")
    return found
