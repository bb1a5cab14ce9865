"""Whatever is killed in the middle, it ends: installed and proved, or taken back and proved, with a whole form."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.invented import PAGE, PORT, Fault, build_loket
from tests.lab.lab import Lab
from tests.lab.lines import forwarded
from tests.lab.office import Office, Run, http, journal_types, kill, quiet, read_at_rest, same, units_of_ours, wait_for
from tests.lab.playbooks import loket_playbook, loket_variant, write_playbook
from tests.lab.readout import packages, read

BIG_BYTES = 96 * 1024 * 1024
GATE = "/run/lanjut"


def gated(folder: Path) -> Path:
    """A postinst that waits until `open_gate`, so that the middle lasts as long as a test needs, on any machine."""
    folder.mkdir(parents=True)
    wait = f'if [ "$1" = configure ]; then while [ ! -e {GATE} ]; do sleep 0.05; done; fi'
    return loket_playbook(folder, payload=build_loket(folder, "1.0", more_scripts={"postinst": wait}))


def open_gate(host: Host) -> None:
    host.run(["touch", GATE])


def _steady(folder: Path) -> Path:
    """A service that must stay up for four seconds."""
    run = {"name": "loket", "state": "running", "enabled": True, "stable_for": "4s"}
    return loket_playbook(folder, "1.0", run=[{"service": run}])


def _dying(folder: Path) -> Path:
    """A service that dies within the four seconds that it must stay up."""
    return loket_playbook(
        folder, "1.0", Fault.DIES, run=[{"service": {"name": "loket", "state": "running", "stable_for": "4s"}}]
    )


def _big(folder: Path) -> Path:
    """A large file is sent before the package."""
    folder.mkdir(parents=True)
    big = folder / "besar.bin"
    big.write_bytes(os.urandom(1024 * 1024) * (BIG_BYTES // 1024 // 1024))
    install = [{"file": {"path": "/srv/besar", "payload": "besar"}}, {"deb": {"payloads": ["loket"]}}]
    payloads = {"besar": big, "loket": build_loket(folder, "1.0")}
    return write_playbook(
        folder, name="loket", version="1.0", payloads=payloads, variants=[loket_variant(install=install)]
    )


def _is_pushing(host: Host) -> bool:
    return any(part.stat().st_size > 1024 * 1024 for part in (host.root / "var/lib/pasang/blobs").glob("*.part"))


def is_installing(host: Host) -> bool:
    return bool(host.run(["pgrep", "-f", "loket.postinst configure"], check=False).stdout.strip())


def _is_proving(host: Host) -> bool:
    types = journal_types(host)
    return "effect" in types and types[-1] in ("step_started", "detected", "intent") and types.count("step_started") > 2


def has_ended(host: Host) -> bool:
    return "run_ended" in journal_types(host)


@dataclass(frozen=True)
class Moment:
    """When, in what, and how it must end."""

    playbook: Callable[[Path], Path]
    is_now: Callable[[Host], bool]
    outcome: str = "installed"


MOMENTS = {
    "push": Moment(_big, _is_pushing),
    "install": Moment(gated, is_installing),
    "stability": Moment(_steady, _is_proving),
    "dying": Moment(_dying, _is_proving, "rolled_back"),
}


def _begin(office: Office, host: Host, moment: Moment, folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start an installation and wait for the moment."""
    quiet(host)
    inventory = office.inventory([host])
    process = office.start("install", moment.playbook(folder / "playbook"), "-i", inventory)
    wait_for(lambda: moment.is_now(host) or process.poll() is not None, f"the moment: {office.said()}")
    assert process.poll() is None, office.said()
    return process, inventory


def _resume(office: Office, inventory: Path) -> Run:
    done = office.pasang("resume", "-i", inventory, "--json")
    assert done.out, done.err
    return done


def _check_installed(office: Office, host: Host, number: str) -> dict[str, Any]:
    """Installed and proved, dpkg ran once, the form is whole."""
    assert packages(host)["loket"] == "1.0 install ok installed"
    assert PAGE in http(host, port=PORT)
    log = (host.root / "var/log/dpkg.log").read_text()
    assert len(re.findall(r" install loket:all <none> 1\.0$", log, re.MULTILINE)) == 1
    assert len(re.findall(r" configure loket:all 1\.0 ", log)) == 1
    assert units_of_ours(host) == ""
    form = office.form(number)
    results = {row["no"]: row["result"] for row in form["steps"]}
    assert results == {**dict.fromkeys(range(1, 13), "ok"), 8: "skipped", 10: "skipped", 11: "skipped", 13: "skipped"}
    _check_records(office, host, number)
    return form


def _check_records(office: Office, host: Host, number: str) -> None:
    """Every record of the computer's journal stands in the database, once and in order."""
    ((run,),) = office.rows("select run from form where number = ?", number)
    journals = list((host.root / "var/lib/pasang/runs").glob(f"{run}.*/journal.ndjson"))
    written = [line for journal in journals for line in journal.read_text().splitlines()]
    stored = [event["seq"] for event in office.events(number) if event["source"] == "agent"]
    assert stored == list(range(1, len(written) + 1))


@pytest.mark.parametrize("name", MOMENTS)
def test_the_controller_is_killed_and_a_new_one_goes_on(boot: Boot, office: Office, tmp_path: Path, name: str) -> None:
    (host,) = boot()
    office.trust()
    quiet(host)
    before, moment = read(host), MOMENTS[name]
    process, inventory = _begin(office, host, moment, tmp_path)
    assert kill(process) == -signal.SIGKILL
    open_gate(host)
    done = _resume(office, inventory)
    row = done.host(host.name)
    assert row["outcome"] == moment.outcome, row
    if moment.outcome == "installed":
        assert done.code == 0
        _check_installed(office, host, row["form"])
    else:
        assert done.code == 1
        assert row["rollback"]["verdict"] == "clean"
        assert same(before, read_at_rest(host)) == {}
        _check_records(office, host, row["form"])
    again = office.pasang("resume", "-i", inventory, "--json")
    assert (again.code, again.summary["hosts"]) == (0, {}), "nothing is left open"


