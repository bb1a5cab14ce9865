"""The agent at work on Windows computers; what it did is read from outside: drive, registry, processes."""

from __future__ import annotations

import dataclasses
import json
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from winrm.protocol import Protocol

from controller.errors import HostError
from tests.contract.windows import Controller
from tests.lab.bases import PASSWORD
from tests.lab.fixtures import Boot
from tests.lab.lab import Lab
from tests.lab.readout import changes, tree
from tests.lab.space import wait_until
from tests.lab.windows.agents import ROOT, Target
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.python import ensure_python
from tests.lab.windows.wine import PERSON

FOLDERS = ["/drive_c/Program Files", "/drive_c/Salam", "/drive_c/users"]
WAITS = "ping -n {} 127.0.0.1"


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    made = Controller.made(tmp_path_factory.mktemp("home"), ensure_python())
    return dataclasses.replace(made, options=dataclasses.replace(made.options, dead_after_s=3))


@pytest.fixture(scope="module")
def target(boot_module: Boot, controller: Controller, lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Target:
    """One computer for all tests of this file, each with runs and files of its own."""
    (host,) = boot_module("windows")
    assert isinstance(host, WindowsHost)
    folder = tmp_path_factory.mktemp("payloads")
    found = Target(host, controller, folder)
    for version in ("1", "2"):
        path = folder / f"salam-{version}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("salam/bin/salam.cmd", f"@echo salam {version}\r\n")
            archive.writestr("salam/baca é.txt", "halo\n" * 1000)
            archive.writestr("salam/" + "/".join(["dalam" * 8] * 6) + "/jauh.txt", "jauh")
        found.payload(f"salam{version}", path, "zip")
    with lab.inside():
        found.talk("f", do="facts")  # which brings Python
    return found


@pytest.fixture(autouse=True)
def _inside(lab: Lab) -> Iterator[None]:
    with lab.inside():
        yield


def at_work(target: Target) -> list[str]:
    """The commands that take their time; the contact's own line speaks of ping too."""
    return [line for line in target.host.processes() if line.startswith("ping ")]


def archive(version: str, **changes: Any) -> dict[str, Any]:
    into = r"C:\Program Files\Salam"
    return {"kind": "archive", "payload": f"salam{version}", "into": into, "strip": 1, "version": version, **changes}


def command(*argv: str, **changes: Any) -> dict[str, Any]:
    return {"kind": "command", "argv": list(argv), **changes}


def says(version: str) -> dict[str, Any]:
    path = r"C:\Program Files\Salam\current\bin\salam.cmd"
    return {"kind": "command", "argv": [path], "contains": f"salam {version}"}


def made(folder: str) -> dict[str, Any]:
    """A command with a way back of its own."""
    undo = {"argv": ["cmd.exe", "/c", "rmdir", folder]}
    return command("cmd.exe", "/c", "mkdir", folder, creates=folder, undo=undo)


def waiting(seconds: int, **changes: Any) -> dict[str, Any]:
    return command(*WAITS.format(seconds).split(), **changes)


def test_a_whole_plan_an_upgrade_and_its_way_back(target: Target) -> None:
    before = tree(target.host, FOLDERS)
    settings = {"kind": "file", "path": r"C:\Program Files\Salam\atur ö.ini", "content": "bahasa=id\n"}
    first = target.install("r1.salam", install=[archive("1"), settings, made(r"C:\Salam")], test=[says("1")])
    assert first[-1]["outcome"] == "installed", first[-1]
    assert target.services() == [], "the service has removed itself"
    place = target.host.drive / "Program Files/Salam"
    assert (place / "current/bin/salam.cmd").read_bytes() == b"@echo salam 1\r\n"
    assert (place / "atur ö.ini").read_text() == "bahasa=id\n"
    assert (target.host.drive / "Salam").is_dir()
    assert [r["detached"] for r in first if r["type"] == "agent_started"] == [False, True]
    assert next(r for r in first if r["type"] == "agent_started")["folder_closed"] is True

    again = target.install("r2.salam", install=[archive("1"), settings, made(r"C:\Salam")], test=[says("1")])
    assert again[-1]["outcome"] == "already_installed"
    assert not [r for r in again if r["type"] == "intent"]

    installed = tree(target.host, FOLDERS)
    broken = target.install("r3.salam", version="2", install=[archive("2")], test=[says("3")])
    assert broken[-1]["outcome"] == "rolled_back"
    assert broken[-1]["rollback"] == {"verdict": "clean", "residue": [], "restored": "1"}
    assert changes(installed, tree(target.host, FOLDERS)) == {}

    upgraded = target.install("r4.salam", version="2", install=[archive("2")], test=[says("2")])
    assert upgraded[-1]["outcome"] == "installed"
    assert (place / "current/bin/salam.cmd").read_bytes() == b"@echo salam 2\r\n"

    removed = target.install("r5.salam", mode="uninstall", install=[archive("2")])
    assert removed[-1]["outcome"] == "uninstalled", removed[-1]
    assert changes(before, tree(target.host, FOLDERS)) == {}


def test_what_fails_is_taken_back_and_nothing_is_left(target: Target) -> None:
    before = tree(target.host, FOLDERS)
    failing = command("cmd.exe", "/c", "echo tidak & exit 1603")
    records = target.install("r10.salam", install=[archive("1"), made(r"C:\Salam"), failing], test=[says("1")])
    end = records[-1]
    assert (end["outcome"], end["step"], end["rollback"]["verdict"]) == ("rolled_back", 5, "clean"), end
    assert "1603" in end["reason"]["en"]
    assert changes(before, tree(target.host, FOLDERS)) == {}
    assert target.services() == []


def test_the_shell_is_deleted_under_it_and_the_work_goes_on(target: Target) -> None:
    """Whatever WinRM starts ends with its shell; the run does not."""
    address = f"http://{target.host.address}:5985/wsman"
    client = Protocol(address, "ntlm", username=PERSON, password=PASSWORD, proxy=None, ca_trust_path=None)
    shell = client.open_shell()
    plan = target.plan(install=[waiting(12), made(r"C:\Salam")], test=[], name="lama")
    line = f'call "{contact_of(target)}"'
    started = client.run_command(shell, line, console_mode_stdin=False)
    client.send_command_input(shell, started, job(target, "r20.lama", plan))
    wait_until(lambda: bool(at_work(target)), timeout_s=20, what="the first effect at work")
    assert target.programs("contact.py"), "the contact follows"
    client.close_shell(shell)
    wait_until(lambda: not target.programs("contact.py"), timeout_s=10, what="the end of the contact")
    assert at_work(target), "what the run started is still there"
    assert target.end("r20.lama")["outcome"] == "installed"
    assert (target.host.drive / "Salam").is_dir()
    wait_until(lambda: target.services() == [], timeout_s=10, what="the end of the service")
    (target.host.drive / "Salam").rmdir()


def contact_of(target: Target) -> str:
    """A command file that starts a contact as the first stage does, from what is on the computer already."""
    (python,) = (target.host.drive / "Program Files/Pasang/python").glob("*/python.exe")
    (agent,) = (target.host.drive / "ProgramData/Pasang/agent").glob("*.pyc")
    inside = rf"C:\Program Files\Pasang\python\{python.parent.name}\python.exe"
    script = f"""
import json, marshal, sys
path = r"{ROOT}\\agent\\{agent.name}"
exec(marshal.loads(open(path, "rb").read()[16:]), {{"__name__": "bundle", "__file__": path}})
job = json.loads(sys.stdin.buffer.readline())
from agent.__main__ import contact
contact(job, sys.stdin.buffer)
"""
    (target.host.drive / "contact.py").write_text(script)
    (target.host.drive / "contact.cmd").write_text(f'@"{inside}" -I -S C:\\contact.py\r\n')
    return r"C:\contact.cmd"


def job(target: Target, run: str, plan: dict[str, Any]) -> bytes:
    head = {"do": "run", "id": run, "owner": "ani@pusat", "root": ROOT, "from": 0, "protocol": 1, "agent": "0" * 64}
    return json.dumps({**head, "psutil": None, "host": target.host.name, "plan": plan}).encode() + b"\n"


def begun(target: Target, run: str, plan: dict[str, Any], *, after: int = 1) -> threading.Thread:
    """A run that is under way: its contact follows it, whatever becomes of that, and so many effects have begun."""

    def follow() -> None:
        with suppress(HostError):
            target.talk(run, plan=plan)

    contact = threading.Thread(target=follow, daemon=True)
    contact.start()
    seen = {"type": "intent", "effect": after}
    target.wait_for(run, lambda r: seen.items() <= r.items(), what=f"effect {after}")
    return contact


def slow(seconds: int, folder: str) -> dict[str, Any]:
    """A command that takes its time, and then shows that it has been here, once more each time it runs."""
    work = rf"ping -n {seconds} 127.0.0.1 >NUL & mkdir {folder} & echo kali>>{folder}\kali.txt"
    undo = {"argv": ["cmd.exe", "/c", "rmdir", "/s", "/q", folder]}
    return {"kind": "command", "shell": work, "creates": folder, "undo": undo}


def test_it_goes_on_after_a_power_cut(target: Target) -> None:
    before = tree(target.host, FOLDERS)
    plan = target.plan(install=[made(r"C:\Salam1"), slow(6, r"C:\Salam")], test=[], name="listrik")
    contact = begun(target, "r30.listrik", plan, after=2)
    wait_until(lambda: bool(at_work(target)), timeout_s=20, what="the command at work")
    target.host.power_off()
    contact.join(60)
    assert target.journal("r30.listrik")[-1]["type"] == "intent"
    target.host.boot()
    end = target.end("r30.listrik")
    assert end["outcome"] == "installed", end
    lives = [r for r in target.journal("r30.listrik") if r["type"] == "agent_started"]
    assert len({r["boot"] for r in lives}) == 2, "another boot has another name"
    assert lives[-1]["resumed"], "the service manager has started it, nobody asked"
    assert (target.host.drive / "Salam/kali.txt").read_text().split() == ["kali"]
    wait_until(lambda: target.services() == [], timeout_s=10, what="the end of the service")
    removed = target.install("r31.listrik", mode="uninstall", name="listrik", install=plan["variants"][0]["install"])
    assert removed[-1]["outcome"] == "uninstalled"
    assert changes(before, tree(target.host, FOLDERS)) == {}


@pytest.mark.long
def test_its_program_outlives_an_agent_that_was_killed_and_is_waited_for(target: Target) -> None:
    plan = target.plan(install=[slow(12, r"C:\Salam")], test=[], name="mati")
    contact = begun(target, "r40.mati", plan)
    wait_until(lambda: bool(at_work(target)), timeout_s=20, what="the command at work")
    lives = [r for r in target.journal("r40.mati") if r["type"] == "agent_started"]
    assert [r["detached"] for r in lives] == [False, True]
    for life in lives:
        target.host.run(["taskkill", "/F", "/PID", str(life["pid"])])
    contact.join(60)
    assert at_work(target), "nobody ended what it had started"
    with pytest.raises(HostError, match="has held this computer"):
        target.talk("r41.lain", plan=target.plan(install=[made(r"C:\Salam1")], name="lain"))
    target.talk("r40.mati", **{"from": 0})
    assert target.end("r40.mati")["outcome"] == "installed"
    records = target.journal("r40.mati")
    assert [r["step"] for r in records if r["type"] == "orphan"] == [5]
    assert (target.host.drive / "Salam/kali.txt").read_text().split() == ["kali"], "done once"
    assert target.install("r42.mati", mode="uninstall", name="mati", install=[])[-1]["outcome"] == "uninstalled"
    assert not (target.host.drive / "Salam").exists()


def test_a_person_stops_it(target: Target) -> None:
    before = tree(target.host, FOLDERS)
    plan = target.plan(install=[made(r"C:\Salam1"), slow(300, r"C:\Salam")], test=[], name="henti")
    contact = begun(target, "r50.henti", plan, after=2)
    wait_until(lambda: bool(at_work(target)), timeout_s=20, what="the command at work")
    began = time.monotonic()
    target.talk("r50.henti", do="stop", stop={"by": "budi@pusat", "at": "2026-11-22T03:00:00Z"})
    end = target.end("r50.henti")
    assert time.monotonic() - began < 15
    assert (end["outcome"], end["rollback"]["verdict"]) == ("rolled_back", "clean"), end
    assert "stopped by budi@pusat" in end["reason"]["en"]
    stopped = next(r for r in target.journal("r50.henti") if r["type"] == "stopped")
    assert any("ping" in row["command"] for row in stopped["evidence"]["stopped"]["processes"])
    assert at_work(target) == []
    contact.join(60)
    assert changes(before, tree(target.host, FOLDERS)) == {}


@pytest.mark.long
def test_what_hangs_is_recorded_as_it_stands_and_stopped_whole(target: Target) -> None:
    code = (
        "import subprocess, sys, time;"
        "subprocess.Popen([sys.executable, '-I', '-S', '-c', 'import time; time.sleep(611)']);"
        "print('Lanjut? [y/N] ', end='', flush=True); time.sleep(612)"
    )
    hangs = command(python_of(target), "-I", "-S", "-c", code, stall_s=3)
    records = target.install("r60.macet", name="macet", install=[made(r"C:\Salam"), hangs])
    assert records[-1]["outcome"] == "rolled_back", records[-1]
    effect = next(r for r in records if r["type"] == "effect" and r["result"] == "failed")
    stopped = effect["evidence"]["stopped"]
    assert stopped["why"] == "stall"
    assert stopped["waits"]["en"] == "waiting for an answer to “Lanjut? [y/N]”"
    commands = [row["command"] for row in stopped["processes"]]
    assert any("sleep(611)" in line for line in commands), "the child is in the picture"
    assert target.programs("sleep(61") == []


def python_of(target: Target) -> str:
    """The Python that was brought."""
    (python,) = (target.host.drive / "Program Files/Pasang/python").glob("*/python.exe")
    return rf"C:\Program Files\Pasang\python\{python.parent.name}\python.exe"


@pytest.mark.long
def test_a_window_that_asks_is_named(target: Target) -> None:
    asks = command("notepad.exe", timeout_s=6)
    records = target.install("r61.tanya", name="tanya", install=[asks])
    effect = next(r for r in records if r["type"] == "effect" and r["result"] == "failed")
    assert "Notepad" in effect["evidence"]["stopped"]["waits"]["en"], effect
    assert target.programs("notepad") == []


@pytest.mark.long
def test_a_reboot_within_a_run(target: Target) -> None:
    """Wine's shutdown.exe does nothing: the test pulls the plug in its place, once the computer has been told."""
    first = {**made(r"C:\Salam1"), "reboot": "always"}
    plan = target.plan(install=[first, made(r"C:\Salam")], name="ulang")
    contact = begun(target, "r70.ulang", plan)
    target.wait_for("r70.ulang", lambda r: r.get("state") == "begun", what="a reboot")
    target.host.power_off()
    contact.join(60)
    target.host.boot()
    assert target.end("r70.ulang")["outcome"] == "installed"
    records = target.journal("r70.ulang")
    assert [r["state"] for r in records if r["type"] == "reboot"] == ["due", "begun", "done"]
    assert next(r for r in records if r.get("state") == "done")["by"] == "agent"
    assert target.install("r71.ulang", mode="uninstall", name="ulang", install=[])[-1]["outcome"] == "uninstalled"


@pytest.mark.long
def test_nobody_decides_and_it_is_taken_back(target: Target) -> None:
    before = tree(target.host, FOLDERS)
    configure = {"decision": "ask", "actions": [made(r"C:\Salam2")]}
    plan = target.plan(
        install=[made(r"C:\Salam")], configure=configure, alone={"after_s": 4, "then": "take_back"}, name="sepi"
    )
    target.talk("r80.sepi", plan=plan)
    assert target.journal("r80.sepi")[-1]["type"] == "waiting"
    assert (target.host.drive / "Salam").is_dir()
    end = target.end("r80.sepi")
    assert (end["outcome"], end["rollback"]["verdict"]) == ("rolled_back", "clean"), end
    assert changes(before, tree(target.host, FOLDERS)) == {}
    wait_until(lambda: target.services() == [], timeout_s=10, what="the end of the service")


SERVER = """\
import functools, http.server, os, threading, time
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=os.getcwd())
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8123), handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
while not os.path.exists("henti"):
    time.sleep(0.1)
"""


def test_probes_ask_what_runs(target: Target) -> None:
    """A server that outlives the command which started it; what is asked of it, and that it goes with the software."""
    folder, python = r"C:\Salam", python_of(target)
    files = [
        {"kind": "file", "path": rf"{folder}\index.html", "content": "halo"},
        {"kind": "file", "path": rf"{folder}\layan.py", "content": SERVER},
    ]
    serve = f'cd /d {folder} & start "" /b "{python}" -I -S -u layan.py >catatan.txt 2>&1'
    stop = f"cd /d {folder} & echo x>henti & ping -n 3 127.0.0.1 >NUL & del henti catatan.txt"
    start = {"kind": "command", "shell": serve, "undo": {"shell": stop}}
    log = {"kind": "log", "path": rf"{folder}\catatan.txt"}
    test = [
        {"kind": "port", "port": 8123, "within_s": 10},
        {"kind": "http", "url": "http://127.0.0.1:8123/index.html", "contains": "halo", "within_s": 10},
        {"kind": "process", "cmdline": "layan.py", "stable_for_s": 1},
        {"kind": "process", "name": "PYTHON", "count": {"at_least": 1}},
        {**log, "matches": "GET /index.html", "within_s": 5},
        {**log, "absent": "Traceback"},
        {"kind": "version", "argv": [python, "-V"], "range": ">=3.8"},
        {"kind": "file", "path": rf"{folder}\index.html", "contains": "halo", "is": "file"},
    ]
    records = target.install("r90.tanya", name="server", install=[*files, start], test=test)
    probes = [(r["kind"], r["verdict"], r["found"]) for r in records if r["type"] == "probe"]
    assert records[-1]["outcome"] == "installed", probes
    assert len(probes) == len(test)
    assert 8123 in target.host.ports()
    removed = target.install("r91.tanya", mode="uninstall", name="server", install=[*files, start])
    assert removed[-1]["outcome"] == "uninstalled", removed[-1]
    assert 8123 not in target.host.ports()
    assert not (target.host.drive / "Salam").exists()


HOLDER = """\
import os, time
file = open("C:/Salam/dipakai.txt")
while os.path.exists("C:/pegang.py"):
    time.sleep(0.1)
"""


def test_a_file_that_is_in_use_is_called_so_and_a_read_only_one_is_not_in_the_way(target: Target) -> None:
    folder, script = target.host.drive / "Salam", target.host.drive / "pegang.py"
    folder.mkdir()
    (folder / "dipakai.txt").write_text("lama")
    (folder / "terkunci.txt").write_text("lama")
    target.host.run(["attrib", "+r", r"C:\Salam\terkunci.txt"], check=False)
    before = tree(target.host, FOLDERS)
    script.write_text(HOLDER)
    argv = [python_of(target), "-I", "-S", r"C:\pegang.py"]
    holder = threading.Thread(target=lambda: target.host.run(argv, check=False))
    holder.start()
    try:
        wait_until(lambda: bool(target.programs("pegang.py")), timeout_s=20, what="whoever has it open")
        names = ("terkunci", "dipakai")
        new = [{"kind": "file", "path": rf"C:\Salam\{name}.txt", "content": "baru"} for name in names]
        end = target.install("r95.pakai", name="pakai", install=new)[-1]
    finally:
        script.unlink()
        holder.join(30)
    assert (end["outcome"], end["rollback"]["verdict"]) == ("rolled_back", "clean"), end
    assert r"C:\Salam\dipakai.txt is in use by another program" in end["reason"]["en"]
    assert changes(before, tree(target.host, FOLDERS)) == {}
    shutil.rmtree(folder)
