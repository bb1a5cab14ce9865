"""What the agent sees of a Windows computer, held against what is changed and read from outside.

Wine's ``netsh`` and ``schtasks`` do nothing, so rules of the firewall and tasks are written where Windows keeps them.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fixtures import Boot
from tests.lab.lab import Lab
from tests.lab.windows.carry import ask, carry, meanwhile
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.python import ensure_python
from tests.lab.windows.reg import add, adding, deleting, run_all
from tests.lab.windows.software import Fault, ensure_msi, ensure_setup

CURRENT = r"Microsoft\Windows\CurrentVersion"
UNINSTALL = rf"HKLM\Software\{CURRENT}\Uninstall"
RULES = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules"
TREE = r"HKLM\Software\Microsoft\Windows NT\CurrentVersion\Schedule\TaskCache"
ENVIRONMENT = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment"
SESSIONS = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager"
WATCH = ["c:\\DATA", r"HKLM\Software\Dijaga"]

TAKE = r"""
import time
from agent import snapshot
from agent.host import this_host
host = this_host(r"C:\ProgramData\Pasang")
place = "C:\\ProgramData\\Pasang\\{}.json".format
before = json.load(open(place(words["since"]))) if "since" in words else None
began = time.perf_counter()
state = snapshot.take(host, words["watch"], before=before)
seconds = time.perf_counter() - began
json.dump(state, open(place(words["name"]), "w"))
found = snapshot.difference(before, state) if before else []
print(json.dumps({"difference": [list(row.values()) for row in found], "seconds": seconds,
                  "counts": snapshot.counts(state), "unhashed": state["notes"]["unhashed"]}))
