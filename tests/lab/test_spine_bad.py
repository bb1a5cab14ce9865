"""Bad input and bad computers: a clear error, the right outcome and exit code, and nothing half-done anywhere."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from tests.lab.bases import PASSWORD
from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.lab import Lab
from tests.lab.office import QUIET, Office, Run, http, quiet
from tests.lab.playbooks import (
    NGINX_VERSIONS,
    loket_playbook,
    nginx_playbook,
)
from tests.lab.readout import packages, read
from tests.lab.troubles import WRONG, mixed_fleet


def _ssh_log(host: Host) -> str:
    """Everything its sshd has said: one line at least for every connection."""
    return host.run(["journalctl", "--no-pager", "-o", "cat", "-u", "ssh"]).stdout


def _command_lines() -> str:
    """The command lines of all processes of this machine, the lab's computers with them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return "\n".join(found)


def test_a_mixed_fleet(boot: Boot, lab: Lab, office: Office, tmp_path: Path) -> None:
    """Three releases, three ways of being root, and seven computers that cannot be reached, in one command."""
    hosts, inventory = mixed_fleet(boot, office)
    playbook = nginx_playbook(tmp_path / "nginx", ("bookworm", "bullseye", "trixie"))
    process = office.start("install", playbook, "-i", inventory, "--json")
    seen = ""
    while process.poll() is None:
        seen += _command_lines()
    done = Run(process.wait(), (office.folder / "out").read_text(), (office.folder / "err").read_text())
    outcomes = {name: done.outcomes[host.name] for name, host in hosts.items()}
    good = {"bullseye", "bookworm", "trixie", "sudo", "operator"}
    assert outcomes == {name: "installed" if name in good else "unreachable" for name in hosts}, done.summary
    assert done.code == 1
    assert done.summary["counts"] == {"installed": len(good), "unreachable": len(hosts) - len(good)}
    for name in good:
        base = hosts[name].spec.base
        version = packages(hosts[name])["nginx" if base != "bullseye" else "nginx-light"]
        assert version.startswith(NGINX_VERSIONS[base])
        assert version.endswith(" install ok installed")
        assert http(hosts[name], "/iidc") == "204"
        _check_last_steps(office, hosts[name], done)
    _check_reasons(hosts, done)
    _check_no_secret(office, hosts, seen, done.out + done.err)


def _check_last_steps(office: Office, host: Host, done: Run) -> None:
    """In the data centre nobody is notified, and staff sign; elsewhere the user does both."""
    form = office.form(done.host(host.name)["form"])
    steps = {row["no"]: row["result"] for row in form["steps"]}
    is_centre = host.spec.base == "trixie"
    assert form["location"] == ("data_center" if is_centre else "user")
    assert (steps[3], steps[12], steps[13]) == (("skipped", "skipped", "ok") if is_centre else ("ok", "ok", "skipped"))
    assert form["facts"]["version"] == {"bullseye": "11", "bookworm": "12", "trixie": "13"}[host.spec.base]


def _check_reasons(hosts: dict[str, Host], done: Run) -> None:
    """Each says what is wrong, and what to do."""
    wanted = {
        "bare": r"[Pp]ython",
        "refusing": r"refused",
        "off": r"no answer|not answer|no route|timed out|unreachable",
        "unknown": r"not known yet: ssh-ed25519 SHA256:.*hosts trust",
        "changed": r"CHANGED.*SHA256:",
        "password": r"operator was not let in.*check",
    }
    for name, pattern in wanted.items():
        row = done.host(hosts[name].name)
        assert re.search(pattern, row["reason"], re.DOTALL), (name, row)
        assert row["form"]


def _check_no_secret(office: Office, hosts: dict[str, Host], seen: str, said: str) -> None:
    """No password anywhere: not in the records, on a computer, on a screen, or in a list of processes."""
    kept = [path.read_bytes() for path in office.home.rglob("*") if path.is_file()]
    for name in ("operator", "password"):
        kept += [path.read_bytes() for path in (hosts[name].root / "var/lib/pasang").rglob("*") if path.is_file()]
        kept.append(hosts[name].run(["journalctl", "--no-pager", "-o", "json"]).stdout.encode())
    for secret in (PASSWORD, WRONG):
        assert secret not in said
        assert secret not in seen
        assert not [data for data in kept if secret.encode() in data]


