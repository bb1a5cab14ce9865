"""Broken software is taken back: judged on the computers, with dpkg, systemctl, ss and their disks."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.fixtures import Boot
from tests.lab.hosts import Host
from tests.lab.invented import PAGE, PORT, Fault, build_loket, hold_port
from tests.lab.lab import Lab
from tests.lab.office import STORE, Office, Run, http, quiet, read_at_rest, same, units_of_ours
from tests.lab.playbooks import loket_playbook, nginx_playbook, write_playbook
from tests.lab.readout import Readout, packages, read

AT_ONCE = 4
ADMIN = "  8090  \n\n"  # as a person edits it: another content, the same meaning
SPREADS = f"""
if [ "$1" = configure ]; then
  echo '10.9.8.7 lisensi.example.invalid' >>/etc/hosts
  echo '5 4 * * * root true' >/etc/cron.d/loket-sisa
  printf '[Service]\\nExecStart=/bin/sleep 999\\n[Install]\\nWantedBy=multi-user.target\\n' \\
    >/etc/systemd/system/loket-sisa.service
  systemctl daemon-reload
  systemctl enable --quiet --now loket-sisa.service
  mkdir -p /usr/local/share/loket-sisa && echo {PAGE} >/usr/local/share/loket-sisa/isi
fi
"""
LISTENS = "import socket, time; s = socket.create_server(('', 7007)); time.sleep(777)"
AT_WORK = f"""
if [ "$1" = configure ]; then
  setsid sleep 777 >/dev/null 2>&1 </dev/null &
  setsid sh -c 'trap "" TERM; sleep 776; sleep 775' >/dev/null 2>&1 </dev/null &
  setsid python3 -c "{LISTENS}" >/dev/null 2>&1 </dev/null &
  mkdir -p /etc/systemd/system/ssh.service.d
  printf '[Service]\\nEnvironment=SISA=1\\n' >/etc/systemd/system/ssh.service.d/sisa.conf
  systemctl daemon-reload
  systemctl mask --quiet e2scrub_all.timer
  sleep 0.3
  exit 1
fi
"""
USER_THEN_PRERM = {
    "postinst": "if [ \"$1\" = configure ]; then\n"
    "getent passwd loket >/dev/null || useradd --system --user-group --home-dir /nonexistent loket\nfi",
    "prerm": "echo 'loket: still in use' >&2\nexit 1",
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A broken installation: how the computer is prepared, what is installed, and what the form must say of it."""

    playbook: Callable[[Path], Path]
    step: int
    says: str
    prepare: Callable[[Host, Path, Office], None] = lambda *_: None


@dataclass(frozen=True)
class Result:
    """What a case came to."""

    host: Host
    before: Readout
    after: Readout
    run: Run
    form: dict[str, Any]


def _loket(**changes: Any) -> Callable[[Path], Path]:
    return lambda folder: loket_playbook(folder, **changes)


def _scripted(**scripts: str) -> Callable[[Path], Path]:
    """A whole loket with more maintainer scripts; its page is not what the playbook wants."""

    def write(folder: Path) -> Path:
        folder.mkdir(parents=True)
        deb = build_loket(folder, "1.0", Fault.WRONG_PAGE, more_scripts=scripts)
        return loket_playbook(folder, payload=deb)

    return write


def _unverifiable(folder: Path) -> Path:
    """Its configuration can be written as often as one likes: the answer will not be the one wanted."""
    configure = {
        "decision": "always",
        "attempts": 2,
        "actions": [
            {"file": {"path": "/etc/loket/iidc.conf", "content": "iidc"}},
            {"service": {"name": "loket", "state": "restarted"}},
        ],
    }
    ask = {"url": f"http://127.0.0.1:{PORT}/versi", "contains": "9.9", "within": "1s"}
    return loket_playbook(folder, configure=configure, verify=[{"http": ask}])


