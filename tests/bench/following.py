"""`python -m tests.bench.following [--hosts 200] [--computers 20] [--seconds 30]`: what it costs to watch.

The controller is the product's own command in a process of its own, over SSH, and follows real agents at work in the
lab; several may share a computer, each with a folder of its own. Every agent runs commands that sleep, one after
another, and writes three records for each. What is measured lies between the moment at which the last agent has gone
on by itself and the first end: the share of a core, and the memory, of the controller alone.
"""

from __future__ import annotations

import argparse
import os
import pty
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.lab.hosts import HostSpec
from tests.lab.lab import Lab, temporary_lab
from tests.lab.playbooks import write_playbook

WATCHING = {"--json": "`--json` into a file", "quiet": "nobody watches", "terminal": "the live table on a terminal"}
RECORDS_A_COMMAND = 3
SETTLE_S = 3.0
START_S = 120.0
"""What 200 agents may take to begin, on a machine that is busy with them all."""
PATIENCE_S = 300.0
_SSHD = "MaxStartups 500\nLogLevel ERROR"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Row:
    """What following took, in one way of watching and at one rate.

    Attributes:
        watching: a key of `WATCHING`.
        hosts: how many.
        every_s: between a host's commands.
        records: how many the controller stored a second.
        share: of one core.
        rss_mb: at the end of what was measured.
        peak_mb: since the controller was started, connecting included.
        threads: of the controller.
        load: of the machine, of its cores, the lab's computers included.
    """

    watching: str
    hosts: int
    every_s: float
    records: float
    share: float
    rss_mb: float
    peak_mb: float
    threads: int
    load: float

    def line(self) -> str:
        """A row of the table."""
        words = [WATCHING[self.watching], f"{self.hosts}", f"{self.records:.0f}", f"{100 * self.share:.0f} %"]
        words += [f"{self.rss_mb:.0f}", f"{self.peak_mb:.0f}", f"{self.threads}", f"{self.load:.1f}"]
        return "| " + " | ".join(words) + " |"


