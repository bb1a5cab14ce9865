"""Computers that reboot in the middle of an installation: one command carries over it, and the form proves it."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.invented import Fault, build_loket
from tests.lab.office import Office, kill, quiet, read_at_rest, same, units_of_ours, wait_for
from tests.lab.playbooks import loket_playbook, loket_variant, write_playbook
from tests.lab.readout import packages, read

KERNEL = "linux-image-6.1.0-44-amd64"
MARK = "/run/reboot-required"


def _rebooting(folder: Path, wanted: str = "always", fault: Fault | None = None, **changes: Any) -> Path:
    """The invented service, whose package wants a reboot; what a reboot must not lose stands before and after it."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = f"echo {KERNEL} > {MARK}.pkgs; touch {MARK}"
    install = [
        {"deb": {"payloads": ["loket"]}},
        {"command": {"shell": mark, "creates": MARK, "undo": {"argv": ["true"]}, "reboot": wanted}},
        {"file": {"path": "/etc/loket/sesudah.conf", "content": "sesudah\n"}},
    ]
    payload = {"loket": build_loket(folder, "1.0", fault)}
    variant = loket_variant(install=install, **changes)
    return write_playbook(folder, name="loket", version="1.0", payloads=payload, variants=[variant])


def _boots(host: Host) -> list[dict[str, Any]]:
    """The records of reboots in the computer's journal."""
    (path,) = (host.root / "var/lib/pasang/runs").glob("*/journal.ndjson")
    lines = path.read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["type"] == "reboot"]


def _states(host: Host) -> list[str]:
    try:
        return [record["state"] for record in _boots(host)]
    except ValueError:
        return []  # there is no journal yet, or half a line


def _move_east(host: Host, *, hours: int) -> None:
    """Set the computer's time zone. Source: tzfile(5), version 1, one local time type."""
    zone = (
        b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lbB", hours * 3600, 0, 0) + b"XXX\0"
    )
    path = host.root / "etc/localtime"
    path.unlink(missing_ok=True)
    path.write_bytes(zone)


def _leaves_nothing_of_ours(host: Host) -> None:
    assert units_of_ours(host) == ""
    assert not list((host.root / "etc/systemd").rglob("*pasang*"))


def test_one_command_carries_over_a_reboot_that_the_package_asks_for(
    boot: Boot, office: Office, tmp_path: Path
) -> None:
    (host,) = boot()
    office.trust()
    quiet(host)
    former = host.boot_id()
    done = office.do(
        "install",
        _rebooting(tmp_path / "loket", "if_needed"),
        office.inventory([host], user="petugas", ansible_become=True),
    )
    assert (done.code, done.outcomes) == (0, {host.name: "installed"}), (done.summary, done.err)
    assert host.boot_id() != former
    assert packages(host)["loket"] == "1.0 install ok installed"
    assert (host.root / "etc/loket/sesudah.conf").read_text() == "sesudah\n"
    assert _states(host) == ["due", "begun", "done"]
    _leaves_nothing_of_ours(host)
    form = office.form(done.host(host.name)["form"])
    (reboot,) = form["reboots"]
    assert (reboot["former"], reboot["boot"], reboot["by"]) == (former, host.boot_id(), "agent")
    assert (reboot["cause"], reboot["state"], reboot["step"]) == (KERNEL, "done", 5)
    assert reboot["began_at"] < reboot["back_at"]
    shown = office.pasang("form", "show", form["number"]).out
    assert former[:8] in shown
    assert host.boot_id()[:8] in shown
    types = [event["type"] for event in office.events(form["number"])]
    assert types.index("line_lost") < types.index("resumed")
    removed = office.do("uninstall", tmp_path / "loket/playbook.yaml", office.inventory([host]))
    assert removed.host(host.name)["rollback"]["verdict"] == "clean", removed.summary


def test_what_fails_after_the_reboot_is_taken_back_and_proved(boot: Boot, office: Office, tmp_path: Path) -> None:
    (host,) = boot()
    office.trust()
    quiet(host)
    before = read(host)
    done = office.do("install", _rebooting(tmp_path / "loket", fault=Fault.WRONG_PAGE), office.inventory([host]))
    row = done.host(host.name)
    assert (done.code, row["outcome"], row["rollback"]["verdict"]) == (1, "rolled_back", "clean"), (row, done.err)
    quiet(host)
    assert same(before, read_at_rest(host)) == {}
    _leaves_nothing_of_ours(host)


