"""Computers without a Python: one is brought, once, serves every run, and goes with the rest."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import time
from pathlib import Path

from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.lab import Lab
from tests.lab.lines import forwarded
from tests.lab.office import Office, quiet, read_at_rest, same
from tests.lab.playbooks import nginx_playbook
from tests.lab.readout import read
from tests.lab.standalone import NAME, standalone

PYTHON = "var/lib/pasang/python"


def page(host: Host) -> str:
    """The status of what nginx serves; asked with bash, for there is no Python.

    Asked again for a moment where it is not 204: a worker of before the reload may still take a call.
    """
    ask = 'exec 3<>/dev/tcp/127.0.0.1/80; printf "GET /iidc HTTP/1.0\\r\\n\\r\\n" >&3; read -r line <&3; echo "$line"'
    for _ in range(20):
        status = host.run(["bash", "-c", ask]).stdout.split()[1]
        if status == "204":
            break
        time.sleep(0.1)
    return status


def pythons(host: Host) -> list[str]:
    return sorted(path.name for path in (host.root / PYTHON).glob("*"))


def add(office: Office, archive: Path) -> str:
    done = office.pasang("runtime", "add", archive)
    assert done.code == 0, done.err
    assert done.out.startswith("python linux-x86_64-glibc: ")
    return done.out.split()[-1]


def test_nginx_onto_a_computer_without_python_and_back(boot: Boot, office: Office, tmp_path: Path) -> None:
    (host,) = boot("bare")
    office.trust()
    inventory, playbook = office.inventory([host]), nginx_playbook(tmp_path / "nginx")
    quiet(host)
    before = read(host)
    refused = office.do("install", playbook, inventory)
    assert refused.outcomes == {host.name: "unreachable"}
    assert "runtime add" in json.dumps(refused.summary)
    assert same(before, read_at_rest(host)) == {}

    digest = add(office, standalone(tmp_path))
    done = office.do("install", playbook, inventory)
    assert done.outcomes == {host.name: "installed"}, done.summary
    assert page(host) == "204"
    (kept,) = pythons(host)
    assert kept.startswith(digest)
    pushed = [e for e in map(json.loads, done.out.splitlines()) if e.get("type") == "pushed"]
    assert [e["digest"] for e in pushed].count(digest) == 1

    made_at = (host.root / PYTHON / kept).stat().st_ctime_ns
    again = office.do("install", playbook, inventory)
    assert again.outcomes == {host.name: "already_installed"}
    assert (host.root / PYTHON / kept).stat().st_ctime_ns == made_at, "it is not brought again"
    assert office.do("uninstall", playbook, inventory).code == 0
    assert office.pasang("hosts", "clean", "-i", inventory).code == 0
    assert pythons(host) == []
    assert office.pasang("hosts", "clean", "--all", "--yes", "-i", inventory).code == 0
    quiet(host)
    assert same(before, read_at_rest(host)) == {}


def test_an_agent_on_a_brought_python_survives_its_death(boot: Boot, office: Office, tmp_path: Path) -> None:
    """Its second life begins from the same Python, by systemd, with nobody at the line."""
    (host,) = boot("bare")
    office.trust()
    add(office, standalone(tmp_path))
    playbook = nginx_playbook(tmp_path / "nginx")
    process = office.start("install", playbook, "-i", office.inventory([host]), "--json")
    lock = host.root / "var/lib/pasang/lock"
    for _ in range(600):
        holder = json.loads(lock.read_text() or "{}") if lock.exists() else {}
        journals = list((host.root / "var/lib/pasang/runs").glob("*/journal.ndjson"))
        if holder.get("began") and journals and '"type":"intent"' in journals[0].read_text():
            host.run(["kill", "-9", str(holder["pid"])])
            break
        host.run(["sleep", "0.05"])
    assert process.wait(180) == 0, (office.folder / "err").read_text()
    assert page(host) == "204"


def test_a_damaged_archive_and_one_that_finds_no_room(boot: Boot, office: Office, tmp_path: Path) -> None:
    (host,) = boot("bare")
    office.trust()
    inventory = office.inventory([host])
    digest = add(office, standalone(tmp_path))
    room = host.root / "var/lib/pasang"
    room.mkdir(parents=True)
    host.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", "/var/lib/pasang"])
    full = office.pasang("hosts", "facts", "-i", inventory)
    assert full.code == 1
    assert "No space left" in full.err
    listed = host.run(["ls", "-A", "/var/lib/pasang/python"]).stdout
    assert listed == "", "nothing half-done stays"
    host.run(["umount", "/var/lib/pasang"])

    kept = office.home / "runtime" / digest
    data = bytearray(kept.read_bytes())
    data[len(data) // 2] ^= 1
    kept.write_bytes(bytes(data))
    damaged = office.pasang("hosts", "facts", "-i", inventory)
    assert damaged.code == 1
    assert "runtime add" in damaged.err, "what is damaged here is not sent"
    kept.unlink()
    add(office, standalone(tmp_path))
    assert office.pasang("hosts", "facts", "-i", inventory).code == 0


def test_two_at_once_and_one_that_does_not_run(boot: Boot, office: Office, tmp_path: Path) -> None:
    (host,) = boot("bare")
    office.trust()
    inventory = office.inventory([host])
    add(office, standalone(tmp_path))
    both = [office.start("doctor", "-i", inventory, "--json") for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    for path in (host.root / PYTHON).glob("*/python/bin/python3.11"):
        path.chmod(0o600)
    left = pythons(host)
    assert office.pasang("hosts", "facts", "-i", inventory).code == 0
    assert len(pythons(host)) == len(left) + 1, "another is brought where what is there does not run"

    wrong = tmp_path / "wrong"
    wrong.mkdir()
    with tarfile.open(wrong / NAME, "w:gz") as archive:
        member = tarfile.TarInfo("python/bin/python3")
        member.size, member.mode = 3, 0o755
        archive.addfile(member, io.BytesIO(b"\x7fEL"))
    add(office, wrong / NAME)
    for name in pythons(host):
        shutil.rmtree(host.root / PYTHON / name)
    refused = office.pasang("hosts", "facts", "-i", inventory)
    assert refused.code == 1
    assert "could not be brought" in refused.err
    assert host.run(["ls", "-A", "/" + PYTHON]).stdout == ""


def test_the_line_is_cut_while_it_is_brought(boot: Boot, lab: Lab, office: Office, tmp_path: Path) -> None:
    (host,) = boot("bare")
    office.trust()
    digest = add(office, standalone(tmp_path))
    with forwarded(lab, [host], options=("--cut-after-bytes", "2000000")) as lines:
        inventory = office.inventory([host], rows={host.name: {"ansible_host": lines[host.name]}})
        done = office.do("install", nginx_playbook(tmp_path / "nginx"), inventory)
    assert done.outcomes == {host.name: "installed"}, done.summary
    (kept,) = pythons(host)
    assert kept.startswith(digest)
    assert page(host) == "204"
