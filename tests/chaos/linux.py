"""Linux computers of the matrix: Debian with its nginx, judged with dpkg, systemctl, ss, HTTP and the whole disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.chaos.computer import Computer, Footprint, Reference
from tests.chaos.judge import TWICE, looks_of
from tests.chaos.scenarios import HOOK, SCENARIOS
from tests.lab.hosts import Host
from tests.lab.office import QUIET, http, quiet, same, units_of_ours, wait_for
from tests.lab.readout import Readout, read

AT_REST_S = 20.0
LOGS = "/var/log/nginx/"
DIFFERS = (*QUIET, "/var/log/nginx/*", "/var/lib/nginx", "/var/lib/nginx/*", "/etc/nginx/percobaan")
"""What two runs that end alike may leave differently: logs, and how often a command was needed."""
STORE = "var/lib/pasang"
PASSED = "/run/chaos-passed"
HOOK_SCRIPT = f"""
echo "$1" >>{PASSED}
point="installer:$1#$(grep -cxF -- "$1" {PASSED}):during"
grep -qsF "\\"$point\\"" /{STORE}/fault.json || exit 0
mv /{STORE}/fault.json /{STORE}/fault.reached
turns=0
while [ -e /{STORE}/fault.reached ] && [ $turns -lt 600 ]; do sleep 0.1; turns=$((turns + 1)); done
"""
"""As `agent.faults`, for the scripts of packages; it only holds."""


class LinuxComputer(Computer):
    """Debian 12; the scripts of its packages pass points too."""

    base = "bookworm"
    scenarios = SCENARIOS

    @property
    def store(self) -> Path:
        """See ``Computer``, as all below."""
        return self.host.root / STORE

    def outside(self, path: str) -> Path:
        return self.host.root / path.lstrip("/")

    def rest(self) -> None:
        quiet(self.host)

    def fresh(self, scenario: str) -> None:
        super().fresh(scenario)
        self.host.run(["sh", "-c", f"cat >{HOOK}"], text=HOOK_SCRIPT)

    def scripts(self) -> list[str]:
        return self.host.run(["cat", PASSED], check=False).stdout.split()

    def read(self) -> Readout:
        return read(self.host)

    def changed(self, before: Readout, now: Readout) -> dict[str, str]:
        return changed(before, now)

    def footprint(self, before: Readout, after: Readout) -> Footprint:
        return footprint(before, after)

    def installs(self) -> int:
        return len(dpkg_log(self.host))

    def holder(self) -> dict[str, Any]:
        return holder(self.host)

    def kill(self, pid: int) -> bool:
        return self.host.run(["kill", "-KILL", str(pid)], check=False).returncode == 0

    def left_behind(self) -> list[str]:
        try:
            wait_for(lambda: not units_of_ours(self.host), "the end of our units", timeout_s=AT_REST_S)
        except TimeoutError:
            return [f"units: {units_of_ours(self.host).strip()}"]
        held = holder(self.host)
        return [f"held: {held}"] if held else []

    def out_of_service(self) -> list[str]:
        page = http(self.host)
        return [] if page.startswith("200 ") and "nginx" in page else [f"the page is {page[:80]!r}"]

    def installed_twice(self, reference: Reference, journal: Sequence[Mapping[str, Any]]) -> list[str]:
        return installed_twice(self.host, reference, journal)

    def untrue(self, reference: Reference, now: Readout, form: Mapping[str, Any]) -> list[str]:
        return as_told(reference, now, form)


def footprint(before: Readout, after: Readout) -> Footprint:
    """What is not as before, each with what it is now: None where it is gone."""
    found: Footprint = {}
    parts = (
        ("package", before.packages, after.packages),
        ("unit", before.units, after.units),
        ("active", before.active, after.active),
        ("port", before.ports, after.ports),
        ("people", before.people, after.people),
        ("file", before.files, after.files),
    )
    for word, was, now in parts:
        for name in was.keys() | now.keys():
            if was.get(name) != now.get(name) and not (word == "file" and any(fnmatch(name, p) for p in DIFFERS)):
                found[f"{word} {name}"] = now.get(name)
    return found


def dpkg_log(host: Host) -> list[str]:
    """What dpkg says it did, line by line."""
    path = host.root / "var/log/dpkg.log"
    return path.read_text().splitlines() if path.exists() else []


def holder(host: Host) -> dict[str, Any]:
    """Who holds the computer and lives: what stands in the agent's lock; empty where nobody does."""
    lock = host.root / STORE / "lock"
    found: dict[str, Any] = json.loads(lock.read_text() or "{}") if lock.exists() else {}
    if not found.get("began") or host.run(["kill", "-0", str(found["pid"])], check=False).returncode != 0:
        return {}
    return found


def changed(before: Readout, now: Readout) -> dict[str, str]:
    """What is not as before. The version before may go on writing its logs."""
    logs = [path for path in before.files if path.startswith(LOGS)]
    return same(before, now, ignore=logs)


def as_told(reference: Reference, now: Readout, form: Mapping[str, Any]) -> list[str]:
    """What contradicts a form that needs a person: no reason, what it is silent about, what it says that is not so."""
    wrong = [] if form.get("reason") else ["the form gives no reason"]
    told = {(row["kind"], row["name"], row["change"]) for row in (form["rollback"] or {}).get("residue", [])}
    seen = {row_of(name, change): name for name, change in changed(reference.before, now).items()}
    wrong += [f"the form is silent about {row[2]} {name}" for row, name in seen.items() if row not in told]
    # The state of a service and a process come and go by themselves while we look: being named is enough for them.
    false = [row for row in told - seen.keys() if row[0] not in ("service", "process", "schedule")]
    return wrong + [f"the form says {change} {kind} {name}, and that is not so" for kind, name, change in false]


def row_of(name: str, change: str) -> tuple[str, str, str]:
    """A difference of two read-outs as a form names it: kind, name, change."""
    word, _, rest = name.partition(" ")
    if word == "people":
        word, _, rest = rest.partition(" ")
    kinds = {
        "package": "package",
        "unit": "service",
        "active": "service",
        "port": "port",
        "user": "user",
        "group": "group",
    }
    return (kinds[word], rest, change) if word in kinds else ("file", name, change)


def installed_twice(host: Host, reference: Reference, journal: Sequence[Mapping[str, Any]]) -> list[str]:
    """Installers that ran for what was in place, or without a look of their own that had found it not in place.

    dpkg's own log says when a package was unpacked (in whole seconds), and its state; the journal says when was looked.
    """
    looks = looks_of(journal)
    wrong: list[str] = []
    state, used = dict[str, str](), dict[str, int]()
    for line in dpkg_log(host)[reference.installs :]:
        day, clock, verb, *words = line.split()
        if verb == "status":
            state[words[1]] = f"{words[0]} {words[2]}"
        if verb not in ("install", "upgrade") or words[2] not in reference.versions:
            continue
        package, version = words[0], words[2]
        second = int(datetime.fromisoformat(f"{day}T{clock}+00:00").timestamp())
        left = range(used.get(package, -1) + 1, len(looks))
        before = [n for n in left if int(looks[n]) < second] or [n for n in left if int(looks[n]) == second][:1]
        if state.get(package) == f"installed {version}":
            wrong.append(f"{line}: {TWICE[0]}")
        elif not before:
            wrong.append(f"{line}: {TWICE[1]}")
        used[package] = before[-1] if before else used.get(package, -1)
    return wrong
