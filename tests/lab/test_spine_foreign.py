"""Software that Pasang did not install, and a run that a computer no longer knows."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.lab.debs import nginx
from tests.lab.fixtures import Boot
from tests.lab.office import Office
from tests.lab.playbooks import nginx_playbook
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