def _mixed(folder: Path) -> Path:
    """An archive, files, a folder, commands and a service of ours; the last test of all fails."""
    folder.mkdir(parents=True)
    packed = folder / "alat-2.0.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        body = b"#!/bin/sh\nexec sleep 86400\n"
        entry = tarfile.TarInfo("alat-2.0/jalan")
        entry.size, entry.mode = len(body), 0o755
        archive.addfile(entry, io.BytesIO(body))
    install = [
        {"archive": {"payload": "alat", "into": "/opt/alat", "strip": 1}},
        {"file": {"path": "/etc/alat", "state": "directory", "mode": "0750"}},
        {"file": {"path": "/etc/alat/alat.conf", "content": "isi = 1\n", "owner": "petugas"}},
        {"file": {"path": "/etc/motd", "content": "Alat dipasang\n"}},
        {
            "command": {
                "argv": ["sh", "-c", "echo 10.1.1.1 alat >>/etc/hosts; echo x >/var/lib/alat-tanda"],
                "creates": "/var/lib/alat-tanda",
                "undo": {"argv": ["sh", "-c", "sed -i /10.1.1.1/d /etc/hosts; rm /var/lib/alat-tanda"]},
            }
        },
    ]
    service = {
        "name": "alat", "state": "running", "enabled": True, "stable_for": "1s",
        "define": {"argv": ["/opt/alat/current/jalan"], "user": "petugas"},
    }  # fmt: skip
    variant = {
        "when": {"os": "linux"},
        "install": install,
        "run": [{"service": service}],
        "test": [{"process": {"cmdline": "sleep 86400", "within": "2s"}}],
        "configure": {"attempts": 1, "actions": [{"file": {"path": "/etc/alat/lagi", "content": "1"}}]},
        "verify": [{"file": {"path": "/etc/alat/tidak-ada", "exists": True}}],
        "watch": ["/var/lib/alat-tanda"],
    }
    return write_playbook(folder, name="alat", version="2.0", payloads={"alat": packed}, variants=[variant])


def _nginx_no_page(folder: Path) -> Path:
    ask = {"url": "http://127.0.0.1/", "status": 200, "contains": "Halaman dinas", "within": "1s"}
    return nginx_playbook(folder, test=[{"http": ask}])


def _nginx_unverifiable(folder: Path) -> Path:
    return nginx_playbook(folder, verify=[{"http": {"url": "http://127.0.0.1/iidc", "status": 418, "within": "1s"}}])


def _nginx_port_taken(folder: Path) -> Path:
    return nginx_playbook(folder, requirements={})


def _v1_by_us(host: Host, folder: Path, office: Office) -> None:
    done = office.do("install", loket_playbook(folder / "v1", "1.0"), office.inventory([host]))
    assert done.code == 0, done.summary


def _v1_by_hand(host: Host, folder: Path, office: Office) -> None:
    (folder / "hand").mkdir(parents=True)
    deb = build_loket(folder / "hand", "1.0")
    (host.root / "srv/loket.deb").write_bytes(deb.read_bytes())
    host.run(["dpkg", "-i", "/srv/loket.deb"])
    (host.root / "etc/loket/port").write_text(ADMIN)
    host.run(["chmod", "640", "/etc/loket/port"])
    host.run(["systemctl", "restart", "loket"])


def _more_in_v2(folder: Path) -> Path:
    """Version 2 that leaves files behind, edits a file of the system, and shows the wrong page."""
    folder.mkdir(parents=True)
    script = "if [ \"$1\" = configure ]; then\necho sisa >/etc/loket/baru\necho '#' >>/etc/hosts\nfi"
    deb = build_loket(folder, "2.0", Fault.WRONG_PAGE, more_scripts={"postinst": script})
    return loket_playbook(folder, "2.0", payload=deb)


