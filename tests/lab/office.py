"""The office: the product as its staff use it, by its command alone, on the lab's network."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from controller import runtime
from tests.lab.hosts import Host
from tests.lab.lab import Lab
from tests.lab.readout import DPKG_TRACES, LIVES, Readout, read
from tests.lab.space import wait_until

__all__ = ["Office", "Run", "office"]

PASANG = str(Path(sys.executable).with_name("pasang"))
STORE = ("/var/lib/pasang", "/var/lib/pasang/*")
"""What the agent keeps on a computer: digests, journals, the way back."""
QUIET = (*LIVES, *DPKG_TRACES, *STORE, "/var", "/var/lib", "/var/log", "/var/cache", "/var/log/auth.log")


@dataclass(frozen=True)
class Run:
    """One command of the product that has ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of `--json`; each must be an object."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        """The last line of `--json`."""
        last = self.events[-1]
        assert last["type"] == "summary", last
        return last

    @property
    def outcomes(self) -> dict[str, str]:
        """Host -> outcome."""
        return {name: row["outcome"] for name, row in self.summary["hosts"].items()}

    def host(self, name: str) -> dict[str, Any]:
        """One row of the summary."""
        row: dict[str, Any] = self.summary["hosts"][name]
        return row


class Office:
    """A PASANG_HOME of its own, and the command."""

    def __init__(self, lab: Lab, folder: Path, **environment: str) -> None:
        self.lab = lab
        self.environment = environment
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        shutil.copytree(_runtime(), self.home / "runtime")
        self._started: list[subprocess.Popen[str]] = []

    def trust(self) -> None:
        """Vouch for the keys of all computers of the lab, as a person who compared them would."""
        shutil.copyfile(self.lab.folder / "known_hosts", self.home / "known_hosts")

    def inventory(
        self,
        hosts: Sequence[Host],
        *,
        user: str = "root",
        rows: Mapping[str, Mapping[str, Any]] | None = None,
        **variables: Any,
    ) -> Path:
        """An inventory of these computers; `variables` stand at `all`, `rows` at a computer."""
        path = self.folder / f"inventory-{user}-{len(list(self.folder.iterdir()))}.yaml"
        shared = {"ansible_user": user, "ansible_ssh_private_key_file": str(self.lab.folder / "id_ed25519")}
        shared |= {"location": "user", **variables}
        own = {host.name: {**host.connection(), **(rows or {}).get(host.name, {})} for host in hosts}
        path.write_text(json.dumps({"all": {"vars": {k: v for k, v in shared.items() if v is not None},
                                            "children": {"loket": {"hosts": own}}}}, indent=1))  # fmt: skip
        return path

    def pasang(self, *argv: str | Path, stdin: str = "", timeout_s: float = 180, **environment: str) -> Run:
        """Run the command to its end."""
        done = subprocess.run(
            self.lab.argv_inside([PASANG, *map(str, argv)]), input=stdin, capture_output=True, text=True,
            timeout=timeout_s, env=self._environment(environment), cwd=self.folder,
        )  # fmt: skip
        return Run(done.returncode, done.stdout, done.stderr)

    def start(self, *argv: str | Path, **environment: str) -> subprocess.Popen[str]:
        """Begin the command; its output goes to files, so that nobody has to read it."""
        with (self.folder / "out").open("w") as out, (self.folder / "err").open("w") as err:
            process = subprocess.Popen(
                self.lab.argv_inside([PASANG, *map(str, argv)]), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                text=True, env=self._environment(environment), cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        self._started.append(process)
        return process

    def close(self) -> None:
        """End what a failed test has left running."""
        for process in self._started:
            process.kill()
            process.wait()

    def said(self) -> str:
        """What the command that was started has printed so far."""
        return (self.folder / "out").read_text() + (self.folder / "err").read_text()

    def do(self, mode: str, playbook: Path, inventory: Path, *more: str, timeout_s: float = 180) -> Run:
        """One order with `--json`."""
        return self.pasang(mode, playbook, "-i", inventory, "--json", *more, timeout_s=timeout_s)

    def form(self, number: str, *, proved: bool = True) -> dict[str, Any]:
        """A form as it is exported; `proved`: it must verify without a database."""
        done = self.pasang("form", "export", number)
        assert done.code == 0, done.err
        if not proved:
            return dict(json.loads(done.out))
        file = self.folder / f"{number}.json"
        file.write_text(done.out)
        assert self.pasang("form", "verify", file, PASANG_DATABASE_URL="sqlite:////nowhere/at/all").code == 0
        content: dict[str, Any] = json.loads(done.out)
        return content

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the record, past the product."""
        with closing(sqlite3.connect(f"file:{self.home / 'pasang.sqlite3'}?mode=ro", uri=True)) as database:
            return database.execute(sql, values).fetchall()

    def events(self, form: str) -> list[dict[str, Any]]:
        """The stored records of a form, past the product, in the order in which they were stored."""
        rows = self.rows("select type, source, seq, body from event where form = ? order by id", form)
        return [{"type": t, "source": s, "seq": q, **json.loads(body)} for t, s, q, body in rows]

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        base = {k: v for k, v in os.environ.items() if not k.startswith(("PASANG_", "SSH_"))}
        return {**base, "PASANG_HOME": str(self.home), "LANG": "en_US.UTF-8", "LC_ALL": "C.UTF-8",
                "HOME": str(self.folder), "PASANG_LANG": "en", **self.environment, **more}  # fmt: skip


