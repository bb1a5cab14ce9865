"""`python -m tests.bench [--hosts 1,10,50,100] [--tools raw,pyinfra,ansible,pasang] [--delay 25] [--repeat 3]`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

from tests.bench.measure import Row, measure
from tests.bench.report import sizes, tables
from tests.bench.tools import PINNED, TOOLS, Kit, tool_folder
from tests.lab.hosts import HostSpec
from tests.lab.lab import Lab, temporary_lab
from tests.lab.lines import forwarded

_SSHD = "MaxStartups 200\nLogLevel ERROR"


def main() -> int:
    """Measure what is asked for, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--hosts", default="1,10,50,100", help="how many computers, one or more numbers")
    parser.add_argument("--tools", default=",".join(TOOLS), help="which, in the order in which they take turns")
    parser.add_argument("--delay", type=float, nargs="*", help="ms each way of the lines; without: 0 and 25")
    parser.add_argument("--rows", type=Path, help="a file to which what is measured is added; the table has all of it")
    parser.add_argument("--repeat", type=int, default=1, help="how often; the table has the medians")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("the bench needs root: its computers are the lab's", file=sys.stderr)
        return 2
    tools = options.tools.split(",")
    if unknown := set(tools) - set(TOOLS):
        print(f"no tool called {', '.join(unknown)}; there are: {', '.join(TOOLS)}", file=sys.stderr)
        return 2
    for tool in set(tools) & set(PINNED):
        tool_folder(tool)
    counts = [int(word) for word in options.hosts.split(",")]
    delays = [0.0, 25.0] if options.delay is None else options.delay or [25.0]
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        kit = Kit.make(Path(temporary))
        _one_round(kit, 1, tools, 0.0, 1, show=False)  # caches, compiled files, pages of the disk
        rows = [Row(**json.loads(line)) for line in _lines(options.rows)]
        for count in counts:
            for delay_ms in delays:
                new = _one_round(kit, count, tools, delay_ms, options.repeat, show=True)
                rows += new
                if options.rows:
                    with options.rows.open("a") as file:
                        file.writelines(json.dumps(asdict(row)) + "\n" for row in new)
        print(f"\n{tables(rows)}\n\n### Sizes\n\n{sizes(kit.home)}")
    return 0


def _one_round(kit: Kit, count: int, tools: list[str], delay_ms: float, repeat: int, *, show: bool) -> list[Row]:
    """All tools on as many computers, in turns."""
    rows = []
    with temporary_lab([HostSpec(f"pc{number + 1}", sshd=_SSHD) for number in range(count)]) as lab:
        hosts = list(lab.hosts.values())
        for number in range(repeat):
            for tool in tools[number % len(tools) :] + tools[: number % len(tools)]:
                with forwarded(lab, hosts, delay_ms=delay_ms) if delay_ms else nullcontext(_direct(lab)) as addresses:
                    kit.aim(lab, addresses)
                    for row in measure(kit, lab, hosts, tool, delay_ms):
                        rows.append(row)
                        if show:
                            print(
                                f"{count:>4} hosts {delay_ms:>3g} ms  {tool:<8}{row.turn:<6} {row.wall_s:7.2f} s,"
                                f" CPU a host {1000 * row.cpu_s / count:6.0f} ms here,"
                                f" {1000 * row.target_cpu_s / count:6.0f} ms there, others {row.busy:.1f} cores",
                                file=sys.stderr,
                                flush=True,
                            )
    return rows


def _lines(path: Path | None) -> list[str]:
    return path.read_text().splitlines() if path and path.exists() else []


def _direct(lab: Lab) -> dict[str, str]:
    return {host.name: host.address for host in lab.hosts.values()}


if __name__ == "__main__":
    raise SystemExit(main())
