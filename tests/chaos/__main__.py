"""`python -m tests.chaos [--cases 800] [--scenario install,…] [--faults agent,…] [--points REGEX] [--parallel 4]`."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.chaos.inject import Row
from tests.chaos.linux import LinuxComputer
from tests.chaos.matrix import read_rows, run_matrix
from tests.chaos.points import FAULTS, Case, taken
from tests.chaos.report import page, tables
from tests.chaos.windows import WindowsComputer
from tests.lab.bases import cache_folder
from tests.lab.lab import Lab

KINDS = {"linux": LinuxComputer, "windows": WindowsComputer}
CASES = 1600
"""Every point once, and a few of them a second time: an hour and a quarter on two cores."""


def main() -> int:
    """Run the matrix, print its table; 1 where a computer came to another end than the three."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--computers", choices=KINDS, default="linux", help="of which kind (default: linux)")
    parser.add_argument("--scenario", help="which (default: all)")
    parser.add_argument("--faults", default=",".join(FAULTS), help="which (default: all)")
    parser.add_argument("--points", default="", help="only those that this regular expression finds")
    parser.add_argument("--cases", type=int, default=CASES, help=f"how many (default: {CASES}; 0: all there are)")
    parser.add_argument("--parallel", type=int, default=4, help="computers at once")
    parser.add_argument("--seed", type=int, default=1, help="which points, and in which order")
    parser.add_argument(
        "--rows", type=Path, help="a file of rows: an earlier one is gone on with (default: of this code)"
    )
    parser.add_argument("--report", type=Path, help="where the page of docs goes; without: nowhere")
    parser.add_argument("--folder", type=Path, help="where the offices of cases that went wrong stay")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("the matrix needs root: its computers are the lab's", file=sys.stderr)
        return 2
    kind = KINDS[options.computers]
    known = list(kind.scenarios)
    scenarios, faults = options.scenario.split(",") if options.scenario else known, options.faults.split(",")
    if unknown := {*scenarios, *faults} - {*known, *FAULTS}:
        print(f"unknown: {', '.join(unknown)}", file=sys.stderr)
        return 2

    is_whole = kind is LinuxComputer and {*scenarios, *faults} == {*known, *FAULTS}
    if options.report and (options.points or not is_whole):
        print(
            "the page is of the whole matrix on Linux: leave out --report, or all that leaves something out",
            file=sys.stderr,
        )
        return 2
    possible: list[Case] = []

    def choose(cases: Iterable[Case]) -> list[Case]:
        possible.extend(cases)
        wanted = [case for case in possible if case.fault in faults and re.search(options.points, case.point)]
        return taken(wanted, seed=options.seed, count=options.cases or None)

    file = options.rows or rows_of_this_code(options.computers, options.seed)
    rows = read_rows(file)

    def seen(row: Row) -> None:
        rows.append(row)
        with file.open("a") as opened:
            opened.write(row.line())
        how = f" ({row.how})" if row.how else ""
        print(
            f"{len(rows):>5} {row.seconds:6.1f} s  {row.scenario:<15}{row.fault + how:<22}{row.point:<40}{row.end}"
            + (f": {row.outcome}" if row.end == "other" else "")
            + (f"  first {row.first}, resumes {row.resumes}" if row.resumes else "") + ("  again" if row.again else ""),
            *row.wrong, *([row.reason] if row.end in ("needs_person", "not reached") else []),
            sep="\n             ", flush=True,
        )  # fmt: skip

    folder = options.folder or Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"rows: {file}")
    with Lab.create() as lab:
        done = {row.key for row in rows}
        run_matrix(lab, folder, scenarios, choose, seen, parallel=options.parallel, done=done, kind=kind)
    bad = [row for row in rows if row.end == "other"]
    print(f"\n{tables(rows)}\n\n{len(bad)} with another end" + (f"; see {folder}" if bad else ""))
    if options.report:
        options.report.write_text(
            page(rows, possible, cases=options.cases, seed=options.seed, parallel=options.parallel)
        )
    return 1 if bad else 0


def rows_of_this_code(computers: str, seed: int) -> Path:
    """Where the rows of a matrix are kept: an interrupted one goes on, but not with what other code came to."""
    root = Path(__file__).parents[2]
    code = hashlib.sha256()
    for path in sorted(
        path for folder in ("agent", "controller", "tests/chaos") for path in (root / folder).rglob("*")
    ):
        if path.suffix in (".py", ".typ"):
            code.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return cache_folder() / f"chaos-{computers}-{code.hexdigest()[:12]}-{seed}.rows"


if __name__ == "__main__":
    raise SystemExit(main())