BAD = {
    "wrong_digest": r"nginx_1.22.*\.deb.*(SHA-256|sha256)",
    "missing_payload": r"tidak-ada\.deb",
    "unknown_key": r"playbook\.yaml:\d+:.*[ \n]?.*requirements",
    "empty": r"playbook\.yaml",
    "huge": r"playbook\.yaml",
    "binary": r"playbook\.yaml",
    "malicious": r"playbook\.yaml:\d+",
    "aliases": r"playbook\.yaml",
}


def _bad_playbook(folder: Path, name: str) -> Path:
    playbook = nginx_playbook(folder)
    text = playbook.read_text()
    if name == "wrong_digest":
        playbook.write_text(re.sub(r'"sha256": "[0-9a-f]{64}"', f'"sha256": "{"0" * 64}"', text))
    elif name == "missing_payload":
        playbook.write_text(re.sub(r'"file": "nginx_[^"]*"', '"file": "tidak-ada.deb"', text))
    elif name == "unknown_key":
        playbook.write_text(text.replace('"requirements"', '"requirments"').replace('"status"', '"statuz"'))
    elif name == "empty":
        playbook.write_text("")
    elif name == "huge":
        playbook.write_text(text + "\n" + "#" * (64 * 1024 * 1024))
    elif name == "binary":
        playbook.write_bytes(os.urandom(4096))
    elif name == "malicious":
        playbook.write_text("pasang: 1\nsoftware: !!python/object/apply:os.system ['touch /tmp/pasang-jahat']\n")
    elif name == "aliases":
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
        playbook.write_text("\n".join(lines) + "\n")
    return playbook


@pytest.fixture(scope="module")
def bystander(boot_module: Boot) -> Host:
    """A computer that must not be touched."""
    (host,) = boot_module()
    quiet(host)
    return host


@pytest.mark.parametrize("name", BAD)
def test_bad_playbooks_touch_no_computer(bystander: Host, office: Office, tmp_path: Path, name: str) -> None:
    office.trust()
    before = _ssh_log(bystander)
    playbook = _bad_playbook(tmp_path / "nginx", name)
    done = office.pasang("install", playbook, "-i", office.inventory([bystander]), timeout_s=20)
    assert done.code == 2, done.err
    assert re.search(BAD[name], done.err, re.DOTALL), done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert len(done.err) < 10_000
    assert _ssh_log(bystander) == before
    assert not (bystander.root / "var/lib/pasang").exists()
    assert not Path("/tmp/pasang-jahat").exists()
    database = office.home / "pasang.sqlite3"
    assert not database.exists() or office.rows("select * from form") == []
    if name == "unknown_key":
        assert "statuz" in done.err, "every mistake is named, not the first alone"
        assert "status" in done.err


def test_every_mistake_of_an_inventory_is_named(bystander: Host, office: Office, tmp_path: Path) -> None:
    office.trust()
    before = _ssh_log(bystander)
    inventory = tmp_path / "inventory.yaml"
    inventory.write_text(
        f"all:\n  hosts:\n    a: {{ansible_host: {bystander.address}, ansible_port: 70000}}\n"
        "    b: {ansible_connection: telnet}\n    c: {location: bulan}\n"
    )
    done = office.pasang("install", loket_playbook(tmp_path / "loket"), "-i", inventory)
    assert done.code == 2
    for word in ("70000", "telnet", "bulan"):
        assert word in done.err, done.err
    assert done.err.count("inventory.yaml:") >= 3
    inventory.write_text("all:\n  hosts: {a: {ansible_connection: local}}\n  childern: {toko: {}}\n")
    warned = office.pasang("hosts", "list", "-i", inventory)
    assert warned.code == 0, "Ansible takes it, and warns"
    assert re.search(r"inventory\.yaml:3: 'childern'.*children", warned.err, re.DOTALL)
    for content in (b"", b"\0\xff" * 2048, b"all: {hosts: {" + b"#" * 64 * 1024 * 1024, b"- a\n- b\n"):
        inventory.write_bytes(content)
        bad = office.pasang("install", tmp_path / "loket/playbook.yaml", "-i", inventory, timeout_s=20)
        assert bad.code == 2, content[:20]
        assert "inventory" in bad.err
        assert "Traceback" not in bad.err
    none = office.pasang("install", tmp_path / "loket/playbook.yaml", "-i", office.inventory([bystander]), "-l", "x*")
    assert none.code == 2
    assert "x*" in none.err
    assert _ssh_log(bystander) == before