@cache
def _runtime() -> Path:
    """What the product makes of its agent at its first start, a second of work: once for all offices of a process."""
    folder = Path(tempfile.mkdtemp(prefix="pasang-runtime-"))
    atexit.register(shutil.rmtree, folder)
    runtime.prepare(folder)
    return folder / "runtime"


@pytest.fixture
def office(lab: Lab, tmp_path: Path) -> Iterator[Office]:
    """An office of one test."""
    with closing(Office(lab, tmp_path / "office")) as opened:
        yield opened


def same(before: Readout, after: Readout, *, ignore: Sequence[str] = ()) -> dict[str, str]:
    """What is not as before on a computer, besides dpkg's own traces and the agent's store; empty where nothing."""
    return before.difference(after, ignore=(*QUIET, *ignore))


def read_all(hosts: Sequence[Host]) -> dict[str, Readout]:
    """Read-outs of many computers, some at once: much of one is waiting."""
    with ThreadPoolExecutor(4) as pool:
        return dict(zip((host.name for host in hosts), pool.map(read_at_rest, hosts), strict=True))


def quiet(host: Host) -> None:
    """Wait until everything that a boot starts has started, so that a read-out is of a computer at rest."""

    def rests() -> bool:
        said = host.run(["systemctl", "is-system-running"], check=False).stdout.strip()
        return (
            said in ("running", "degraded") and not host.run(["systemctl", "list-jobs", "--no-legend"]).stdout.strip()
        )

    wait_until(rests, timeout_s=20, what=f"{host.name} at rest", every_s=0.1)


def units_of_ours(host: Host) -> str:
    """Units of the agent that are loaded, whatever their state."""
    return host.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "pasang-*"]).stdout


def read_at_rest(host: Host) -> Readout:
    """A read-out once the agent has left: a command may return a moment before its process is gone."""
    wait_for(lambda: not units_of_ours(host), f"no agent on {host.name}", timeout_s=20)
    return read(host)


def http(host: Host, path: str = "/", *, port: int = 80) -> str:
    """Status and body that the computer answers over its network, asked from the lab's side."""
    ask = (
        "import sys, urllib.request as u, urllib.error as e\n"
        "try: r = u.urlopen(sys.argv[1], timeout=5); print(r.status, r.read().decode())\n"
        "except e.HTTPError as x: print(x.code)\n"
        "except OSError as x: print('none', x)"
    )
    return host.run(["python3", "-c", ask, f"http://{host.address}:{port}{path}"]).stdout.strip()


def journal_types(host: Host) -> list[str]:
    """The types of the records in the newest journal on the computer's disk."""
    journals = sorted((host.root / "var/lib/pasang/runs").glob("*/journal.ndjson"), key=lambda p: p.stat().st_mtime)
    if not journals:
        return []
    lines = journals[-1].read_text().splitlines()
    return [json.loads(line)["type"] for line in lines if line.endswith("}")]


def wait_for(true: Callable[[], bool], what: str, *, timeout_s: float = 60) -> None:
    """Wait until something is so."""
    wait_until(true, timeout_s=timeout_s, what=what, every_s=0.01)


def kill(process: subprocess.Popen[str], number: signal.Signals = signal.SIGKILL) -> int:
    """Send a signal and wait for the end; the exit code."""
    process.send_signal(number)
    return process.wait(timeout=60)
