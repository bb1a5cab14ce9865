"""A draw of the crash matrix: every fault once in every scenario, at points that differ from time to time."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.chaos.computer import Computer
from tests.chaos.inject import Row
from tests.chaos.judge import ALLOWED
from tests.chaos.linux import LinuxComputer
from tests.chaos.matrix import run_matrix
from tests.chaos.points import FAULTS, Case, taken
from tests.chaos.windows import WindowsComputer
from tests.lab.lab import Lab

DRAWS = 3


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("kind", "scenarios", "parallel"),
    [(LinuxComputer, list(LinuxComputer.scenarios), 4), (WindowsComputer, ["win-upgrade"], 1)],
    ids=["linux", "windows"],
)
def test_whatever_happens_only_three_ends(
    lab: Lab, tmp_path: Path, kind: type[Computer], scenarios: list[str], parallel: int
) -> None:
    seed = int(os.environ.get("PASANG_CHAOS_SEED") or random.randrange(1_000_000))
    count = len(scenarios) * len(FAULTS)
    rows: list[Row] = []
    missing = set(FAULTS)
    for draw in range(DRAWS):  # a record is not made each time: then nothing came to pass, and another is drawn

        def choose(cases: Iterable[Case], draw: int = draw, wanted: frozenset[str] = frozenset(missing)) -> list[Case]:
            drawn = [case for case in cases if case.fault in wanted]
            return taken(drawn, seed=seed + draw, count=len(scenarios) * len(wanted))

        run_matrix(lab, tmp_path / str(draw), scenarios, choose, rows.append, parallel=parallel, done=set(), kind=kind)
        missing = set(FAULTS) - {row.fault for row in rows if row.end in ALLOWED}
        if not missing:
            break
    again = f"PASANG_CHAOS_SEED={seed} draws the same"
    assert {(row.scenario, row.fault) for row in rows} == {(s, f) for s in scenarios for f in FAULTS}, again
    assert [row for row in rows if row.end == "other"] == [], again
    assert not missing, f"some faults came to nobody; {again}"
    assert len([row for row in rows if row.end in ALLOWED]) >= count * 3 // 4, f"too few were reached; {again}"