@pytest.mark.parametrize("mode", ["check", "plan"])
def test_looking_changes_nothing(boot: Boot, office: Office, tmp_path: Path, mode: str) -> None:
    (host,) = boot()
    office.trust()
    quiet(host)
    before, inventory = read(host), office.inventory([host])
    needed = {"processes": ["sshd"], "no_processes": ["nginx"]}
    done = office.do(mode, nginx_playbook(tmp_path / "nginx", requirements=needed), inventory)
    assert (done.code, done.outcomes) == (0, {host.name: "eligible"}), done.summary
    assert before.difference(read(host), ignore=QUIET) == {}
    assert not (host.root / "var/log/dpkg.log").exists() or "nginx" not in (host.root / "var/log/dpkg.log").read_text()
    debs = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "nginx").glob("*.deb")}
    blobs = {path.name for path in (host.root / "var/lib/pasang/blobs").iterdir()}
    assert debs
    assert blobs
    assert not debs & blobs, "no payload was sent"
    database = office.home / "pasang.sqlite3"
    assert not database.exists() or office.rows("select * from form") == []


def test_a_person_decides_step_9(boot: Boot, office: Office, tmp_path: Path) -> None:
    yes, no = boot("bookworm", 2)
    office.trust()
    configure = {
        "decision": "ask",
        "actions": [{"file": {"path": "/etc/loket/iidc.conf", "content": "iidc"}}],
    }
    verify = [{"file": {"path": "/etc/loket/iidc.conf", "contains": "iidc"}}]
    playbook = loket_playbook(tmp_path / "loket", configure=configure, verify=verify)
    inventory = office.inventory([yes, no])
    first = office.do("install", playbook, inventory)
    assert first.code == 4, first.summary
    assert set(first.outcomes.values()) == {"awaiting_decision"}
    for host in (yes, no):
        assert packages(host)["loket"] == "1.0 install ok installed"
        assert not (host.root / "etc/loket/iidc.conf").exists()
    forms = {host.name: first.host(host.name)["form"] for host in (yes, no)}
    undecided = office.pasang("resume", "-i", inventory, "--json")
    assert (undecided.code, set(undecided.outcomes.values())) == (4, {"awaiting_decision"}), undecided.summary
    said = office.pasang("form", "decide", forms[yes.name], "--configure", "--reason", "Loket perlu isian dinas")
    assert said.code == 0, said.err
    said = office.pasang("form", "decide", forms[no.name], "--no-configure", "--reason", "Cukup bawaan")
    assert said.code == 0, said.err
    done = office.pasang("resume", "-i", inventory, "--json")
    assert done.code == 0, done.summary
    assert set(done.outcomes.values()) == {"installed"}
    assert (yes.root / "etc/loket/iidc.conf").read_text() == "iidc"
    assert not (no.root / "etc/loket/iidc.conf").exists()
    for host, wanted, reason in ((yes, "ok", "Loket perlu isian dinas"), (no, "skipped", "Cukup bawaan")):
        form = office.form(forms[host.name])
        steps = {row["no"]: row["result"] for row in form["steps"]}
        assert (steps[9], steps[10], steps[11], steps[12]) == ("ok", wanted, wanted, "ok")
        assert form["decision"]["configure"] is (host is yes)
        assert form["decision"]["reason"]["id"] == reason
        assert form["decision"]["by"] != "playbook"
    late = office.pasang("form", "decide", forms[yes.name], "--no-configure", "--reason", "Terlambat")
    assert late.code == 2, "what is decided and done cannot be decided again"
