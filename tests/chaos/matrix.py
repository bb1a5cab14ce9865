"""Many cases on several computers at once; rows go to a file as they come, so that what was interrupted goes on."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.computer import Computer, Playbooks
from tests.chaos.inject import Injection, Row
from tests.chaos.linux import LinuxComputer
from tests.chaos.points import Case
from tests.chaos.scenarios import Scenario
from tests.lab.hosts import HostSpec
from tests.lab.lab import Lab

Choose = Callable[[Iterable[Case]], list[Case]]
Seen = Callable[[Row], None]


def run_matrix(
    lab: Lab,
    folder: Path,
    scenarios: Sequence[str],
    choose: Choose,
    seen: Seen,
    *,
    parallel: int,
    done: set[Case],
    kind: type[Computer] = LinuxComputer,
) -> None:
    """Carry every case that is chosen and not done.

    Args:
        lab: where computers are made, and removed at the end.
        folder: for offices and playbooks; those of cases that went wrong stay.
        scenarios: their names.
        choose: out of all cases those that are taken, in the order in which they are.
        seen: told each row, one at a time.
        parallel: how many computers.
        done: cases that need not be done any more.
        kind: of the computers, and so of the scenarios.
    """
    playbooks = {name: _write(name, kind.scenarios[name], folder / "playbooks") for name in scenarios}
    known = [f"chaos{number + 1}" for number in range(parallel)]
    hosts = lab.add([HostSpec(name, kind.base) for name in known])
    computers = [kind(lab, host, folder / host.name, playbooks) for host in hosts]
    lock = threading.Lock()
    left: list[Case] = []

    def begin(number: int) -> list[Case]:
        own = [name for place, name in enumerate(scenarios) if place % parallel == number]
        return [case for name in own for case in computers[number].prepare(name).cases]

    def take(computer: Computer) -> Case | None:
        with lock:
            case = next((c for c in left if c.scenario in computer.references), left[0] if left else None)
            if case is not None:
                left.remove(case)
            return case

    def work(computer: Computer) -> None:
        number = 0
        while (case := take(computer)) is not None:
            number += 1
            place = computer.folder / f"{number}-{re.sub('[^a-z0-9_.]', '-', case.point)}-{case.fault}"
            row = Injection(computer, case, place).carry()
            if row.end == "other":
                _keep_evidence(computer, place)
            else:
                shutil.rmtree(place, ignore_errors=True)
            with lock:
                seen(row)

    try:
        with ThreadPoolExecutor(parallel) as pool:
            cases = [case for some in pool.map(begin, range(parallel)) for case in some]
            left += [case for case in choose(cases) if case not in done]
            list(pool.map(work, computers))
    finally:
        lab.remove(hosts)


def read_rows(path: Path) -> list[Row]:
    """The rows of an earlier matrix, the last of each case; a line that is cut off does not count."""
    found: dict[Case, Row] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            row = Row(**json.loads(line))
        except ValueError:
            continue
        found[row.key] = row
    return list(found.values())


def _write(name: str, scenario: Scenario, folder: Path) -> Playbooks:
    before = scenario.before(folder / f"{name}-before") if scenario.before else None
    return Playbooks(scenario.playbook(folder / name), before)


def _keep_evidence(computer: Computer, place: Path) -> None:
    """The journals and dpkg's log, beside the office's record."""
    for journal in computer.journals():
        shutil.copy(journal, place / f"journal-{journal.parent.name}.ndjson")
    log = computer.host.root / "var/log/dpkg.log"
    if log.exists():
        shutil.copy(log, place / "dpkg.log")