CASES = {
    "postinst_fails": Case(_loket(fault=Fault.POSTINST_FAILS), 5, "post-installation script"),
    "service_dies": Case(
        _loket(fault=Fault.DIES, run=[{"service": {"name": "loket", "state": "running", "stable_for": "3s"}}]), 6, ""
    ),
    "never_starts": Case(_loket(fault=Fault.NEVER_STARTS), 6, "no configuration"),
    "port_taken": Case(_loket(), 6, "", lambda host, *_: hold_port(host)),
    "wrong_page": Case(_loket(fault=Fault.WRONG_PAGE), 7, PAGE),
    "unverifiable": Case(_unverifiable, 11, "9.9"),
    "user_and_prerm": Case(_scripted(**USER_THEN_PRERM), 7, PAGE),
    "at_work": Case(_scripted(postinst=AT_WORK), 5, "post-installation script"),
    "spreads": Case(_scripted(postinst=SPREADS), 7, PAGE),
    "mixed": Case(_mixed, 11, "tidak-ada"),
    "nginx_wrong_page": Case(_nginx_no_page, 7, "Halaman dinas"),
    "nginx_unverifiable": Case(_nginx_unverifiable, 11, "204"),
    "nginx_port_taken": Case(_nginx_port_taken, 6, "", lambda host, *_: hold_port(host, 80)),
    "upgrade": Case(_more_in_v2, 7, PAGE, _v1_by_us),
    "upgrade_by_hand": Case(_more_in_v2, 7, PAGE, _v1_by_hand),
    "upgrade_postinst": Case(
        _loket(version="2.0", fault=Fault.POSTINST_FAILS), 5, "post-installation script", _v1_by_hand
    ),
    "upgrade_dies": Case(
        _loket(
            version="2.0",
            fault=Fault.DIES,
            run=[{"service": {"name": "loket", "state": "running", "stable_for": "3s"}}],
        ),
        6,
        "",
        _v1_by_us,
    ),
}
UPGRADES = [name for name in CASES if name.startswith("upgrade")]


class Results:
    """Every case that is asked for, on a computer of its own, some at once while others are judged."""

    def __init__(self, names: list[str], lab: Lab, boot: Boot, folder: Callable[[str], Path]) -> None:
        self._lab = lab
        folders = {name: folder(name) for name in names}
        self._pool = ThreadPoolExecutor(AT_ONCE)
        hosts = boot("bookworm", len(names))
        self._futures = {
            name: self._pool.submit(self._carry, name, host, folders[name])
            for name, host in zip(names, hosts, strict=True)
        }

    def __getitem__(self, name: str) -> Result:
        """What a case came to, once it has."""
        return self._futures[name].result()

    def close(self) -> None:
        """Let no work outlive the computers."""
        self._pool.shutdown(cancel_futures=True)

    def _carry(self, name: str, host: Host, folder: Path) -> Result:
        case = CASES[name]
        office = Office(self._lab, folder / "office")
        office.trust()
        quiet(host)
        case.prepare(host, folder, office)
        quiet(host)
        before = read(host)
        run = office.do("install", case.playbook(folder / "broken"), office.inventory([host]))
        assert run.out, run.err
        return Result(host, before, read_at_rest(host), run, office.form(run.host(host.name)["form"]))


@pytest.fixture(scope="module")
def results(
    lab: Lab, boot_module: Boot, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Results]:
    """The cases of the tests that were selected."""
    asked = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    running = Results([name for name in CASES if name in asked], lab, boot_module, tmp_path_factory.mktemp)
    yield running
    running.close()


@pytest.mark.parametrize("name", CASES)
def test_broken_software_is_taken_back(results: Results, name: str) -> None:
    result, case = results[name], CASES[name]
    row = result.run.host(result.host.name)
    said = (row["step"], row["outcome"], row["reason"], row["rollback"])
    assert result.run.code == 1, said
    assert row["outcome"] == "rolled_back", said
    assert row["rollback"]["verdict"] == "clean", said
    assert row["rollback"]["residue"] == [], said
    assert row["step"] == case.step, said
    assert re.search(case.says, row["reason"]), said
    assert same(result.before, result.after) == {}, said
    assert units_of_ours(result.host) == ""


@pytest.mark.parametrize("name", CASES)
def test_the_form_says_what_went_wrong_and_how_it_was_taken_back(results: Results, name: str) -> None:
    form, case = results[name].form, CASES[name]
    steps = {row["no"]: row for row in form["steps"]}
    assert form["outcome"] == "rolled_back"
    assert steps[case.step]["result"] == "failed"
    assert steps[8]["result"] == "ok"
    assert not {steps[no]["result"] for no in (12, 13)} - {"skipped", None}
    arcs = {(arc["step"], arc["to"]): arc["count"] for arc in form["arcs"]}
    assert arcs[case.step, 8] == 1
    assert arcs[8, 1] == 1
    assert form["rollback"]["verdict"] == "clean"
    undone = [change for change in form["changes"] if change["verb"] == "undo"]
    assert undone
    assert {change["result"] for change in undone} == {"changed"}
    if "postinst" in name:
        assert any("licence server does not answer" in change["evidence"] for change in form["changes"])
    if "unverifiable" in name:
        assert arcs[11, 10] == 1
        assert [visit["result"] for visit in steps[11]["visits"]] == ["failed", "failed"]
        assert [visit["result"] for visit in steps[10]["visits"]] == ["ok", "ok"]