"""


@pytest.fixture(scope="module")
def pc(boot_module: Boot) -> WindowsHost:
    """One computer for all tests of this file, with the agent within reach of its Python."""
    ensure_python()
    ensure_msi()
    ensure_setup(fault=Fault.ABORTS)
    (host,) = boot_module("windows")
    assert isinstance(host, WindowsHost)
    carry(host)
    for folder in ("Program Files/Lain", "Data", "windows/system32/Tasks"):
        (host.drive / folder).mkdir(parents=True)
    (host.drive / "Program Files/Lain/lain.txt").write_text("lain")
    (host.drive / "Program Files/Lain/hilang.txt").write_text("hilang")
    (host.drive / "Data/catatan.txt").write_text("satu")
    add(host, r"HKLM\Software\Dijaga\Dalam", "Mode", "kantor")
    return host


@pytest.fixture(autouse=True)
def _inside(lab: Lab) -> Iterator[None]:
    with lab.inside():
        yield


def take(host: WindowsHost, name: str, **words: Any) -> dict[str, Any]:
    said = ask(host, TAKE, {"name": name, "watch": WATCH, **words})
    assert isinstance(said, dict)
    return said


def test_facts(pc: WindowsHost) -> None:
    script = "from agent.host import this_host\nprint(json.dumps(this_host(r'C:\\ProgramData\\Pasang').facts()))"
    facts = ask(pc, script)
    assert (facts["os"], facts["distribution"], facts["init"]) == ("windows", "windows", "scm")
    assert facts["version"] == f"10.0.{facts['build']}"
    assert facts["build"] >= 10240
    assert facts["title"].startswith("Windows 10 ")
    assert (facts["arch"], facts["hostname"], facts["role"], facts["domain"]) == ("x86_64", pc.name, "workstation", "")
    assert facts["cpu_count"] == len(os.sched_getaffinity(0))
    built_in = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert facts["ram_bytes"] == pytest.approx(built_in, rel=0.01)
    assert facts["administrator"] is True
    from agent.platforms import matches

    assert matches({"os": "windows", "version": ">=10", "arch": "x86_64"}, facts) == (True, None)
    assert matches({"os": "windows", "version": ">=10.0.99999"}, facts)[0] is False


LISTENS = r"""
import socket
a, b, c = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
a.bind(("0.0.0.0", 8110)); a.listen(); b.bind(("127.0.0.1", 8111)); c.bind(("0.0.0.0", 49999)); c.listen()
ready()
"""
SOCKETS = r"""
from agent.host import this_host
rows = this_host(r"C:\ProgramData\Pasang").listening()
print(json.dumps([row[:3] for row in rows]))
"""


def test_sockets_that_wait(pc: WindowsHost) -> None:
    assert {row[2] for row in ask(pc, SOCKETS)} == set(pc.ports()) == {5985, 5986}
    with meanwhile(pc, LISTENS):
        rows = ask(pc, SOCKETS)
        assert {row[2] for row in rows if row[0] == "tcp"} == set(pc.ports()) == {5985, 5986, 8110, 49999}
        assert ["tcp", "0.0.0.0", 8110] in rows
        assert ["udp", "127.0.0.1", 8111] in rows
    assert {row[2] for row in ask(pc, SOCKETS)} == {5985, 5986}


def change(pc: WindowsHost) -> list[list[str]]:
    """Change what installers change, from outside, and what changes by itself; what a difference must say."""
    drive = pc.drive
    run_all(
        pc,
        adding(rf"{UNINSTALL}\{{11111111-2222-3333-4444-555555555555}}", "DisplayName", "Arsip Kantor"),
        adding(rf"{UNINSTALL}\{{11111111-2222-3333-4444-555555555555}}", "DisplayVersion", "1.0.0"),
        adding(rf"HKLM\Software\Wow6432Node\{CURRENT}\Uninstall\Peta", "DisplayName", "Peta"),
        ["sc", "create", "Arsip", "binPath=", r"C:\Program Files\Arsip\arsip.exe", "start=", "auto"],
        adding(r"HKLM\SYSTEM\CurrentControlSet\Services\Spooler", "Start", "4", kind="REG_DWORD"),
        adding(r"HKLM\SYSTEM\CurrentControlSet\Services\MpKsl0a1b2c3d", "ImagePath", r"\??\C:\x.sys"),
        adding(r"HKLM\SYSTEM\CurrentControlSet\Services\MpKsl0a1b2c3d", "Type", "1", kind="REG_DWORD"),
        adding(rf"HKLM\Software\{CURRENT}\Run", "Arsip", r"C:\Program Files\Arsip\arsip.exe /diam"),
        adding(rf"HKLM\Software\Wow6432Node\{CURRENT}\RunOnce", "Sekali", "sekali.exe"),
        adding(rf"HKCU\Software\{CURRENT}\Run", "Saya", "saya.exe"),
        adding(ENVIRONMENT, "ARSIP_HOME", r"C:\Program Files\Arsip"),
        adding(ENVIRONMENT, "NUMBER_OF_PROCESSORS", "64"),
        adding(rf"{TREE}\Tree\Arsip\Cadangan", "Id", "{99999999-0000-0000-0000-000000000000}"),
        adding(rf"{TREE}\Tasks\{{99999999-0000-0000-0000-000000000000}}", "Hash", "00ff", kind="REG_BINARY"),
        adding(rf"{TREE}\Tree\Microsoft\Windows\Milik", "Id", "{66666666-0000-0000-0000-000000000000}"),
        adding(r"HKLM\Software\Arsip\Kantor", "Mode", "kantor"),
        adding(r"HKLM\Software\Classes\Arsip.Dokumen", "", "Dokumen"),
        adding(r"HKLM\Software\Dijaga\Dalam", "Mode", "rumah"),
    )
    # Wine's cmd.exe takes | for a pipe within quotes too.
    add(pc, RULES, "{77777777-0000-0000-0000-000000000000}", "v2.31|Action=Allow|Dir=In|LPort=8110|Name=Arsip|")
    add(pc, RULES, "{88888888-0000-0000-0000-000000000000}", "v2.31|Action=Allow|Name=Toko|LUOwn=S-1-5-21-1|")
    write(drive / "Program Files/Arsip/arsip.exe", "MZ")
    write(drive / "Program Files/Lain/lain.txt", "diubah")
    (drive / "Program Files/Lain/hilang.txt").unlink()
    write(drive / "Program Files/WindowsApps/Toko/toko.exe", "MZ")
    write(drive / "ProgramData/Arsip/data.db", "db")
    write(drive / "ProgramData/Package Cache/{1}/setup.exe", "MZ")
    write(drive / "ProgramData/Microsoft/Windows/Start Menu/Programs/Arsip.lnk", "L")
    write(drive / "ProgramData/Pasang/installed/x.json", "{}")
    write(drive / "windows/system32/drivers/etc/hosts", "127.0.0.1 localhost\n10.0.0.5 arsip\n")
    write(drive / "windows/system32/Tasks/Arsip/Cadangan", "<Task/>")
    write(drive / "windows/system32/Tasks/Microsoft/Windows/Milik", "<Task/>")
    write(drive / "Data/catatan.txt", "dua")
    write(drive / "pagefile.sys", "0")
    return [
        ["package", "Arsip Kantor [64: {11111111-2222-3333-4444-555555555555}]", "added"],
        ["package", "Peta [32: Peta]", "added"],
        ["service", "Arsip", "added"],
        ["service", "Spooler", "changed"],
        ["schedule", r"\Arsip\Cadangan", "added"],
        ["autostart", rf"HKLM\Software\{CURRENT}\Run\Arsip", "added"],
        ["autostart", rf"HKLM\Software\Wow6432Node\{CURRENT}\RunOnce\Sekali", "added"],
        ["autostart", rf"HKU\S-1-5-21-0-0-0-1000\Software\{CURRENT}\Run\Saya", "added"],
        ["firewall_rule", "Arsip [{77777777-0000-0000-0000-000000000000}]", "added"],
        ["variable", "ARSIP_HOME", "added"],
        ["key", r"HKLM\Software\Arsip", "added"],
        ["key", r"HKLM\Software\Arsip\Kantor", "added"],
        ["key", r"HKLM\Software\Classes\Arsip.Dokumen", "added"],
        ["key", r"HKLM\Software\Dijaga\Dalam", "changed"],
        ["file", r"C:\Data\catatan.txt", "changed"],
        ["file", r"C:\Program Files\Arsip", "added"],
        ["file", r"C:\Program Files\Arsip\arsip.exe", "added"],
        ["file", r"C:\Program Files\Lain\hilang.txt", "removed"],
        ["file", r"C:\Program Files\Lain\lain.txt", "changed"],
        ["file", r"C:\ProgramData\Arsip", "added"],
        ["file", r"C:\ProgramData\Microsoft\Windows\Start Menu\Programs\Arsip.lnk", "added"],
        ["file", r"C:\ProgramData\Package Cache", "added"],
        ["file", r"C:\ProgramData\Package Cache\{1}", "added"],
        ["file", r"C:\windows\system32\drivers\etc\hosts", "changed"],
    ]


def change_back(pc: WindowsHost) -> None:
    drive = pc.drive
    run_all(
        pc,
        deleting(rf"{UNINSTALL}\{{11111111-2222-3333-4444-555555555555}}"),
        deleting(rf"HKLM\Software\Wow6432Node\{CURRENT}\Uninstall\Peta"),
        ["sc", "delete", "Arsip"],
        adding(r"HKLM\SYSTEM\CurrentControlSet\Services\Spooler", "Start", "3", kind="REG_DWORD"),
        deleting(rf"HKLM\Software\{CURRENT}\Run", "Arsip"),
        deleting(rf"HKLM\Software\Wow6432Node\{CURRENT}\RunOnce", "Sekali"),
        deleting(rf"HKCU\Software\{CURRENT}\Run", "Saya"),
        deleting(RULES),
        deleting(ENVIRONMENT, "ARSIP_HOME"),
        deleting(rf"{TREE}\Tree\Arsip"),
        deleting(r"HKLM\Software\Arsip"),
        deleting(r"HKLM\Software\Classes\Arsip.Dokumen"),
        adding(r"HKLM\Software\Dijaga\Dalam", "Mode", "kantor"),
    )
    for path in (
        "Program Files/Arsip",
        "ProgramData/Arsip",
        "ProgramData/Package Cache",
        "windows/system32/Tasks/Arsip",
    ):
        shutil.rmtree(drive / path)
    write(drive / "Program Files/Lain/lain.txt", "lain")
    write(drive / "Program Files/Lain/hilang.txt", "hilang")
    (drive / "ProgramData/Microsoft/Windows/Start Menu/Programs/Arsip.lnk").unlink()
    write(drive / "windows/system32/drivers/etc/hosts", "127.0.0.1 localhost\n")
    write(drive / "Data/catatan.txt", "satu")


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_a_snapshot_says_exactly_what_was_changed(pc: WindowsHost) -> None:
    write(pc.drive / "windows/system32/drivers/etc/hosts", "127.0.0.1 localhost\n")
    first = take(pc, "first")
    for name in ("second", "third"):
        assert take(pc, name, since="first")["difference"] == []
    expected = change(pc)
    with meanwhile(pc, LISTENS):
        found = take(pc, "changed", since="first")
    port = [["port", "tcp 0.0.0.0:8110", "added"], ["port", "udp 127.0.0.1:8111", "added"]]
    assert sorted(found["difference"]) == sorted(expected + port)
    change_back(pc)
    back = take(pc, "back", since="first")
    assert back["difference"] == []
    pc.power_cycle()
    again = take(pc, "again", since="first")
    assert again["difference"] == []
    assert first["unhashed"] == 0
    assert first["counts"]["users"] == 3
    print(f"a snapshot of {first['counts']}: {first['seconds']:.3f} s, again {back['seconds']:.3f} s", file=sys.stderr)


SWEEP = r"""
import os, time
from agent import snapshot
from agent.contents import Contents
from agent.host import sweep_of, this_host
host = this_host(r"C:\ProgramData\Pasang")
folder = r"C:\ProgramData\Pasang\runs\1"
os.makedirs(folder)
contents = Contents(folder)
from agent.windows import registry, scm
scm.create("Cetak", r"C:\windows\system32\spoolsv.exe", start="auto")
scm.start("Cetak")
assert scm.wait("Cetak", ("running",), 20).state == "running"
before = snapshot.take(host, contents=contents)
contents.save()

