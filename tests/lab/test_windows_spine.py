"""The product's own command on Windows computers that come bare, judged from outside: on the drive and in its words."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.lab.bases import PASSWORD
from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.office import Office
from tests.lab.playbooks import write_playbook
from tests.lab.space import wait_until
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.python import ensure_psutil, ensure_python

FOLDER = r"C:\Program Files\Salam Kantor"
PING = r"C:\windows\system32\ping.exe"
INI = r"C:\ProgramData\Kantor Désa\salam & tulis.ini"


def package(folder: Path, version: str) -> Path:
    """An archive of software."""
    folder.mkdir(parents=True, exist_ok=True)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(f"salam-{version}/salam.txt", f"salam {version}\r\n")
        archive.writestr(f"salam-{version}/bantuan/panduan é.txt", "panduan")
    path = folder / f"salam-{version}.zip"
    path.write_bytes(held.getvalue())
    return path


def playbook(folder: Path, *, version: str = "1.0.0", expects: str = "kantor", lasts_s: int = 0) -> Path:
    """An archive and a file, and a test that holds or does not; a program in between that takes some seconds."""
    variant = {
        "when": {"os": "windows"},
        "requirements": {"administrator": True, "disk_free": {"path": "C:\\", "at_least": "10 MB"}},
        "install": [
            {"archive": {"payload": "salam", "into": FOLDER, "strip": 1}},
            {"file": {"path": INI, "content": "unit = kantor\r\n"}},
            *([{"command": {"argv": [PING, "-n", str(lasts_s), "127.0.0.1"], "stall": "5m"}}] if lasts_s else []),
        ],
        "test": [
            {"file": {"path": rf"{FOLDER}\current\salam.txt", "contains": f"salam {version}"}},
            {"file": {"path": INI, "contains": expects}},
        ],
        "watch": [FOLDER, r"C:\ProgramData\Kantor Désa"],
    }
    on_linux = {
        "when": {"os": "linux"},
        "install": [{"archive": {"payload": "salam", "into": "/opt/salam", "strip": 1}}],
        "test": [{"file": {"path": "/opt/salam/current/salam.txt", "contains": f"salam {version}"}}],
    }
    payloads = {"salam": package(folder / "isi", version)}
    return write_playbook(folder, name="salam", version=version, payloads=payloads, variants=[variant, on_linux])


@pytest.fixture(scope="module")
def windows(boot_module: Boot) -> WindowsHost:
    (host,) = boot_module("windows")
    assert isinstance(host, WindowsHost)
    return host


def added(office: Office) -> None:
    """A Python and psutil, as whoever keeps the controller adds them."""
    done = office.pasang("runtime", "add", ensure_python(), ensure_psutil())
    assert done.code == 0, done.err
    assert [line.split(":")[0] for line in done.out.splitlines()] == ["psutil windows-x86_64", "python windows-x86_64"]


def inventory(office: Office, hosts: list[Host], **variables: Any) -> Path:
    rows = {host.name: {"ansible_password": PASSWORD} for host in hosts if isinstance(host, WindowsHost)}
    return office.inventory(hosts, user="root", rows=rows, **variables)


def ours(host: WindowsHost) -> list[str]:
    """What we keep there."""
    places = [host.drive / "Program Files/Pasang", host.drive / "ProgramData/Pasang"]
    return sorted(str(p.relative_to(host.drive)) for place in places for p in [place, *place.glob("*")] if p.exists())


def test_facts_and_doctor_of_a_computer_that_came_bare(windows: WindowsHost, office: Office) -> None:
    way = inventory(office, [windows])
    refused = office.pasang("hosts", "facts", "-i", way)
    assert refused.code == 1
    assert "runtime add python-3" in refused.err
    assert ours(windows) == []

    added(office)
    parts = [json.loads(line) for line in office.pasang("runtime", "list", "--json").out.splitlines()]
    assert {("python", "windows-x86_64"), ("psutil", "windows-x86_64")} <= {(p["name"], p["platform"]) for p in parts}
    told = office.pasang("hosts", "facts", "-i", way, "--json")
    assert told.code == 0, told.err
    facts = json.loads(told.out)
    assert (facts["os"], facts["arch"], facts["administrator"]) == ("windows", "x86_64", True)

    seen = office.pasang("doctor", "-i", way, "--json")
    assert seen.code == 0, seen.err
    findings = {row["look"]: row["verdict"] for row in json.loads(seen.out)["findings"]}
    assert list(findings) == ["name", "port", "tls", "login", "quota", "rights", "python", "disk", "agent", "lock"]
    assert findings.pop("tls") == "warning", "nobody proves who answers over http"
    assert set(findings.values()) == {"ok"}


def test_an_archive_and_a_file_are_installed_and_taken_out_again(
    windows: WindowsHost, office: Office, tmp_path: Path
) -> None:
    added(office)
    way, salam = inventory(office, [windows]), playbook(tmp_path / "salam")
    planned = office.do("plan", salam, way)
    assert planned.code == 0, planned.err
    done = office.do("install", salam, way)
    assert done.outcomes == {windows.name: "installed"}, done.out + done.err
    assert (windows.drive / "ProgramData/Kantor Désa/salam & tulis.ini").read_bytes() == b"unit = kantor\r\n"
    form = office.form(done.host(windows.name)["form"])
    assert "Wine" in json.dumps(form["steps"][3]["evidence"]), "on what WinRM was proved is said"
    events = office.events(done.host(windows.name)["form"])
    (connected,) = [event for event in events if event["type"] == "connected"]
    assert (connected["transport"], connected["proof"]) == ("winrm", "wine")

    again = office.do("install", salam, way)
    assert again.outcomes == {windows.name: "already_installed"}
    assert office.do("verify", salam, way).outcomes == {windows.name: "verified"}
    gone = office.do("uninstall", salam, way)
    assert gone.outcomes == {windows.name: "uninstalled"}, gone.out + gone.err
    assert not (windows.drive / "Program Files/Salam Kantor").exists()
    assert not (windows.drive / "ProgramData/Kantor Désa").exists()


def test_what_does_not_pass_its_test_is_taken_back_clean(windows: WindowsHost, office: Office, tmp_path: Path) -> None:
    added(office)
    way = inventory(office, [windows])
    done = office.do("install", playbook(tmp_path / "salam", expects="pabrik"), way)
    row = done.host(windows.name)
    assert (row["outcome"], row["rollback"]["verdict"]) == ("rolled_back", "clean"), done.out + done.err
    assert not (windows.drive / "Program Files/Salam Kantor").exists()
    assert not (windows.drive / "ProgramData/Kantor Désa").exists()


def test_hosts_clean_leaves_nothing(windows: WindowsHost, office: Office) -> None:
    added(office)
    way = inventory(office, [windows])
    assert office.pasang("hosts", "facts", "-i", way).code == 0
    assert ours(windows) != []
    assert office.pasang("hosts", "clean", "-i", way).code == 0
    assert not (windows.drive / "Program Files/Pasang").exists()
    assert office.pasang("hosts", "facts", "-i", way).code == 0
    cleaned = office.pasang("hosts", "clean", "--all", "--yes", "-i", way)
    assert cleaned.code == 0, cleaned.err
    assert [name for name in ours(windows) if not name.endswith("/lock")] in ([], ["ProgramData/Pasang"])


def test_both_kinds_in_one_command(windows: WindowsHost, boot: Boot, office: Office, tmp_path: Path) -> None:
    """An inventory that says become for all: it is sudo's, and means nothing on Windows."""
    (linux,) = boot("bookworm")
    office.trust()
    added(office)
    way = inventory(office, [windows, linux], ansible_become=True)
    done = office.do("install", playbook(tmp_path / "salam"), way)
    assert done.outcomes == {windows.name: "installed", linux.name: "installed"}, done.out + done.err


