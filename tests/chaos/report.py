"""The table of the matrix: points × faults × ends, for the terminal and for docs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from tests.chaos.inject import Row
from tests.chaos.judge import INSTALLED, NEEDS_PERSON, ROLLED_BACK, TWICE
from tests.chaos.points import FAULTS, Case
from tests.chaos.scenarios import SCENARIOS as LINUX
from tests.chaos.windows import SCENARIOS as WINDOWS

SCENARIOS = {**LINUX, **WINDOWS}
LETTERS = {INSTALLED: "I", ROLLED_BACK: "R", NEEDS_PERSON: "P", "other": "✗"}
HOW = {
    "brief": "the line is back after a moment",
    "long": "it is back when the controller has noticed",
    "gone": "the controller vanishes with it, for good",
    "followed": "the controller waits for the computer",
    "alone": "the controller is gone as well",
    "installer done": "the installer, which outlives the agent, is done when the next one comes",
    "installer at work": "the next agent finds it at work",
}
SIDES = {"agent": "agent's journal", "controller": "controller's record", "installer": "scripts of the installer"}
HEAD = """\
# The crash matrix

This page is written by `make chaos`. At each point a fault comes to a computer of the [lab](../tests/lab/README.md)
that is in the middle of a scenario. Then whoever is left goes on, and new processes are told `pasang resume` until
nothing is open. The end is judged from outside, against what the form says: with dpkg, systemctl, ss, HTTP, and a
comparison of the whole disk with a run without a fault, or with the computer before it. What the points are, and how
a fault comes to them, is told in [decision 0050](decisions/0050-faults-at-named-points.md).

Three ends are allowed: **I** installed and proved; **R** rolled back, and proved to be as before; **P** a person is
needed, and the form says exactly what is known. **✗** is every other one, among them an installer that ran for what
was in place, a record that is not the computer's journal, and anything of ours that is still at work.
"""
COUNTS = """\
## Counts

{faults} faults at {points} of {all_points} points: {bad} computers came to another end, {twice} installers ran twice.

{possible} faults are possible at these points, four at most at each; what is taken is first every point with one fault,
then every point with another one, as far as the cases go. In {missed} further cases the order ended without passing the
point, because the records of a run are not the same each time: these are counted nowhere.

Run with `python -m tests.chaos --cases {cases} --seed {seed} --parallel {parallel}`, on Debian 12 with its own nginx;
a case took {seconds:.1f} s on average, {parallel} at once. In {again} cases nothing of the order had come to the
computer, which was looked at; then the order was given again. In {resumed} cases `pasang resume` found something to go
on with; in the others the controller that gave the order had come to the end itself.
"""


def page(rows: Sequence[Row], possible: Sequence[Case], *, cases: int, seed: int, parallel: int) -> str:
    """The page of docs.

    Args:
        rows: what was done.
        possible: all that could be.
        cases: as the command was given, like the others.
        seed: likewise.
        parallel: likewise.
    """
    counted = [row for row in rows if row.end in LETTERS]
    counts = COUNTS.format(
        faults=len(counted),
        points=len({(row.scenario, row.point) for row in counted}),
        all_points=len({(case.scenario, case.point) for case in possible}),
        possible=len(possible),
        missed=len(rows) - len(counted),
        bad=sum(row.end == "other" for row in counted),
        twice=sum(sign in text for row in counted for text in row.wrong for sign in TWICE),
        cases=cases,
        seed=seed,
        parallel=parallel,
        seconds=sum(row.seconds for row in counted) / max(1, len(counted)),
        again=sum(row.again for row in counted),
        resumed=sum(row.resumes > 0 for row in counted),
    )
    return "\n".join([HEAD, counts, tables(counted), *people(counted)]) + "\n"


def people(rows: Iterable[Row]) -> list[str]:
    """What the forms say of computers that needed a person, and how many say it."""
    found = Counter((row.scenario, row.reason) for row in rows if row.end == NEEDS_PERSON)
    lines = [f"- {scenario}, {count} forms: {reason}" for (scenario, reason), count in sorted(found.items())]
    return ["\n### A person is needed\n", *lines] if lines else []


def tables(rows: Sequence[Row]) -> str:
    """Scenarios × faults × ends, manners × ends, points × faults × ends."""
    rows = [row for row in rows if row.end in LETTERS]
    parts = ["### By scenario", table("scenario", rows, lambda row: f"{row.scenario}: {SCENARIOS[row.scenario].says}")]
    manners = [row for row in rows if row.how]
    parts += ["### By manner", table("manner", manners, lambda row: f"{row.fault}: {HOW[row.how]}")]
    for side, name in SIDES.items():
        own = [row for row in rows if row.key.side == side]
        parts += [f"### By point: {name}", table("point", own, lambda row: kind_of(row.point))]
    return "\n\n".join(parts)


def table(title: str, rows: Iterable[Row], key: Callable[[Row], str]) -> str:
    """One line a key and one column a fault; each cell says how many came to which end."""
    cells: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for row in rows:
        for line in (key(row), "all"):
            cells[line][row.fault][row.end] += 1
    order = [*sorted(cells.keys() - {"all"}), *(["all"] if cells else [])]
    head = f"| {title} | {' | '.join(FAULTS.values())} |\n|---|{'---|' * len(FAULTS)}"
    return "\n".join([head, *(f"| {line} | {' | '.join(said(cells[line][f]) for f in FAULTS)} |" for line in order)])


def said(ends: Mapping[str, int]) -> str:
    """``12 I, 3 R``."""
    return ", ".join(f"{ends[end]} {letter}" for end, letter in LETTERS.items() if ends.get(end)) or "–"


def kind_of(point: str) -> str:
    """A point without the number of its record: ``effect, after``."""
    _, record, place = point.split(":")
    return f"{re.sub('#.*', '', record)}, {place}"
