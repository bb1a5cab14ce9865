"""Software that Pasang did not install, and a run that a computer no longer knows."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from tests.lab.debs import build_deb, nginx
from tests.lab.fixtures import Boot
from tests.lab.invented import hold_port
from tests.lab.office import Office
from tests.lab.playbooks import nginx_playbook, write_playbook
from tests.lab.readout import packages


def test_what_somebody_else_installed_is_removed_and_the_form_says_what_that_proves(
    boot: Boot, office: Office, tmp_path: Path
) -> None:
    (host,) = boot("bookworm", 1)
    for deb in nginx():
        shutil.copy(deb, host.root / "root" / deb.name)
    host.run(["sh", "-c", "dpkg --install /root/*.deb"])
    assert packages(host)["nginx"].endswith("install ok installed")
    inventory = office.inventory([host])
    assert office.pasang("hosts", "trust", "--yes", "-i", inventory).code == 0
    removed = office.do("uninstall", nginx_playbook(tmp_path / "nginx"), inventory)
    assert removed.outcomes == {host.name: "uninstalled"}, removed.summary
    assert not {"nginx", "nginx-common"} & set(packages(host))
    assert host.run(["systemctl", "is-active", "nginx"], check=False).stdout.strip() == "inactive"
    assert not (host.root / "etc/nginx").exists()
    row = removed.host(host.name)
    assert row["rollback"]["verdict"] == "clean"
    assert row["reason"], "that Pasang had not installed it, and what is proved by that, must be said"


def test_who_is_no_administrator_may_look_at_what_is_there_and_is_told_so_for_the_rest(
    boot: Boot, office: Office, tmp_path: Path
) -> None:
    (host,) = boot("bookworm", 1)
    for deb in nginx():
        shutil.copy(deb, host.root / "root" / deb.name)
    host.run(["sh", "-c", "dpkg --install /root/*.deb"])
    inventory = office.inventory([host], user="petugas")
    assert office.pasang("hosts", "trust", "--yes", "-i", inventory).code == 0
    configure = {"actions": [{"file": {"path": "/etc/iidc.conf", "state": "absent"}}]}
    page = [{"http": {"url": "http://127.0.0.1/", "status": 200}}]
    playbook = nginx_playbook(tmp_path / "nginx", requirements={}, configure=configure, test=page, verify=[])
    for mode, outcome in (("plan", "already_installed"), ("verify", "verified"), ("install", "already_installed")):
        looked = office.do(mode, playbook, inventory)
        assert looked.outcomes == {host.name: outcome}, looked.summary
    before = packages(host)
    removed = office.do("uninstall", playbook, inventory)
    host.run(["systemctl", "stop", "nginx"])
    stopped = [office.do(mode, playbook, inventory) for mode in ("check", "plan", "install")]
    host.run(["systemctl", "start", "nginx"])
    for done in (removed, *stopped):
        assert done.outcomes == {host.name: "not_eligible"}, done.summary
        assert "ansible_become" in done.host(host.name)["reason"]
        assert done.code != 4, "nothing was touched"
    assert packages(host) == before


def test_a_run_that_the_computer_forgot_is_closed_and_not_begun_anew(
    boot: Boot, office: Office, tmp_path: Path
) -> None:
    (host,) = boot("bookworm", 1)
    inventory = office.inventory([host])
    assert office.pasang("hosts", "trust", "--yes", "-i", inventory).code == 0
    configure = {"decision": "ask", "actions": [{"file": {"path": "/etc/iidc.conf", "content": "x\n"}}]}
    playbook = nginx_playbook(tmp_path / "nginx", configure=configure, verify=[{"file": {"path": "/etc/iidc.conf"}}])
    waiting = office.do("install", playbook, inventory)
    assert waiting.outcomes == {host.name: "awaiting_decision"}, waiting.summary
    number = waiting.host(host.name)["form"]
    shutil.rmtree(host.root / "var/lib/pasang/runs")
    decided = office.pasang("form", "decide", number, "--configure", "--reason", "perlu")
    assert decided.code == 0, decided.err
    resumed = office.pasang("resume", "-i", inventory, "--json")
    assert resumed.outcomes == {host.name: "needs_person"}, resumed.summary
    assert resumed.code == 4
    assert not (host.root / "etc/iidc.conf").exists()
    assert not (host.root / "var/lib/pasang/runs").exists() or not list((host.root / "var/lib/pasang/runs").iterdir())


def test_an_upgrade_finds_its_own_port_in_use_and_a_foreign_holder_is_still_in_the_way(
    boot: Boot, office: Office, tmp_path: Path
) -> None:
    (host,) = boot("bookworm", 1)
    newer = []
    for deb in nginx():
        shutil.copy(deb, host.root / "root" / deb.name)
        newer.append(newer_version(deb, tmp_path))
    host.run(["sh", "-c", "dpkg --install /root/*.deb"])
    inventory = office.inventory([host])
    assert office.pasang("hosts", "trust", "--yes", "-i", inventory).code == 0
    bad = nginx_playbook(tmp_path / "bad", packages=newer, test=[{"command": {"argv": ["false"]}}])
    good = nginx_playbook(tmp_path / "good", packages=newer)
    bare = nginx_playbook(tmp_path / "bare", packages=newer, run=[], configure=None)

    def port(number: str) -> tuple[str, str]:
        (row,) = (row for row in office.form(number)["requirements"] if row["kind"] == "ports_free")
        return row["verdict"], row["found"]["en"] if isinstance(row["found"], dict) else row["found"]

    host.run(["systemctl", "stop", "nginx"])
    hold_port(host, 80)
    foreign = office.do("install", good, inventory)
    assert foreign.outcomes == {host.name: "not_eligible"}, foreign.summary
    assert port(foreign.host(host.name)["form"]) == ("not_met", "0.0.0.0:80 python3")
    host.run(["systemctl", "stop", "pemakai-port-80"])
    host.run(["systemctl", "start", "nginx"])
    alone = office.do("check", bare, inventory)  # known by its package
    assert alone.outcomes == {host.name: "eligible"}, str(alone.host(host.name))
    assert office.do("install", bad, inventory).outcomes == {host.name: "rolled_back"}
    upgraded = office.do("install", good, inventory)
    assert upgraded.outcomes == {host.name: "installed"}, upgraded.summary
    assert port(upgraded.host(host.name)["form"]) == ("met", "0.0.0.0:80, [::]:80 nginx, the version before")


def test_a_port_that_the_service_manager_holds_for_the_version_before_is_no_obstacle(
    boot: Boot, office: Office, tmp_path: Path
) -> None:
    """Of a socket unit systemd has the port, and alone until the first call."""
    (host,) = boot("bookworm", 1)
    inventory = office.inventory([host])
    assert office.pasang("hosts", "trust", "--yes", "-i", inventory).code == 0
    older, newer = (echo_package(tmp_path, version) for version in ("1.0", "2.0"))
    shutil.copy(older, host.root / "root" / older.name)

    def check(name: str, *, by_name: bool) -> str:
        order = write_playbook(
            tmp_path / name,
            name="gema",
            version="2.0",
            payloads={"gema": newer},
            variants=[
                {
                    "when": {"os": "linux"},
                    "requirements": {"ports_free": [7007]},
                    "install": [{"deb": {"payloads": ["gema"]}}],
                    "run": [{"service": {"name": "gema.socket", "state": "running"}}] if by_name else [],
                    "test": [{"port": {"port": 7007}}],
                }
            ],
        )
        told = office.do("check", order, inventory)
        return told.outcomes[host.name]

    socket = ["systemd-run", "--quiet", "--unit=orang-lain", "--socket-property=ListenStream=7007", "true"]
    host.run(socket)
    assert check("foreign", by_name=True) == "not_eligible", "another's socket unit"
    host.run(["systemctl", "stop", "orang-lain.socket"])
    host.run(["dpkg", "--install", f"/root/{older.name}"])
    host.run(["systemctl", "start", "gema.socket"])
    assert check("by-name", by_name=True) == "eligible"
    assert check("by-file", by_name=False) == "eligible"
    host.run(["python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 7007)).recv(9)"])
    assert check("started", by_name=False) == "eligible", "the manager and the service hold it both"


def echo_package(folder: Path, version: str) -> Path:
    """A service that is started by the first call, through a socket unit."""
    script = (
        "import socket\nwaiting = socket.socket(fileno=3)\n"
        "while True:\n    line, _ = waiting.accept()\n    line.sendall(b'gema')\n    line.close()\n"
    )
    return build_deb(
        folder,
        "gema",
        version,
        files={
            "/usr/lib/gema/gema.py": script,
            "/lib/systemd/system/gema.socket": "[Socket]\nListenStream=7007\n[Install]\nWantedBy=sockets.target\n",
            "/lib/systemd/system/gema.service": "[Service]\nExecStart=/usr/bin/python3 /usr/lib/gema/gema.py\n",
        },
    )


def newer_version(deb: Path, folder: Path) -> Path:
    """The same package under a later version."""
    work = folder / deb.name.split("_")[0]
    subprocess.run(["dpkg-deb", "-R", deb, work], check=True)
    control = work / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1+1", control.read_text()))
    target = folder / f"{work.name}_baru.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "-b", work, target], check=True, capture_output=True)
    return target
