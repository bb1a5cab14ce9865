"""The main job: a real nginx on twenty real computers in one command, again, and back."""

from __future__ import annotations

import re
from pathlib import Path

from tests.lab.debs import nginx
from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.office import STORE, Office, Run, http, quiet, read_all, same, units_of_ours
from tests.lab.playbooks import nginx_playbook
from tests.lab.readout import LIVES, Readout, packages

COUNT = 20
ASKED = "/var/log/nginx/access.log"  # the probes, and we, ask the page


def _nginx_pids(host: Host) -> str:
    return host.run(["systemctl", "show", "-p", "MainPID", "-p", "NRestarts", "nginx"]).stdout


def _dpkg_log(host: Host) -> bytes:
    return (host.root / "var/log/dpkg.log").read_bytes()


def _check_form(office: Office, host: Host, number: str, *, proved: bool) -> None:
    form = office.form(number, proved=proved)
    assert (form["host"], form["hostname"], form["address"]) == (host.name, host.name, host.address)
    assert (form["outcome"], form["rollback"], form["location"], form["owner"]) == ("installed", None, "user", "Tamu")
    steps = {row["no"]: row for row in form["steps"]}
    assert sorted(steps) == list(range(1, 14))
    results = {no: row["result"] for no, row in steps.items()}
    assert results == {**dict.fromkeys(range(1, 13), "ok"), 8: "skipped", 13: "skipped"}
    assert all(steps[no]["started_at"] <= steps[no]["ended_at"] for no in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11))
    assert [steps[no]["standard_minutes"] for no in (1, 2, 4, 6, 9, 13)] == [20, 5, 10, 10, 15, 2]
    needs = {row["kind"]: row["verdict"] for row in form["requirements"]}
    assert needs == {"disk_free": "met", "ram_total": "met", "ports_free": "met", "commands": "met"} | needs
    assert set(needs.values()) == {"met"}
    assert all(row["needed"] and row["found"] for row in form["requirements"])
    assert [(row["step"], row["kind"], row["verdict"]) for row in form["tests"] if row["step"] != 6] == [
        (7, "http", "passed"), (7, "port", "passed"), (7, "command", "passed"),
        (11, "http", "passed"), (11, "file", "passed"),
    ]  # fmt: skip
    files = {payload["file"]: payload for payload in form["payloads"]}
    for deb in nginx():
        assert files[deb.name]["size_bytes"] == deb.stat().st_size
    assert not form["others"], "the form knows every record of this version"


def _installed(host: Host, before: Readout, after: Readout) -> None:
    assert packages(host)["nginx"].endswith("install ok installed")
    assert host.run(["systemctl", "is-enabled", "nginx"]).stdout.strip() == "enabled"
    assert "nginx" in after.ports["tcp 0.0.0.0:80"]
    assert http(host).startswith("200 ")
    assert http(host, "/iidc") == "204"
    assert (host.root / "etc/nginx/conf.d/iidc.conf").read_text().startswith(f"# iidc: {host.name}\n")
    stray = [c for c in before.difference(after) if c.startswith("/") and "nginx" not in c]
    allowed = (
        r"/var/www|/var/lib/pasang|/etc/(ufw|init.d|logrotate.d|default|systemd)|/usr/(share|lib|sbin)|/var$|/var/l"
    )
    assert [path for path in stray if not re.match(allowed, path)] == []


def test_nginx_on_twenty_computers_again_and_back(boot: Boot, office: Office, tmp_path: Path) -> None:
    hosts = boot("bookworm", COUNT)
    for host in hosts:
        quiet(host)
    before = read_all(hosts)
    playbook = nginx_playbook(tmp_path / "nginx")
    inventory = office.inventory(hosts, owner="Tamu")
    trusted = office.pasang("hosts", "trust", "--yes", "-i", inventory)
    assert trusted.code == 0, trusted.err

    first = office.do("install", playbook, inventory)
    assert first.code == 0, (first.summary, first.err)
    assert first.outcomes == {host.name: "installed" for host in hosts}
    assert first.summary["counts"] == {"installed": COUNT}
    numbers = {host.name: first.host(host.name)["form"] for host in hosts}
    assert len(set(numbers.values())) == COUNT
    assert all(re.fullmatch(r"FI-\d{4}-\d{6}", number) for number in numbers.values())
    stored = dict(office.rows("select host, number from form where state = 'installed'"))
    assert stored == numbers
    after = read_all(hosts)
    for host in hosts:
        _check_form(office, host, numbers[host.name], proved=host is hosts[-1])
        _installed(host, before[host.name], after[host.name])
        assert units_of_ours(host) == ""

    _again(office, hosts, playbook, inventory, after)

    gone = office.do("uninstall", playbook, inventory)
    assert gone.code == 0, gone.summary
    assert gone.outcomes == {host.name: "uninstalled" for host in hosts}
    _clean_verdicts(gone)
    for name, left in read_all(hosts).items():
        assert same(before[name], left) == {}, name
    again = office.do("uninstall", playbook, inventory)
    assert set(again.outcomes.values()) == {"not_installed"}


def _again(office: Office, hosts: list[Host], playbook: Path, inventory: Path, after: dict[str, Readout]) -> None:
    """The same once more: nothing is sent, nothing changes, the form says so."""
    pids = {host.name: _nginx_pids(host) for host in hosts}
    logs = {host.name: _dpkg_log(host) for host in hosts}
    second = office.do("install", playbook, inventory)
    assert second.code == 0, second.summary
    assert second.outcomes == {host.name: "already_installed" for host in hosts}
    assert not [e for e in second.events if e["type"] in ("pushed", "intent", "effect", "snapshot")]
    now = read_all(hosts)
    for host in hosts:
        changed = after[host.name].difference(now[host.name], ignore=[*LIVES, *STORE, ASKED])
        assert changed == {}, host.name
        assert _nginx_pids(host) == pids[host.name]
        assert _dpkg_log(host) == logs[host.name]
    form = office.form(second.host(hosts[0].name)["form"])
    assert form["outcome"] == "already_installed"
    assert not form["changes"]


def _clean_verdicts(run: Run) -> None:
    for name, row in run.summary["hosts"].items():
        assert row["rollback"] == {"verdict": "clean", "residue": []} | row["rollback"], (name, row)
        assert row["rollback"]["verdict"] == "clean"
