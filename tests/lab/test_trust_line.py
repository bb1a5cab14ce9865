"""A payload over a line that is really cut, again and again: it arrives whole, by one order, and no chunk thrice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.line import CABLE, push, table
from tests.lab.fixtures import Boot
from tests.lab.forward import HALF, HANG, RESET
from tests.lab.lab import Lab

SIZE_BYTES = 60 * 1000 * 1000
DEAD_AFTER_S = 2.0


@pytest.mark.parametrize("manners", [[RESET, HALF, CABLE, RESET, HANG], [CABLE] * 2], ids=["in between", "packets"])
def test_a_line_that_is_cut_in_every_manner(boot: Boot, lab: Lab, tmp_path: Path, manners: list[str]) -> None:
    (host,) = boot()
    report = push(
        lab, host, tmp_path / "office", size_bytes=SIZE_BYTES, manners=manners,
        away_s=2 * DEAD_AFTER_S, dead_after_s=DEAD_AFTER_S,
    )  # fmt: skip
    assert report.is_good(len(manners)), table(report)
    assert all(cut.noticed_s is not None and cut.noticed_s < 5 * DEAD_AFTER_S for cut in report.cuts), table(report)
    assert sum(report.times.values()) == -(-SIZE_BYTES // (256 * 1024))
    assert report.times[2] < 100, table(report)
