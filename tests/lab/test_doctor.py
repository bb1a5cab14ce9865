"""What `pasang doctor` says of real computers: where the way to each ends, and that its own word mends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.bases import PASSWORD
from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.office import Office, units_of_ours
from tests.lab.troubles import WRONG, mixed_fleet
from tests.lab.windows.computers import WindowsHost

SSH = ["name", "port", "key", "login", "rights", "python", "disk", "agent", "lock"]
ENDS = {
    "bare": ("python", "sudo apt install python3"),
    "refusing": ("port", "systemctl enable --now ssh; sudo ufw allow 2222/tcp"),
    "off": ("port", "openssh-server"),
    "unknown": ("key", "pasang hosts trust -l "),
    "changed": ("key", "pasang hosts trust -l "),
    "password": ("login", "ssh-copy-id -p 22 operator@"),
}


@pytest.fixture(scope="module")
def windows(boot_module: Boot) -> WindowsHost:
    (host,) = boot_module("windows")
    assert isinstance(host, WindowsHost)
    return host


def ask(office: Office, inventory: Path, *more: str) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    done = office.pasang("doctor", "-i", inventory, "--json", *more)
    rows = [json.loads(line) for line in done.out.splitlines()]
    return done.code, {row["host"]: row["findings"] for row in rows}


def verdicts(findings: list[dict[str, Any]]) -> list[str]:
    assert [finding["look"] for finding in findings] == SSH
    return [finding["verdict"] for finding in findings]


def test_where_the_way_to_each_computer_ends(boot: Boot, office: Office) -> None:
    hosts, inventory = mixed_fleet(boot, office)
    code, found = ask(office, inventory)
    assert code == 1
    assert set(found) == {host.name for host in hosts.values()}
    for name, host in hosts.items():
        findings = found[host.name]
        if name not in ENDS:
            assert verdicts(findings) == ["ok"] * len(SSH), (name, findings)
            continue
        look, command = ENDS[name]
        at = SSH.index(look)
        sure = min(at, SSH.index("rights"))
        wanted = ["ok"] * sure + ["unseen"] * (at - sure) + ["failed"] + ["unseen"] * (len(SSH) - at - 1)
        assert verdicts(findings) == wanted, (name, findings)
        assert command in findings[at]["command"]
        assert findings[at]["hint"]["id"]
        assert findings[at]["found"]["en"]
    assert WRONG not in json.dumps(found)
    assert not any(units_of_ours(host) for name, host in hosts.items() if name not in ("off", "bare"))


def test_its_word_is_done_and_the_way_is_free(boot: Boot, office: Office) -> None:
    (host,) = boot()
    unknown = office.inventory([host])
    _, found = ask(office, unknown)
    command = next(f["command"] for f in found[host.name] if f["verdict"] == "failed")
    assert command == f"pasang hosts trust -l {host.name}"
    assert office.pasang(*command.split()[1:], "--yes", "-i", unknown).code == 0
    assert ask(office, unknown)[0] == 0

    host.run(["systemctl", "stop", "ssh.socket", "ssh"], check=False)
    code, found = ask(office, unknown)
    assert code == 1
    (failed,) = [f for f in found[host.name] if f["verdict"] == "failed"]
    mends = [part.strip().removeprefix("sudo ") for part in failed["command"].split(";")]
    assert "systemctl enable --now ssh" in mends
    host.run(["systemctl", "enable", "--now", "ssh"])
    assert ask(office, unknown)[0] == 0


def test_what_does_not_end_the_way_is_a_warning(boot: Boot, office: Office) -> None:
    (host,) = boot()
    office.trust()
    plain = office.inventory([host], rows={host.name: {"ansible_user": "operator", "ansible_become": False}})
    code, found = ask(office, plain)
    look = {finding["look"]: finding for finding in found[host.name]}
    assert (code, look["rights"]["verdict"]) == (0, "warning")
    assert "ansible_become" in look["rights"]["hint"]["en"]
    said = office.pasang("doctor", "-i", plain)
    assert f"{host.name} (ssh " in said.out
    assert "! rights" in said.out
    assert "✓ host key  SHA256:" in said.out


def test_who_holds_it(boot: Boot, office: Office, tmp_path: Path) -> None:
    (host,) = boot()
    office.trust()
    inventory = office.inventory([host])
    assert ask(office, inventory)[0] == 0
    hold(host)
    code, found = ask(office, inventory)
    assert code == 0
    lock = found[host.name][-1]
    assert lock["verdict"] == "warning"
    assert "staf@loket" in lock["found"]["id"]
    assert "--wait" in lock["hint"]["en"]


def hold(host: Host) -> None:
    """A run of somebody else's that is at work on the computer."""
    script = (
        "import glob, importlib.util, sys, time;"
        "path = glob.glob('/var/lib/pasang/agent/*.pyc')[0];"
        "spec = importlib.util.spec_from_file_location('bundle', path);"
        "spec.loader.exec_module(importlib.util.module_from_spec(spec));"
        "from agent import lock;"
        f"lock.take('/var/lib/pasang', '20261122-3f9a.loket', 'staf@loket', host={host.name!r}, lasts_s=600);"
        "print('mine', flush=True); time.sleep(600)"
    )
    host.run(["systemd-run", "--unit=pemegang", "/usr/bin/python3", "-c", script])
    for _ in range(100):
        if (host.root / "var/lib/pasang/lock").read_text().count("staf@loket"):
            return
        host.run(["sleep", "0.1"])
    raise AssertionError(host.run(["journalctl", "-u", "pemegang", "--no-pager"]).stdout)


WINRM = ["name", "port", "tls", "login", "quota"]


@pytest.mark.parametrize(("change", "ends"), [
    ({}, "python"),
    ({"ansible_password": WRONG}, "login"),
    ({"ansible_port": 5999}, "port"),
    ({"ansible_host": "tiada.example.invalid"}, "name"),
    ({"ansible_winrm_scheme": "https", "ansible_port": 5986}, "tls"),
])  # fmt: skip
def test_the_way_to_windows(windows: WindowsHost, office: Office, change: dict[str, Any], ends: str) -> None:
    inventory = office.inventory([windows], rows={windows.name: {"ansible_password": PASSWORD, **change}})
    code, found = ask(office, inventory)
    looks = [*WINRM, "rights", "python", "disk", "agent", "lock"]
    findings = found[windows.name]
    assert [finding["look"] for finding in findings] == looks
    (failed,) = [finding for finding in findings if finding["verdict"] == "failed"]
    assert (code, failed["look"]) == (1, ends), failed
    good = WINRM[: WINRM.index(ends)] if ends in WINRM else WINRM
    assert [f["look"] for f in findings if f["verdict"] == "ok"] == good
    assert WRONG not in json.dumps(found)
