"""Orders to Windows computers and to both kinds at once, by the command alone, judged by registry, drive and ports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.lab.fixtures import Boot
from tests.lab.invented import PORT, build_loket
from tests.lab.lab import Lab
from tests.lab.office import Office, Run, http, read_at_rest, same, wait_for
from tests.lab.windows import software
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.playbooks import KEY, MSI, equip, playbook, setup_of, way
from tests.lab.windows.readout import differences, state
from tests.lab.windows.software import Fault

HEARD = r"HKEY_LOCAL_MACHINE\Software\Arsip"


@pytest.fixture(scope="module")
def pc(boot_module: Boot, lab: Lab) -> WindowsHost:
    (host,) = boot_module("windows")
    assert isinstance(host, WindowsHost)
    host.run(["msiexec", "/x", software.product_code("0"), "/qn"], check=False)  # Wine makes keys at its first call
    return host


@pytest.fixture
def equipped(office: Office) -> Office:
    """An office that has a Python for Windows computers."""
    return equip(office)


def said(done: Run) -> str:
    rows = done.summary["hosts"].values()
    return str([(row["outcome"], row["step"], row["reason"], row["rollback"]) for row in rows]) + done.err


def at_rest(host: WindowsHost) -> dict[str, Any]:
    """Its state, once the agent has left."""
    wait_for(lambda: not any("Pasang" in name for name in host.services()), "the agent to leave", timeout_s=30)
    return state(host)


def test_one_order_to_both_kinds(boot: Boot, pc: WindowsHost, equipped: Office, tmp_path: Path) -> None:
    (linux,) = boot()
    order = playbook(tmp_path / "arsip", software.ensure_msi(), MSI, deb=build_loket(tmp_path, "1.0.0"))
    inventory, before, before_pc = way(equipped, linux, pc), read_at_rest(linux), at_rest(pc)
    done = equipped.do("install", order, inventory)
    assert done.outcomes == {linux.name: "installed", pc.name: "installed"}, said(done)
    assert software.PORT in pc.ports()
    assert pc.registry(KEY)[HEARD] == {"Mode": ("REG_SZ", "kantor"), "Port": ("REG_DWORD", "0x1fae"),
                                       "Unit": ("REG_SZ", "IIDC")}  # fmt: skip
    assert http(linux, port=PORT).startswith("200")
    for host in (linux, pc):
        form = equipped.form(done.host(host.name)["form"])
        assert (form["outcome"], form["location"]) == ("installed", "user")
        assert [step["no"] for step in form["steps"]] == list(range(1, 14))

    again = equipped.do("install", order, inventory)
    assert set(again.outcomes.values()) == {"already_installed"}, said(again)
    assert set(equipped.do("verify", order, inventory).outcomes.values()) == {"verified"}
    gone = equipped.do("uninstall", order, inventory)
    assert set(gone.outcomes.values()) == {"uninstalled"}, said(gone)
    assert same(before, read_at_rest(linux)) == {}
    assert differences(before_pc, at_rest(pc)) == {}


@pytest.mark.long
def test_a_setup_is_installed_and_taken_out_again(pc: WindowsHost, equipped: Office, tmp_path: Path) -> None:
    """Its last word is 3, for which its maker has no meaning, and the playbook has."""
    installer = software.ensure_setup(fault=Fault.WRONG_CODE)
    order = playbook(tmp_path / "arsip", installer, setup_of("1.0.0", ok_codes=[3]))
    inventory, before = way(equipped, pc), at_rest(pc)
    done = equipped.do("install", order, inventory)
    assert done.outcomes == {pc.name: "installed"}, said(done)
    assert software.PORT in pc.ports()
    gone = equipped.do("uninstall", order, inventory)
    assert gone.outcomes == {pc.name: "uninstalled"}, said(gone)
    assert differences(before, at_rest(pc)) == {}


BROKEN = {
    "CONDITION-msi": (Fault.CONDITION, software.ensure_msi, MSI, 5),
    "ACTION-msi": (Fault.ACTION, software.ensure_msi, MSI, 5),
    "DIES-msi": (Fault.DIES, software.ensure_msi, MSI, 6),
    "ABORTS-exe": (Fault.ABORTS, software.ensure_setup, setup_of("1.0.0"), 5),
    "DIES-exe": (Fault.DIES, software.ensure_setup, setup_of("1.0.0"), 6),
    "LEAVES-exe": (Fault.LEAVES, software.ensure_setup, setup_of("1.0.0"), 6),
    "ASKS-exe": (Fault.ASKS, software.ensure_setup, setup_of("1.0.0", stall="4s"), 5),
}
EVERYDAY = ("DIES-msi", "ABORTS-exe", "LEAVES-exe")


@pytest.mark.parametrize(
    "broken", [pytest.param(name, marks=[] if name in EVERYDAY else pytest.mark.long) for name in BROKEN]
)
def test_what_is_broken_is_taken_back_clean(pc: WindowsHost, equipped: Office, tmp_path: Path, broken: str) -> None:
    fault, ensure, install, step = BROKEN[broken]
    order, before = playbook(tmp_path / "arsip", ensure(fault=fault), install), at_rest(pc)
    done = equipped.do("install", order, way(equipped, pc))
    row = done.host(pc.name)
    assert (row["outcome"], row["rollback"]["verdict"]) == ("rolled_back", "clean"), said(done)
    assert differences(before, at_rest(pc)) == {}
    assert not [line for line in pc.processes() if "arsip" in line.lower()]
    form = equipped.form(row["form"])
    assert [s["no"] for s in form["steps"] if s["result"] == "failed"][-1:] == [step]


def test_upgrades(pc: WindowsHost, equipped: Office, tmp_path: Path) -> None:
    inventory, before = way(equipped, pc), at_rest(pc)
    old = playbook(tmp_path / "satu", software.ensure_msi(), MSI)
    done = equipped.do("install", old, inventory)
    assert done.outcomes == {pc.name: "installed"}, said(done)

    bad = playbook(tmp_path / "dua", software.ensure_msi("1.1.0", Fault.DIES), MSI, version="1.1.0")
    done = equipped.do("install", bad, inventory)
    row = done.host(pc.name)
    assert (row["outcome"], row["rollback"]["verdict"]) == ("rolled_back", "clean"), said(done)
    assert (pc.drive / "Program Files/Arsip/arsip.txt").read_text() == "arsip 1.0.0\n"
    assert software.PORT in pc.ports()
    assert equipped.do("verify", old, inventory).outcomes == {pc.name: "verified"}

    new = playbook(tmp_path / "tiga", software.ensure_msi("1.2.0"), MSI, version="1.2.0")
    done = equipped.do("install", new, inventory)
    assert done.outcomes == {pc.name: "installed"}, said(done)
    assert (pc.drive / "Program Files/Arsip/arsip.txt").read_text() == "arsip 1.2.0\n"
    gone = equipped.do("uninstall", new, inventory)
    assert gone.outcomes == {pc.name: "uninstalled"}, said(gone)
    assert differences(before, at_rest(pc)) == {}