def begun(office: Office, book: Path, way: Path, host: WindowsHost) -> tuple[subprocess.Popen[str], str]:
    """An order under way, with the program in its middle at work; and the run's name."""
    process = office.start("install", book, "-i", way, "--json")
    sign = f"{PING} -n"
    wait_until(lambda: any(sign in line for line in host.processes()), timeout_s=60, what="the program in the middle")
    first = json.loads(office.said().splitlines()[0])
    return process, first["run"]


def test_a_controller_that_is_killed_and_one_that_goes_on(windows: WindowsHost, office: Office, tmp_path: Path) -> None:
    """Nobody deletes the shell: the work is not in it. What comes back reads on from the journal."""
    added(office)
    way = inventory(office, [windows])
    process, run = begun(office, playbook(tmp_path / "salam", lasts_s=7), way, windows)
    process.kill()
    process.wait()
    done = office.pasang("resume", run, "-i", way, "--json")
    assert done.outcomes == {windows.name: "installed"}, done.out + done.err
    events = office.events(done.host(windows.name)["form"])
    assert [e["seq"] for e in events if e["source"] == "agent"] == list(
        range(1, 1 + sum(e["source"] == "agent" for e in events))
    )
    assert office.do("uninstall", playbook(tmp_path / "salam", lasts_s=7), way).code == 0


def test_a_run_that_is_stopped_is_taken_back(windows: WindowsHost, office: Office, tmp_path: Path) -> None:
    added(office)
    way = inventory(office, [windows])
    process, run = begun(office, playbook(tmp_path / "salam", lasts_s=120), way, windows)
    stopped = office.pasang("stop", run, "-i", way, "--json")
    assert stopped.code == 0, stopped.out + stopped.err
    assert process.wait(60) == 1
    assert not (windows.drive / "Program Files/Salam Kantor").exists()
    assert not [line for line in windows.processes() if "-n 120" in line]