@pytest.mark.parametrize("name", UPGRADES)
def test_a_failed_upgrade_brings_the_version_before_back(results: Results, name: str) -> None:
    result = results[name]
    assert packages(result.host)["loket"] == "1.0 install ok installed"
    assert PAGE in http(result.host, port=PORT)
    assert http(result.host, "/versi", port=PORT) == "200 1.0"
    assert result.run.host(result.host.name)["rollback"]["restored"].endswith("1.0")
    assert [test for test in result.form["tests"] if test["step"] == 8 and test["verdict"] == "passed"]
    if name != "upgrade" and name != "upgrade_dies":
        assert (result.host.root / "etc/loket/port").read_text() == ADMIN
        assert (result.host.root / "etc/loket/port").stat().st_mode & 0o777 == 0o640


def test_what_an_installer_left_at_work_is_stopped_and_forgotten(
    results: Results, office: Office, tmp_path: Path
) -> None:
    host = results["at_work"].host
    assert "sleep 77" not in host.run(["ps", "-e", "-o", "args"]).stdout
    assert not [port for port in read(host).ports if port.endswith(":7007")]
    shown = host.run(["systemctl", "show", "ssh", "e2scrub_all.timer", "-p", "Environment,NeedDaemonReload,LoadState"])
    assert "SISA" not in shown.stdout
    assert "NeedDaemonReload=yes" not in shown.stdout
    assert "LoadState=masked" not in shown.stdout
    assert host.run(["systemctl", "is-active", "ssh"]).stdout.strip() == "active"

    office.trust()
    leaves = '[ "$1" = configure ] && setsid sleep 778 >/dev/null 2>&1 </dev/null &\ntrue'
    deb = build_loket(tmp_path, "1.0", more_scripts={"postinst": leaves})
    playbook = loket_playbook(tmp_path / "biasa", payload=deb)
    assert office.do("install", playbook, office.inventory([host])).code == 0
    assert "sleep 778" in host.run(["ps", "-e", "-o", "args"]).stdout
    done = office.do("uninstall", playbook, office.inventory([host]))
    assert (done.outcomes, done.host(host.name)["rollback"]["verdict"]) == ({host.name: "uninstalled"}, "clean")
    assert "sleep 778" not in host.run(["ps", "-e", "-o", "args"]).stdout


def test_no_part_of_a_secret_is_recorded(results: Results, office: Office, tmp_path: Path) -> None:
    host = results["at_work"].host
    office.trust()
    secret = "KataSandiRahasia" + "Qzxv"
    env = ["/usr/bin/env", "APP_USER=loket", "APP_MODE=production", "APP_HOST=db.kantor.example.invalid"]
    prints = "for i in $(seq 3000); do echo '{{ db_password }} isi'; done"
    repeats = "for i in $(seq 400); do printf 'a {{ db_password }} '; done; exit 1"
    playbook = write_playbook(
        tmp_path / "bocor",
        name="bocor",
        version="1.0",
        variants=[
            {
                "when": {"os": "linux"},
                "install": [
                    {"command": {"argv": [*env, "APP_PASSWORD={{ db_password }}", "true"]}},
                    {"command": {"shell": prints}},
                ],
                "test": [{"command": {"argv": ["sh", "-c", repeats]}}],
            }
        ],
    )
    done = office.do("install", playbook, office.inventory([host], rows={host.name: {"db_password": secret}}))
    assert done.outcomes == {host.name: "rolled_back"}
    form = done.host(host.name)["form"]
    told = [done.out, done.err, office.pasang("form", "show", form).out, str(office.rows("select * from event"))]
    told += [path.read_text() for path in host.root.glob("var/lib/pasang/runs/*bocor*/journal.ndjson")]
    assert len(told) == 5
    for each in told:
        assert not [part for part in ("Kata", "Qzxv") if part in each.replace("Kata sandi", "")]


def test_what_is_kept_on_the_computer_is_readable_by_root_alone(results: Results) -> None:
    host = results["mixed"].host
    assert (host.root / STORE[0].lstrip("/")).stat().st_mode & 0o077 == 0
