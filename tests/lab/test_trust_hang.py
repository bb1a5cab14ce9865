"""Programs that hang and runs that are stopped, on real computers: nothing of them is left, and all is as it was."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

from tests.lab.debs import build_deb
from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.office import Office, Run, journal_types, kill, quiet, read_all, same, units_of_ours, wait_for
from tests.lab.playbooks import DEBIAN, write_playbook
from tests.lab.readout import Readout, packages, read

WITHIN_S = 5.0
TAG = "macet-uji"
"""Stands in the command line of everything that is to be gone in the end."""
QUESTION = "Setuju dengan lisensi? [y/T]"
ASKS = f"""#!/usr/bin/python3
import os, pty
pid, line = pty.fork()
if pid == 0:
    os.write(1, b"{QUESTION} ")
    os.read(0, 10)
    os._exit(0)
while True:
    os.write(1, os.read(line, 1000))
"""
HIDES = f"""#!/usr/bin/python3
import os
sleep = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        os.execve("/usr/bin/python3", ["python3", "-c", sleep, "{TAG}"], {{}})
    os._exit(0)
os.wait()
"""
"""Forks twice, begins sessions, empties its environment, and does not end when it is asked to."""
GATE = "/run/lanjut"
HANGS = {
    "asks": f"/usr/lib/macet/bin/sembunyi\n/usr/lib/macet/bin/tanya {TAG}",
    "waits": f"/usr/lib/macet/bin/sembunyi\nsh -c 'while [ ! -e {GATE} ]; do sleep 0.1; done' {TAG}",
}
UNIT = f"""[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec=infinity
ExecStart=/bin/sh -c 'trap "" TERM; while [ ! -e {GATE} ]; do sleep 600; done' {TAG}
"""
"""Its start hangs, and does not mind being asked to end."""


def tagged() -> list[str]:
    """The command lines of this machine's processes, those of the lab's computers with them, that have the tag."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if TAG.encode() in words:
            found.append(b" ".join(words).decode(errors="replace"))
    return found


def _playbook(folder: Path, hangs: str, **words: Any) -> Path:
    """A package whose postinst hangs; on trixie a service whose start does. Before either a file is put in place."""
    folder.mkdir(parents=True)
    files = {"/usr/lib/macet/bin/tanya": ASKS, "/usr/lib/macet/bin/sembunyi": HIDES, "/etc/macet/isi": "isi\n"}
    scripts = {"postinst": f'if [ "$1" = configure ]; then\n{HANGS[hangs]}\nfi'}
    deb = build_deb(folder, "macet", files=files, scripts=scripts, depends="python3:any")
    conf = {"file": {"path": "/etc/macet.conf", "content": "sebelum"}}
    unit = {"file": {"path": "/etc/systemd/system/macet.service", "content": UNIT}}
    test = [{"file": {"path": "/etc/macet.conf", "exists": True}}]
    package = [conf, {"deb": {"payloads": ["macet"], **words}}]
    service = [{"service": {"name": "macet", "state": "running", **words}}]
    variants = [
        {"when": {**DEBIAN, "version": ">=13"}, "install": [conf, unit], "run": service, "test": test},
        {"when": DEBIAN, "install": package, "test": test},
    ]
    return write_playbook(folder, name="macet", version="1.0", payloads={"macet": deb}, variants=variants)


def _check_taken_back(office: Office, host: Host, row: dict[str, Any], says: str, *, left: int = 0) -> dict[str, Any]:
    """Rolled back and proved, with nothing running; the form."""
    assert row["outcome"] == "rolled_back", row
    assert row["rollback"] == {"verdict": "clean", "residue": [], "restored": None}, row
    assert says in row["reason"], row
    assert len(tagged()) == left
    assert "macet" not in packages(host)
    assert units_of_ours(host) == ""
    form = office.form(row["form"])
    assert {step["no"]: step["result"] for step in form["steps"]}[8] == "ok"
    return form


def _rested(office: Office, hosts: list[Host]) -> dict[str, Readout]:
    """How the computers are before anything."""
    office.trust()
    for host in hosts:
        quiet(host)
    return read_all(hosts)


def test_what_does_not_get_on_is_recorded_stopped_and_taken_back(boot: Boot, office: Office, tmp_path: Path) -> None:
    hosts = [host for base in ("bookworm", "bullseye", "trixie") for host in boot(base)]
    before = _rested(office, hosts)
    began = time.monotonic()
    done = office.do("install", _playbook(tmp_path / "playbook", "asks", stall="3s"), office.inventory(hosts))
    assert done.code == 1, done.summary
    assert time.monotonic() - began < 60
    forms = {}
    for host in hosts:
        service = host.spec.base == "trixie"
        says = "waiting for the service macet.service" if service else f"waiting for an answer to “{QUESTION}”"
        form = forms[host.spec.base] = _check_taken_back(office, host, done.host(host.name), says)
        (program,) = form["stopped"]
        assert (program["why"], program["step"]) == ("stall", 6 if service else 5)
        commands = [part["command"] for part in program["parts"]]
        if service:
            assert {part["unit"] for part in program["parts"]} == {"", "macet.service"}
            state = host.run(["systemctl", "show", "-p", "ActiveState", "macet"], check=False).stdout.strip()
            assert state == "ActiveState=inactive"
            continue
        assert program["asks"] == [QUESTION]
        assert commands[0].startswith("dpkg ")
        assert any("macet.postinst configure" in command for command in commands)
        assert any(part["waits_in"].startswith("read stdin /dev/pts/") for part in program["parts"])
        assert any(part["parent"] == 1 and TAG in part["command"] for part in program["parts"]), "the hidden one"
    after = read_all(hosts)
    assert {host.name: same(before[host.name], after[host.name]) for host in hosts} == {h.name: {} for h in hosts}
    shown = office.pasang("form", "show", forms["bookworm"]["number"]).out
    assert "Programs that were stopped" in shown
    assert QUESTION in shown


def _begin(office: Office, hosts: list[Host], folder: Path) -> tuple[Any, Path, str]:
    """Start an installation and wait until it hangs on all its computers."""
    inventory = office.inventory(hosts)
    process = office.start("install", _playbook(folder, "waits"), "-i", inventory, "--json")
    count = sum(1 if host.spec.base == "trixie" else 2 for host in hosts)
    wait_for(lambda: len(tagged()) >= count or process.poll() is not None, f"hanging: {office.said()}")
    assert process.poll() is None, office.said()
    ((run,),) = office.rows("select id from run")
    return process, inventory, run


def _stop(office: Office, run: str, *more: str | Path, left: int = 0) -> tuple[float, Run]:
    """Stop a run; after how long no more than `left` processes were there, from outside, and what the command said."""
    began = time.monotonic()
    ended: list[float] = []
    other = Office(office.lab, office.folder / f"stop-{began}")
    other.home = office.home
    process = other.start("stop", run, "--json", *more)
    while process.poll() is None:
        if not ended and len(tagged()) <= left:
            ended.append(time.monotonic() - began)
        time.sleep(0.01)
    other.close()
    done = Run(process.returncode, (other.folder / "out").read_text(), (other.folder / "err").read_text())
    return (ended or [time.monotonic() - began])[0], done


def test_a_run_is_stopped_while_it_is_followed(boot: Boot, office: Office, tmp_path: Path) -> None:
    hosts = [host for base in ("bookworm", "trixie") for host in boot(base)]
    before = _rested(office, hosts)
    process, inventory, run = _begin(office, hosts, tmp_path / "playbook")
    seconds, done = _stop(office, run, "-i", inventory)
    assert seconds < WITHIN_S
    assert (done.code, set(done.outcomes.values())) == (0, {"rolled_back"}), done.err
    assert process.wait(timeout=20) == 1
    followed = Run(1, (office.folder / "out").read_text(), "")
    assert followed.outcomes == done.outcomes, "whoever followed hears the same"
    forms = []
    for host in hosts:
        form = _check_taken_back(office, host, done.host(host.name), "stopped by ")
        ((by,),) = {(event["by"],) for event in office.events(form["number"]) if event["type"] == "stop_asked"}
        step = 6 if host.spec.base == "trixie" else 5
        assert (form["stop"]["by"], form["stop"]["step"]) == (by, step)
        assert done.host(host.name)["reason"].startswith(f"stopped by {by} while waiting for")
        (program,) = form["stopped"]
        assert (program["why"], program["step"]) == ("order", step)
        forms.append(form)
    after = read_all(hosts)
    assert {host.name: same(before[host.name], after[host.name]) for host in hosts} == {h.name: {} for h in hosts}
    assert f"asked for by {by}" in office.pasang("form", "show", forms[0]["number"]).out
    _, again = _stop(office, run, "-i", inventory)
    assert (again.code, again.outcomes) == (0, done.outcomes)
    assert "had ended" in again.host(hosts[0].name)["reason"]
    assert office.form(forms[0]["number"])["digest"] == forms[0]["digest"], "a second order changes nothing"


def test_after_the_controller_was_killed_and_only_where_it_was_said(boot: Boot, office: Office, tmp_path: Path) -> None:
    hosts = boot("bookworm", 2)
    one, other = hosts
    before = _rested(office, hosts)[one.name]
    process, inventory, run = _begin(office, hosts, tmp_path / "playbook")
    assert kill(process) == -signal.SIGKILL
    seconds, done = _stop(office, run, "-i", inventory, "-l", one.name, left=2)
    assert seconds < WITHIN_S
    assert (done.code, done.outcomes) == (0, {one.name: "rolled_back"}), done.err
    other.run(["touch", GATE])
    wait_for(lambda: "run_ended" in journal_types(other), "the other one going on to its end")
    went_on = office.pasang("resume", "-i", inventory, "--json")
    assert went_on.outcomes == {other.name: "installed"}, went_on.err
    assert packages(other)["macet"] == "1.0 install ok installed"
    assert [line for line in tagged() if "signal" not in line] == [], "but for what the good package left"
    _check_taken_back(office, one, done.host(one.name), "stopped by ", left=1)
    assert same(before, read(one)) == {}