def test_ctrl_c_leaves_the_computers_finishing_and_says_how_to_come_back(
    boot: Boot, office: Office, tmp_path: Path
) -> None:
    hosts = boot("bookworm", 3)
    office.trust()
    for host in hosts:
        quiet(host)
    inventory = office.inventory(hosts)
    process = office.start("install", gated(tmp_path / "playbook"), "-i", inventory)
    for host in hosts:
        wait_for(lambda host=host: is_installing(host), f"{host.name} installing")  # type: ignore[misc]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 1, office.said()
    ((run,),) = office.rows("select id from run")
    assert f"pasang resume {run}" in office.said()
    assert "Traceback" not in office.said()
    assert not any(has_ended(host) for host in hosts), "it was asked to leave, not to wait"
    for host in hosts:
        open_gate(host)
    for host in hosts:
        wait_for(lambda host=host: has_ended(host), f"{host.name} finishing by itself")  # type: ignore[misc]
    done = office.pasang("resume", run, "-i", inventory, "--json")
    assert done.code == 0, done.err
    assert set(done.outcomes.values()) == {"installed"}
    for host in hosts:
        _check_installed(office, host, done.host(host.name)["form"])


def test_a_line_that_is_cut_for_a_while_costs_nothing(boot: Boot, office: Office, tmp_path: Path) -> None:
    (host,) = boot()
    office.trust()
    process, _ = _begin(office, host, MOMENTS["install"], tmp_path)
    host.cut_line()
    open_gate(host)
    wait_for(lambda: has_ended(host), "the computer ending alone", timeout_s=40)
    host.restore_line()
    assert process.wait(timeout=100) == 0, office.said()
    ((number,),) = office.rows("select number from form")
    _check_installed(office, host, number)


def test_a_line_that_breaks_again_and_again(boot: Boot, lab: Lab, office: Office, tmp_path: Path) -> None:
    """Every connection ends after some bytes: what has arrived is not sent again."""
    (host,) = boot()
    office.trust()
    quiet(host)
    playbook, inventory = _big(tmp_path / "playbook"), tmp_path / "inventory.yaml"
    with forwarded(lab, [host], options=[f"--cut-after-bytes={BIG_BYTES * 2 // 5}", "--cut-times=2"]) as addresses:
        lab.write_inventory(inventory, list(addresses.items()))
        done = office.do("install", playbook, inventory)
    assert done.code == 0, (done.summary, done.err)
    types = [event["type"] for event in office.events(done.host(host.name)["form"])]
    assert "line_lost" in types
    _check_installed(office, host, done.host(host.name)["form"])


def test_the_second_controller_is_told_who_and_since_when(boot: Boot, lab: Lab, office: Office, tmp_path: Path) -> None:
    (host,) = boot()
    office.trust()
    other = Office(lab, tmp_path / "other")
    other.trust()
    process, inventory = _begin(office, host, MOMENTS["install"], tmp_path)
    done = other.do("install", tmp_path / "playbook/playbook.yaml", inventory)
    row = done.host(host.name)
    assert (done.code, row["outcome"]) == (1, "not_started"), row
    ((run,),) = office.rows("select id from run")
    assert run in row["reason"]
    assert re.search(r"since \d{4}-\d\d-\d\dT\d\d:\d\d", row["reason"])
    assert re.search(r"\S+@\S+", row["reason"])
    open_gate(host)
    assert process.wait(timeout=60) == 0, office.said()
    assert other.do("install", tmp_path / "playbook/playbook.yaml", inventory).outcomes == {
        host.name: "already_installed"
    }
    ((number,),) = office.rows("select number from form")
    _check_installed(office, host, number)


@pytest.mark.parametrize("name", ["install", "stability"])
def test_the_plug_is_pulled(boot: Boot, office: Office, tmp_path: Path, name: str) -> None:
    (host,) = boot()
    office.trust()
    quiet(host)
    before = read(host)
    process, inventory = _begin(office, host, MOMENTS[name], tmp_path)
    kill(process)
    host.power_cycle()
    quiet(host)
    open_gate(host)
    row = _resume(office, inventory).host(host.name)
    assert row["outcome"] in ("installed", "rolled_back"), row
    _check_records(office, host, row["form"])
    if row["outcome"] == "installed":
        assert packages(host)["loket"] == "1.0 install ok installed"
        assert PAGE in http(host, port=PORT)
    else:
        assert row["rollback"]["verdict"] == "clean", row
        assert same(before, read_at_rest(host)) == {}


def test_an_agent_that_is_killed_comes_back_by_itself(boot: Boot, office: Office, tmp_path: Path) -> None:
    (host,) = boot()
    office.trust()
    quiet(host)
    process, _ = _begin(office, host, MOMENTS["install"], tmp_path)
    pid = host.run(["systemctl", "show", "-p", "MainPID", "--value", "pasang-*"]).stdout.strip()
    host.run(["kill", "-KILL", pid])
    open_gate(host)
    assert process.wait(timeout=60) in (0, 1), office.said()
    ((number, state, verdict),) = office.rows("select number, state, verdict from form")
    assert state == "installed" or (state, verdict) == ("rolled_back", "clean")
    _check_records(office, host, number)
    if state == "installed":
        assert packages(host)["loket"] == "1.0 install ok installed"
        assert PAGE in http(host, port=PORT)
