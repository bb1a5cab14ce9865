"""One tool, some computers: the work on fresh ones, and the same again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.bench.tools import Kit
from tests.lab.hosts import Host
from tests.lab.lab import Lab

TURNS = ("first", "again")
_OUTCOMES = {"first": "installed", "again": "already_installed"}
_METER = Path(__file__).with_name("meter.py")
_QUIET_SHARE = 0.1
_PATIENCE_S = 10.0
_TIMEOUT_S = 1800


@dataclass(frozen=True)
class Row:
    """What one command took.

    Attributes:
        hosts: how many computers.
        delay_ms: of the line, each way.
        tool: one of `tools.TOOLS`.
        turn: one of `TURNS`.
        wall_s: from its start to its end.
        cpu_s: user and system time of the command and all that it started here.
        target_cpu_s: of all computers together, everything that ran on them counted.
        busy: by how much other people's work filled this machine meanwhile, in cores.
        contacts: Pasang's `host_ended` records.
    """

    hosts: int
    delay_ms: float
    tool: str
    turn: str
    wall_s: float
    cpu_s: float
    target_cpu_s: float
    busy: float
    contacts: list[dict[str, object]] = field(default_factory=list)

    def contact(self, name: str) -> float:
        """The median of one number of the contacts."""
        return median(float(str(record[name])) for record in self.contacts)


def measure(kit: Kit, lab: Lab, hosts: Sequence[Host], tool: str, delay_ms: float) -> Iterator[Row]:
    """Put new disks into the computers, and do the work twice.

    Raises:
        RuntimeError: a tool failed, or said it had done what is not there; with the end of what it printed.
    """
    with ThreadPoolExecutor(max_workers=6) as pool:
        list(pool.map(Host.reset, hosts))
        list(pool.map(_settle, hosts))
    _wait_for_quiet()
    for turn in TURNS:
        row = _run(kit, lab, hosts, tool, turn, delay_ms)
        outcomes = {record["outcome"] for record in row.contacts}
        if outcomes - {_OUTCOMES[turn]}:
            raise RuntimeError(f"{turn}: {outcomes}")
        yield row


def _run(kit: Kit, lab: Lab, hosts: Sequence[Host], tool: str, turn: str, delay_ms: float) -> Row:
    argv, settings = kit.command(tool, lab)
    log, result = kit.folder / f"{tool}.log", kit.folder / "result.json"
    log.unlink(missing_ok=True)
    meter = lab.argv_inside([sys.executable, "-I", "-S", str(_METER), str(result), str(log), *argv])
    before_s, machine_before_s, began = sum(map(Host.cpu_seconds, hosts)), _machine_busy_s(), time.monotonic()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | settings
    subprocess.run(meter, check=True, env=environment, cwd=Path(__file__).parents[2], timeout=_TIMEOUT_S)
    passed_s, machine_s = time.monotonic() - began, _machine_busy_s() - machine_before_s
    target_cpu_s = sum(map(Host.cpu_seconds, hosts)) - before_s
    row = json.loads(result.read_text())
    missing = [host.name for host in hosts if not (host.root / "etc/nginx/conf.d/bench.conf").exists()]
    if row["code"] != 0 or missing:
        raise RuntimeError(f"{tool} ended with {row['code']}, undone: {missing}\n{log.read_text()[-4000:]}")
    return Row(
        hosts=len(hosts),
        delay_ms=delay_ms,
        tool=tool,
        turn=turn,
        wall_s=row["wall_s"],
        cpu_s=row["cpu_s"],
        target_cpu_s=target_cpu_s,
        busy=max(0.0, (machine_s - target_cpu_s - row["cpu_s"]) / passed_s),
        contacts=kit.last_contacts() if tool == "pasang" else [],
    )


def _settle(host: Host) -> None:
    """Wait until its boot is over, so that it is not measured."""
    host.run(["systemctl", "is-system-running", "--wait"], check=False)


def _wait_for_quiet() -> None:
    """Wait until this machine has little else to do; not for ever, since others may work on it."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        before_s, began = _machine_busy_s(), time.monotonic()
        time.sleep(0.5)
        if _machine_busy_s() - before_s < _QUIET_SHARE * (time.monotonic() - began) * (os.cpu_count() or 1):
            return


def _machine_busy_s() -> float:
    """CPU seconds that this machine has worked since it was switched on."""
    user, nice, system, _idle, _iowait, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
