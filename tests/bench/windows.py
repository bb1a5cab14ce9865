"""`python -m tests.bench.windows [--hosts 20]`: bare Windows computers, all at once, until their agents answer.

Three rounds: bare, so that a Python is brought; with that Python and its agent; and once more. Each computer allows
one shell a person, so that a second one would fail. Requests are WinRM's, until the agent's first answer; bytes are
of the whole contact. What one computer takes alone is measured first.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.contract.windows import Contact, Controller, connection
from tests.lab.hosts import HostSpec
from tests.lab.lab import temporary_lab
from tests.lab.windows.base import NAME
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.python import ensure_python
from tests.lab.windows.settings import Quotas

ROUNDS = ("bare", "again", "once more")


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.windows", description=__doc__)
    parser.add_argument("--hosts", type=int, default=20, help="computers at once")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("the bench needs root: its computers are the lab's", file=sys.stderr)
        return 2
    print("| computers | round | seconds | first answer, s | requests | Python, bytes | sent besides, bytes |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for count in dict.fromkeys((1, options.hosts)):
        specs = [HostSpec(f"pc{number + 1}", NAME) for number in range(count)]
        with temporary_lab(specs) as lab, lab.inside(), tempfile.TemporaryDirectory() as home:
            controller = Controller.made(Path(home), ensure_python())
            for digest in controller.options.pythons.values():
                controller.options.package(digest)  # made once a controller
            hosts = [_strict(host) for host in lab.hosts.values() if isinstance(host, WindowsHost)]
            for name in ROUNDS:
                _report(name, *_round(controller, hosts))
    return 0


def _strict(host: WindowsHost) -> WindowsHost:
    """The same, with one shell a person."""
    host.power_off()
    host.quotas = Quotas(shells_per_user=1)
    host.boot()
    return host


def _round(controller: Controller, hosts: Sequence[WindowsHost]) -> tuple[list[Contact], float]:
    began = time.monotonic()
    with ThreadPoolExecutor(len(hosts)) as pool:
        answers = list(pool.map(lambda host: controller.ask(connection(host)), hosts))
    return answers, time.monotonic() - began


def _report(name: str, answers: Sequence[Contact], seconds: float) -> None:
    first_s = statistics.median(answer.seconds for answer in answers)
    requests = sorted({answer.requests - answer.pieces for answer in answers})
    pieces = max(answer.pieces for answer in answers)
    asked = "–".join(str(count) for count in dict.fromkeys((requests[0], requests[-1])))
    asked += f" and {pieces} pieces" if pieces else ""
    python_bytes = max(answer.python_bytes for answer in answers)
    sent_bytes = max(answer.sent_bytes for answer in answers)
    cells = (len(answers), name, f"{seconds:.1f}", f"{first_s:.2f}", asked, f"{python_bytes:,}", f"{sent_bytes:,}")
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