def test_the_controller_is_killed_and_the_agent_goes_on_after_the_boot(
    boot: Boot, office: Office, tmp_path: Path
) -> None:
    (host,) = boot()
    office.trust()
    quiet(host)
    inventory = office.inventory([host])
    process = office.start("install", _rebooting(tmp_path / "loket"), "-i", inventory)
    wait_for(lambda: "begun" in _states(host) or process.poll() is not None, f"the reboot: {office.said()}")
    kill(process)
    wait_for(lambda: _ended(host), "the agent's end, with nobody there")
    done = office.pasang("resume", "-i", inventory, "--json")
    assert (done.code, done.outcomes) == (0, {host.name: "installed"}), done.err
    _leaves_nothing_of_ours(host)


@pytest.mark.parametrize("point", ["agent:reboot#1:after", "agent:reboot#2:after", "agent:reboot#3:torn"])
def test_an_agent_that_is_killed_around_the_reboot_goes_on(
    boot: Boot, office: Office, tmp_path: Path, point: str
) -> None:
    """When it is due, when it is written down and not yet told, when it is back and that is half written."""
    (host,) = boot()
    office.trust()
    quiet(host)
    former = host.boot_id()
    (host.root / "var/lib/pasang").mkdir(mode=0o700)
    (host.root / "var/lib/pasang/fault.json").write_text(json.dumps({"point": point, "do": "kill"}))
    done = office.do("install", _rebooting(tmp_path / "loket"), office.inventory([host]))
    assert (host.root / "var/lib/pasang/fault.reached").exists()
    assert (done.code, done.outcomes) == (0, {host.name: "installed"}), (done.summary, done.err)
    assert host.boot_id() != former
    assert [r["former"] for r in _boots(host) if r["state"] == "done"] == [former]
    assert len({r["boot"] for r in _boots(host)}) == 2, "it was rebooted once"
    _leaves_nothing_of_ours(host)


def test_a_power_cut_needs_nobody(boot: Boot, office: Office, tmp_path: Path) -> None:
    """The plug is pulled in the middle of the package's own script, and nobody ever asks again."""
    (host,) = boot()
    office.trust()
    quiet(host)
    folder = tmp_path / "loket"
    folder.mkdir()
    gate = 'if [ "$1" = configure ]; then while [ ! -e /var/lib/lanjut ]; do sleep 0.05; done; fi'
    playbook = loket_playbook(folder, payload=build_loket(folder, "1.0", more_scripts={"postinst": gate}))
    inventory = office.inventory([host])
    process = office.start("install", playbook, "-i", inventory)
    wait_for(lambda: bool(host.run(["pgrep", "-f", "loket.postinst"], check=False).stdout), "the script")
    kill(process)
    host.power_off()
    (host.root / "var/lib/lanjut").touch()
    host.boot()
    wait_for(lambda: _ended(host), "the agent's end, with nobody there")
    done = office.pasang("resume", "-i", inventory, "--json")
    row = done.host(host.name)
    assert row["outcome"] in ("installed", "rolled_back"), row
    assert row["rollback"] is None or row["rollback"]["verdict"] == "clean"
    _leaves_nothing_of_ours(host)


def test_outside_of_its_window_it_waits_and_goes_on_by_itself_when_the_hour_comes(
    boot: Boot, office: Office, tmp_path: Path
) -> None:
    (host,) = boot()
    office.trust()
    quiet(host)
    inventory = office.inventory([host])
    window = {name: time.strftime("%H:%M", time.gmtime(time.time() + h * 3600)) for name, h in (("from", 2), ("to", 4))}
    first = office.do("install", _rebooting(tmp_path / "loket", reboot_window=window), inventory)
    row = first.host(host.name)
    assert (first.code, row["outcome"], row["step"]) == (1, "awaiting_reboot", 5), row
    assert window["from"] in row["reason"]
    still = office.pasang("resume", "-i", inventory, "--json")
    assert (still.code, still.outcomes) == (1, {host.name: "awaiting_reboot"}), still.err
    other = loket_playbook(tmp_path / "other", "1.0")
    assert office.do("install", other, inventory).outcomes == {host.name: "not_started"}, "it is half done: it is held"
    _move_east(host, hours=3)  # the computer's own zone counts, and there the hour has come
    wait_for(lambda: _ended(host), "the agent's end, with nobody there")
    done = office.pasang("resume", "-i", inventory, "--json")
    assert done.outcomes == {host.name: "installed"}, done.err
    assert [r["state"] for r in _boots(host)] == ["due", "begun", "done"]
    _leaves_nothing_of_ours(host)


def _ended(host: Host) -> bool:
    paths = list((host.root / "var/lib/pasang/runs").glob("*/journal.ndjson"))
    return bool(paths) and '"type":"run_ended"' in paths[0].read_text()
