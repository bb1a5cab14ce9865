"""The points of a scenario, read off a run without a fault, and which of them are taken."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FAULTS: Mapping[str, str] = {
    "controller": "the controller is killed there",
    "agent": "the agent is killed there",
    "line": "the line is cut there",
    "power": "the computer is power-cycled there",
}
WORKED = frozenset({"agent_started", "detached", "snapshot", "effect", "rollback", "run_ended"})
"""Records before which something happened that the record before them does not tell of."""
ESSENTIAL = frozenset({*WORKED, "intent"})
"""Records around which the computer changes, or the run changes hands; so do points in the middle of an installer."""


@dataclass(frozen=True, order=True)
class Case:
    """One fault at one point of one scenario. `point` is as `agent.faults` has it."""

    scenario: str
    point: str
    fault: str

    @property
    def side(self) -> str:
        """Whose point it is: ``agent``, ``controller`` or ``installer``."""
        return self.point.partition(":")[0]

    @property
    def record(self) -> str:
        """The record: ``intent#1``, or ``agent.intent#1`` where the controller stores it; or an installer's script."""
        return self.point.split(":")[1]

    @property
    def place(self) -> str:
        """``before``, ``torn`` or ``after`` it; ``during`` a script."""
        return self.point.split(":")[2]

    @property
    def is_essential(self) -> bool:
        """Whether the computer changes around it, or the run changes hands."""
        return self.side == "installer" or (self.side == "agent" and self.record.partition("#")[0] in ESSENTIAL)


def cases_of(
    scenario: str,
    journal: Sequence[Mapping[str, Any]],
    stored: Sequence[Mapping[str, Any]],
    scripts: Sequence[str],
) -> list[Case]:
    """Every fault at every point that differs from the one before it, in the order of the run.

    Two points between which nothing happens are one: ``before`` counts only where work precedes it. Half a line is
    another thing than none only for whoever reads the journal next.

    Args:
        scenario: its name.
        journal: the computer's records in a run without a fault.
        stored: the controller's, in the order in which they were stored.
        scripts: of the installers, in the order in which they ran: ``nginx.postinst.configure``.
    """
    cases = [Case(scenario, f"installer:{name}:during", fault) for name, _ in _numbered(scripts) for fault in FAULTS]
    for name, record in _numbered(record["type"] for record in journal):
        places = ["before"] if record in WORKED else []
        for fault in FAULTS:
            torn = ["torn"] if fault in ("agent", "power") else []
            cases += [Case(scenario, f"agent:{name}:{place}", fault) for place in (*places, *torn, "after")]
    kinds = [r["type"] if r["source"] == "controller" else f"{r['source']}.{r['type']}" for r in stored]
    agents = [number for number, kind in enumerate(kinds) if kind.startswith("agent.")]
    for number, (name, kind) in enumerate(_numbered(kinds)):
        for fault in FAULTS:
            if fault == "agent" and not agents[0] <= number < agents[-1]:
                continue  # nobody is there to be killed
            before = ["before"] if fault == "controller" and not kind.startswith("agent.") else []
            cases += [Case(scenario, f"controller:{name}:{place}", fault) for place in (*before, "after")]
    return cases


def taken(cases: Iterable[Case], *, seed: int, count: int | None = None) -> list[Case]:
    """So many cases: every point with one fault, then every point with another one, and so on.

    Args:
        cases: all that are possible.
        seed: which, and in which order. More of the same seed begin with the same.
        count: how many at most; None: all.
    """
    chance = random.Random(seed)
    return [case for turn in _turns(sorted(cases), chance) for case in _even(turn, chance)][:count]


def _turns(cases: Iterable[Case], chance: random.Random) -> list[list[Case]]:
    """The cases in as many turns as there are faults: each point once in a turn, each time with another fault.

    Neighbours in the order of their names have different ones, so that a kind of point meets all of them early.
    """
    turns: list[list[Case]] = [[] for _ in FAULTS]
    first = chance.randrange(len(FAULTS))
    for number, (_, own) in enumerate(itertools.groupby(cases, key=lambda case: (case.scenario, case.point))):
        faults = list(own)
        for turn in range(len(faults)):
            turns[turn].append(faults[(first + number + turn) % len(faults)])
    return turns


def _even(cases: list[Case], chance: random.Random) -> list[Case]:
    """The cases in an order with as many of each fault in each scenario, two essential ones for each other one."""
    chance.shuffle(cases)
    groups: dict[tuple[str, str], tuple[list[Case], list[Case]]] = {}
    for case in cases:
        groups.setdefault((case.scenario, case.fault), ([], []))[not case.is_essential].append(case)
    queues = [list(_mixed(*groups[key])) for key in sorted(groups)]
    rounds = itertools.zip_longest(*queues)
    return [case for some in rounds for case in some if case is not None]


def _mixed(essential: list[Case], rest: list[Case]) -> Iterator[Case]:
    """Two of the one, one of the other, as long as there are any."""
    first, second = iter(essential), iter(rest)
    while some := [*itertools.islice(first, 2), *itertools.islice(second, 1)]:
        yield from some


def _numbered(kinds: Iterable[str]) -> list[tuple[str, str]]:
    """``effect`` -> ``effect#1`` …, each with its kind."""
    seen: Counter[str] = Counter()
    names = []
    for kind in kinds:
        seen[kind] += 1
        names.append((f"{kind}#{seen[kind]}", kind))
    return names