def write(path, content="x"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(content)

write(r"C:\ProgramData\Orang\milik.txt")                    # before our effect: another's
registry.write(r"HKLM\Software\Orang", "a", "string", "b")
time.sleep(0.2)
start = time.time()                                         # -- the effect --
write(r"C:\Program Files\Arsip\bin\arsip.exe")
write(r"C:\Program Files\Arsip\readme.txt")
write(r"C:\Program Files\Dipakai\dipakai.exe")              # a service that stays names it
write(r"C:\Program Files\Lain\baru.txt")                    # in a folder that was there before
os.makedirs(r"C:\Program Files\Lain\kosong\dalam")
write(r"C:\ProgramData\Arsip\arsip.log")
write(r"C:\ProgramData\Bersama\awal.txt")
write(r"C:\ProgramData\Microsoft\Windows\Start Menu\Programs\Arsip\Arsip.lnk")
write(r"C:\windows\system32\drivers\etc\hosts", "10.0.0.9 arsip\n")
registry.write(r"HKLM\Software\Arsip\Kantor", "Mode", "string", "kantor")
registry.write(r"HKLM\Software\Microsoft\Windows\CurrentVersion\Run", "Arsip", "string", "arsip.exe")
registry.write(r"HKLM\Software\Bersama", "a", "string", "b")
scm.stop("Cetak")
assert scm.wait("Cetak", ("stopped",), 20).state == "stopped"
scm.create("Sisa", r"C:\Program Files\Arsip\hilang.exe", start="auto")
scm.create("Dipakai", r'"C:\Program Files\Dipakai\dipakai.exe" -x', start="auto")
end = time.time()
time.sleep(0.2)                                             # -- after it: others again --
write(r"C:\ProgramData\Bersama\milik.txt")
registry.write(r"HKLM\Software\Bersama\Orang", "a", "string", "b")
os.utime(r"C:\ProgramData\Bersama\milik.txt", (start, start))
residue = snapshot.difference(before, snapshot.take(host, before=before))
sweep = sweep_of(host, os.path.join(folder, "keep"), contents, [folder])
done = sweep.rollback(residue, before, [(start, end)])
left = snapshot.difference(before, snapshot.take(host, before=before))
print(json.dumps({"done": done, "left": [[row["kind"], row["name"], row["change"]] for row in left]}))
"""


def test_only_what_nobody_else_can_have_made_is_swept(pc: WindowsHost) -> None:
    write(pc.drive / "windows/system32/drivers/etc/hosts", "127.0.0.1 localhost\n")
    said = ask(pc, SWEEP)
    drive = pc.drive
    assert sorted(said["left"]) == [
        ["autostart", rf"HKLM\Software\{CURRENT}\Run\Arsip", "added"],
        ["file", r"C:\Program Files\Dipakai", "added"],
        ["file", r"C:\Program Files\Dipakai\dipakai.exe", "added"],
        ["file", r"C:\Program Files\Lain\baru.txt", "added"],
        ["file", r"C:\ProgramData\Bersama", "added"],
        ["file", r"C:\ProgramData\Orang", "added"],
        ["key", r"HKLM\Software\Bersama", "added"],
        ["key", r"HKLM\Software\Bersama\Orang", "added"],
        ["key", r"HKLM\Software\Orang", "added"],
        ["service", "Dipakai", "added"],
    ]
    for gone in ("Program Files/Arsip", "Program Files/Lain/kosong", "ProgramData/Arsip"):
        assert not (drive / gone).exists(), gone
    assert not (drive / "ProgramData/Microsoft/Windows/Start Menu/Programs/Arsip").exists()
    assert (drive / "windows/system32/drivers/etc/hosts").read_text() == "127.0.0.1 localhost\n"
    for stays in ("ProgramData/Orang/milik.txt", "ProgramData/Bersama/milik.txt", "Program Files/Dipakai/dipakai.exe"):
        assert (drive / stays).exists(), stays
    assert pc.registry(r"HKLM\Software\Arsip") == {}
    assert pc.registry(r"HKLM\Software\Orang")
    assert "Sisa" not in pc.services()
    assert "Dipakai" in pc.services()
    assert "service Cetak" in said["done"]["restored"]  # it was to run, and did
    kept = drive / "ProgramData/Pasang/runs/1/keep"
    keys = [path.read_text() for path in kept.glob("key-*.json")]
    assert len(keys) == 2  # of the software, and of its service
    assert any("kantor".encode("utf-16-le").hex() in key for key in keys)


INSTALLERS = r"""
import os, subprocess, time
from agent import snapshot
from agent.contents import Contents
from agent.host import sweep_of, this_host
host = this_host(r"C:\ProgramData\Pasang")
folder = r"C:\ProgramData\Pasang\runs\3"
os.makedirs(folder)
said = {}

def ran(name, *commands):
    before = snapshot.take(host)
    start = time.time()
    codes = [subprocess.call(command, stdin=subprocess.DEVNULL) for command in commands]
    end = time.time()
    residue = snapshot.difference(before, snapshot.take(host, before=before))
    sweep_of(host, os.path.join(folder, name), Contents(folder), [folder]).rollback(residue, before, [(start, end)])
    left = snapshot.difference(before, snapshot.take(host, before=before))
    said[name] = {"codes": codes, "residue": [row["name"] for row in residue], "left": left}

msi = r"C:\ProgramData\Pasang\arsip.msi"
ran("msi", ["msiexec", "/i", msi, "/qn"], ["msiexec", "/x", msi, "/qn"])
ran("aborts", [r"C:\ProgramData\Pasang\aborts.exe", "/S"])
print(json.dumps(said))
"""


def test_what_genuine_installers_leave(pc: WindowsHost) -> None:
    shutil.copy(ensure_msi(), pc.drive / "ProgramData/Pasang/arsip.msi")
    shutil.copy(ensure_setup(fault=Fault.ABORTS), pc.drive / "ProgramData/Pasang/aborts.exe")
    said = ask(pc, INSTALLERS)
    assert said["msi"] == {"codes": [0, 0], "residue": [], "left": []}
    assert said["aborts"]["residue"] == [r"C:\Program Files\Arsip", r"C:\Program Files\Arsip\arsip.txt"]
    assert said["aborts"]["left"] == []
    assert not (pc.drive / "Program Files/Arsip").exists()


REMOVE = r"""
import os, time
from agent import snapshot
from agent.contents import Contents
from agent.host import sweep_of, this_host
from agent.windows import registry
host = this_host(r"C:\ProgramData\Pasang")
folder = r"C:\ProgramData\Pasang\runs\2"
os.makedirs(folder)

def write(path, content="x"):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(content)

before = snapshot.take(host)
start = time.time()                                         # -- the installing run --
for name in ("Kedua", "Ketiga"):
    write("C:\\Program Files\\%s\\a.txt" % name)
    write("C:\\Program Files\\%s\\b.txt" % name)
    registry.write("HKLM\\Software\\" + name, "a", "string", "b")
end = time.time()
state = snapshot.take(host, before=before)
installed = {row["name"]: state["files"][row["name"]][8] for row in snapshot.difference(before, state)
             if row["name"] in state["files"]}
time.sleep(0.2)
write(r"C:\Program Files\Ketiga\a.txt", "y")                # somebody's, later
registry.write(r"HKLM\Software\Ketiga", "a", "string", "c")
time.sleep(0.2)
begun = time.time()                                         # -- the removal --
os.unlink(r"C:\Program Files\Kedua\b.txt")
removed = time.time()
now = snapshot.take(host)
sweep = sweep_of(host, os.path.join(folder, "keep"), Contents(folder), [folder])
sweep.removal(snapshot.difference(before, now), before, now, installed=installed, windows=[(start, end)],
              removing=[(begun, removed)])
left = snapshot.difference(before, snapshot.take(host))
print(json.dumps([[row["kind"], row["name"]] for row in left]))
"""


def test_a_later_removal_takes_what_is_as_it_was_left(pc: WindowsHost) -> None:
    assert ask(pc, REMOVE) == [
        ["key", r"HKLM\Software\Ketiga"],
        ["file", r"C:\Program Files\Ketiga"],
        ["file", r"C:\Program Files\Ketiga\a.txt"],
        ["file", r"C:\Program Files\Ketiga\b.txt"],
    ]
    assert not (pc.drive / "Program Files/Kedua").exists()
    assert (pc.drive / "Program Files/Ketiga/b.txt").exists()
