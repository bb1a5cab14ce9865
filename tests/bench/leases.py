"""`python -m tests.bench.leases [--hosts 200]`: what a lease costs, on SQLite and on a PostgreSQL of our own.

Each computer's lease is taken and given back, one after the other as the threads of a fleet do through one connection;
a renewal is one statement for all that are held. The server answers over a unix socket; leases wait for no disk.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from controller.records import Store
from tests.postgresql import Server

RENEWALS = 50


def took_ms(work: Callable[[], object]) -> float:
    """How long a piece of work took."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def row(name: str, times: Iterable[float]) -> str:
    """A line of the table: median, and what 95 of 100 stayed below."""
    ordered = sorted(times)
    return f"| {name} | {statistics.median(ordered):.2f} | {ordered[int(0.95 * len(ordered))]:.2f} |"


def measure(url: str, kind: str, hosts: int) -> list[str]:
    """The table's lines of one database."""
    names = [f"pc{number} ssh://192.0.2.1:22" for number in range(hosts)]
    with Store(url) as store:
        leases, other = store.leases("staf@pusat"), store.leases("staf@loket")
        leases.take("warm", host="warm", run="r")
        takes = [took_ms(lambda n=name: leases.take(n, host=n, run="r", lasts_s=600.0)) for name in names]
        refusals = [took_ms(lambda n=name: other.take(n, host=n, run="s")) for name in names]
        renewals = [took_ms(leases.renew) for _ in range(RENEWALS)]
        returns = [took_ms(lambda n=name: leases.give_back(n, host=n)) for name in names]
    return [
        row(f"{kind}: take", takes),
        row(f"{kind}: be told who has it", refusals),
        row(f"{kind}: renew all {hosts} at once", renewals),
        row(f"{kind}: give back", returns),
    ]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.leases", description=__doc__)
    parser.add_argument("--hosts", type=int, default=200, help="how many computers")
    hosts = parser.parse_args().hosts
    folder = Path(tempfile.mkdtemp(prefix="pasang-leases-"))
    try:
        lines = measure(f"sqlite:///{folder / 'home' / 'pasang.sqlite3'}", "SQLite", hosts)
        cluster = folder / "postgresql"
        folder.chmod(0o755)  # the server runs as another user where we are root
        cluster.mkdir()
        server = Server(cluster)
        try:
            lines += measure(server.create(), "PostgreSQL", hosts)
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
    print("| | median, ms | 95 of 100 within, ms |", "| --- | ---: | ---: |", *lines, sep="\n")


if __name__ == "__main__":
    main()
