"""Windows computers of the matrix: Arsip by its set-up and by its MSI, judged by registry, drive and ports."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.computer import Computer, Footprint, Reference
from tests.chaos.judge import TWICE, looks_of
from tests.chaos.scenarios import Scenario
from tests.lab.office import Office, wait_for
from tests.lab.windows import software
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.playbooks import MSI, equip, playbook, setup_of, way
from tests.lab.windows.readout import differences, state
from tests.lab.windows.software import Fault

STORE = "ProgramData/Pasang"
AT_REST_S = 30.0
WRITTEN_S = 2.0
"""Longer than a lock is being written."""


def _setup(fault: Fault) -> Callable[[Path], Path]:
    return lambda folder: playbook(folder, software.ensure_setup(fault=fault), setup_of("1.0.0"))


def _msi(version: str, fault: Fault) -> Callable[[Path], Path]:
    return lambda folder: playbook(folder, software.ensure_msi(version, fault), MSI, version=version)


SCENARIOS: Mapping[str, Scenario] = {
    "win-install": Scenario("a set-up installs a service; it is configured", _setup(Fault.NONE), "installed"),
    "win-broken": Scenario("its service dies after two seconds; all is taken back", _setup(Fault.DIES), "rolled_back"),
    "win-upgrade": Scenario(
        "the service of a newer MSI dies; the older comes back",
        _msi("1.1.0", Fault.DIES), "rolled_back", _msi("1.0.0", Fault.NONE),
    ),
}  # fmt: skip


class WindowsComputer(Computer):
    """Wine's. Its disk has a Python of ours already: that it comes, and does not, is tested elsewhere."""

    base = "windows"
    scenarios = SCENARIOS
    host: WindowsHost

    @property
    def store(self) -> Path:
        """See ``Computer``, as all below."""
        return self.host.drive / STORE

    def outside(self, path: str) -> Path:
        return self.host.drive / path.partition("\\")[2].replace("\\", "/")

    def inventory(self, office: Office) -> Path:
        return way(office, self.host)

    def equip(self, office: Office) -> None:
        equip(office)

    def is_kept(self, scenario: str) -> bool:
        return True

    def make_ready(self, scenario: str, office: Office) -> None:
        self.host.reset()
        self.host.run(["msiexec", "/x", software.product_code("0"), "/qn"], check=False)  # Wine makes keys at its first
        inventory, before = self.inventory(office), self._playbooks[scenario].before
        done = office.do("install", before, inventory) if before else office.pasang("hosts", "facts", "-i", inventory)
        assert done.code == 0, (done.out, done.err)
        self.left_behind()
        self.host.keep_disk(scenario)

    def rest(self) -> None:
        """It answers once it has booted."""

    def read(self) -> dict[str, Any]:
        return state(self.host)

    def changed(self, before: dict[str, Any], now: dict[str, Any]) -> dict[str, str]:
        return {
            name: "added" if was is None else "removed" if there is None else "changed"
            for name, (was, there) in differences(before, now).items()
        }

    def footprint(self, before: dict[str, Any], after: dict[str, Any]) -> Footprint:
        return {name: there for name, (_, there) in differences(before, after).items()}

    def installs(self) -> int:
        log = self.outside(software.RUNS)
        return len(log.read_text().split()) if log.exists() else 0

    def holder(self) -> dict[str, Any]:
        found = self._in_the_lock()
        if not found.get("began"):
            return {}
        listed = self.host.run(["tasklist"]).stdout.split("\n")
        return found if any(str(found["pid"]) in line.split() for line in listed) else {}

    def _in_the_lock(self) -> dict[str, Any]:
        """What stands there; nothing where it stays torn, as the agent takes it."""
        lock, found = self.store / "lock", dict[str, Any]()
        deadline = time.monotonic() + WRITTEN_S
        while lock.exists() and time.monotonic() < deadline:
            try:
                found = json.loads(lock.read_text().strip("\0 ") or "{}")
                break
            except ValueError:
                time.sleep(0.05)
        return found

    def kill(self, pid: int) -> bool:
        return self.host.run(["taskkill", "/F", "/PID", str(pid)], check=False).returncode == 0

    def left_behind(self) -> list[str]:
        def ours() -> list[str]:
            return [name for name in self.host.services() if "pasang" in name.lower()]

        try:
            wait_for(lambda: not ours(), "the end of our services", timeout_s=AT_REST_S)
        except TimeoutError:
            return [f"services: {ours()}"]
        held = self.holder()
        return [f"held: {held}"] if held else []

    def out_of_service(self) -> list[str]:
        return [] if software.PORT in self.host.ports() else ["nobody listens"]

    def installed_twice(self, reference: Reference, journal: Sequence[Mapping[str, Any]]) -> list[str]:
        """A set-up tells of each of its runs; each needs a look of its own before it."""
        ran, looks = self.installs() - reference.installs, len(looks_of(journal))
        return [f"the set-up ran {ran} times after {looks} looks: {TWICE[1]}"] if ran > looks else []

    def untrue(self, reference: Reference, now: dict[str, Any], form: Mapping[str, Any]) -> list[str]:
        """Nothing of these scenarios refuses to be taken back: nobody may be called."""
        changed = self.changed(reference.before, now)
        return [f"a person is called: {form.get('reason')}, {form['rollback']}, {changed}"]