HEAD = (
    "| watched | computers | records a second | of one core | memory, MB | at most, MB | threads | machine's load |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


class Office:
    """A PASANG_HOME, an inventory and a playbook."""

    def __init__(self, folder: Path, lab: Lab, hosts: int, every_s: float, commands: int) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        (self.home / "known_hosts").write_text((lab.folder / "known_hosts").read_text())
        self.inventory = self._inventory(lab, hosts)
        sleep = {"argv": ["sleep", f"{every_s:g}"], "undo": {"argv": ["true"]}}
        self.playbook = write_playbook(
            folder / "playbook",
            name="pelan",
            version="1",
            variants=[
                {
                    "when": {"os": "linux"},
                    "install": [{"command": sleep}] * commands,
                    "test": [{"command": {"argv": ["true"]}}],
                }
            ],
        )

    def _inventory(self, lab: Lab, hosts: int) -> Path:
        computers = list(lab.hosts.values())
        lines = ["all:", "  vars:", "    ansible_user: root", "    location: user"]
        lines += [f"    ansible_ssh_private_key_file: {lab.folder / 'id_ed25519'}", "  hosts:"]
        for number in range(hosts):
            address = computers[number % len(computers)].address
            root = f"/var/lib/pasang-{number // len(computers)}"
            lines.append(f"    pc{number + 1:03d}: {{ansible_host: {address}, pasang_root: {root}}}")
        path = self.folder / "inventory.yaml"
        path.write_text("\n".join(lines) + "\n")
        return path

    def count(self, type_: str) -> int:
        """How many records of a type are stored."""
        return self._number("select count(*) from event where type = ? and source = 'agent'", type_)

    def records(self) -> int:
        """How many records are stored."""
        return self._number("select count(*) from event")

    def _number(self, sql: str, *values: str) -> int:
        path = self.home / "pasang.sqlite3"
        if not path.exists():
            return 0
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return int(database.execute(sql, values).fetchone()[0])
        return 0


class Controller:
    """The command at work."""

    def __init__(self, lab: Lab, office: Office, watching: str, hosts: int) -> None:
        words = [str(Path(sys.executable).with_name("pasang")), "install", str(office.playbook)]
        words += ["-i", str(office.inventory), "--forks", str(hosts)]
        words += ["--json"] if watching == "--json" else []
        environment = {**os.environ, "PASANG_HOME": str(office.home), "TERM": "xterm-256color", "COLUMNS": "120"}
        self._reader: threading.Thread | None = None
        with (office.folder / "out").open("wb") as out, (office.folder / "err").open("wb") as err:
            ours, theirs = pty.openpty() if watching == "terminal" else (-1, -1)
            self.process = subprocess.Popen(
                lab.argv_inside(words), stdin=subprocess.DEVNULL, stdout=out, stderr=theirs if theirs >= 0 else err,
                env=environment, start_new_session=True,
            )  # fmt: skip
        if theirs >= 0:
            os.close(theirs)
            self._reader = threading.Thread(target=_drain, args=(ours,), daemon=True)
            self._reader.start()

    def cpu_s(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * _TICK_S

    def status(self, key: str) -> int:
        """A number of /proc/PID/status."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1])
        raise LookupError(key)

    def end(self) -> None:
        """Leave the computers to themselves."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _drain(terminal: int) -> None:
    with suppress(OSError):
        while os.read(terminal, 65536):
            pass
    os.close(terminal)


def measure(lab: Lab, folder: Path, watching: str, *, hosts: int, every_s: float, seconds: float) -> Row:
    """One order, followed for so many seconds, and left.

    Raises:
        RuntimeError: the controller ended, or the agents did not begin in time.
    """
    office = Office(folder, lab, hosts, every_s, commands=round((START_S + seconds) / every_s) + 1)
    controller = Controller(lab, office, watching, hosts)
    try:
        _wait(lambda: office.count("detached") >= hosts, controller, office)
        time.sleep(SETTLE_S)
        began, cpu_s, records = time.monotonic(), controller.cpu_s(), office.records()
        time.sleep(seconds)
        passed_s = time.monotonic() - began
        if controller.process.poll() is not None or office.count("run_ended"):
            raise RuntimeError("it ended while it was measured")
        return Row(
            watching, hosts, every_s,
            records=(office.records() - records) / passed_s, share=(controller.cpu_s() - cpu_s) / passed_s,
            rss_mb=controller.status("VmRSS") * 1024 / 1e6, peak_mb=controller.status("VmHWM") * 1024 / 1e6,
            threads=controller.status("Threads"), load=os.getloadavg()[0],
        )  # fmt: skip
    finally:
        controller.end()


def _wait(true: Callable[[], bool], controller: Controller, office: Office) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        if controller.process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the agents did not begin: {(office.folder / 'err').read_text()[-2000:]}")
        time.sleep(0.5)


def main() -> int:
    """Measure every way of watching at every rate, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.following", description=__doc__)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--computers", type=int, default=20, help="of the lab, that share the agents")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long it is measured")
    parser.add_argument("--every", default="15,3", help="seconds between the commands of an agent, one or more")
    parser.add_argument("--watching", default=",".join(WATCHING))
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("the bench needs root: its computers are the lab's", file=sys.stderr)
        return 2
    print(HEAD, flush=True)
    specs = [HostSpec(f"pc{number + 1}", sshd=_SSHD) for number in range(options.computers)]
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary, temporary_lab(specs) as lab:
        for every_s in map(float, options.every.split(",")):
            for watching in options.watching.split(","):
                for host in lab.hosts.values():
                    host.reset()
                folder = Path(temporary) / f"{watching}-{every_s:g}"
                row = measure(lab, folder, watching, hosts=options.hosts, every_s=every_s, seconds=options.seconds)
                print(row.line(), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
