"""Step 4: what is needed against what is there; three answers, and what was found in each."""

from __future__ import annotations

import json
import types

import pytest

from agent import requirements
from agent.actions import ActionFailed
from agent.actions import deb as deb_action
from agent.host import locks, processes, services
from agent.host.sockets import Socket
from agent.protocol import text
from agent.requirements import busy, room
from tests.unit.computer import FACTS, GIB, MB, MIB, Host, rows, verdicts


def test_every_row_is_whole(disks):
    every = rows(
        {
            "disk_free": [{"path": "/", "at_least_bytes": MB}],
            "ram_total": {"at_least_bytes": GIB},
            "cpu_count": {"at_least": 1},
            "ports_free": [80],
            "commands": ["sh"],
            "administrator": True,
            "moon_phase": "full",
        },
        variant={"when": {"os": "linux", "version": ">=12"}},
    )
    assert [row["kind"] for row in every] == [
        "os",
        "disk_free",
        "ram_total",
        "cpu_count",
        "ports_free",
        "commands",
        "administrator",
        "moon_phase",
    ]
    for row in every:
        assert set(row) == {"kind", "title", "needed", "found", "verdict", "reason"}
        assert row["title"].keys() == {"id", "en"}
        assert (row["reason"] is None) == (row["verdict"] == "met")
    assert every[-1]["verdict"] == "unknown"
    assert "moon_phase" in every[-1]["reason"]["en"]


def test_what_is_not_asked_is_not_answered():
    assert rows({"administrator": False, "ports_free": [], "ram_total": None, "strict": True}) == []


def test_the_wrong_computer():
    (row,) = rows({}, variant={"when": {"os": "windows"}})
    assert (row["kind"], row["verdict"], row["found"]) == ("os", "not_met", "debian 12 x86_64")


@pytest.mark.parametrize(
    ("built_in", "wanted", "verdict"),
    [
        (2 * GIB, 2 * GIB, "met"),
        (1950 * MIB, 2 * GIB, "met"),
        (1920 * MIB, 2 * GIB, "met"),
        (1919 * MIB, 2 * GIB, "not_met"),
        (0, 2 * GIB, "unknown"),
        (None, 2 * GIB, "unknown"),
    ],
)
def test_ram_is_what_is_built_in(built_in, wanted, verdict):
    assert verdicts({"ram_total": {"at_least_bytes": wanted}}, facts={"ram_bytes": built_in}) == [verdict]


def test_available_ram_is_exact(monkeypatch):
    monkeypatch.setattr(room, "ram_available_bytes", lambda: GIB - 1)
    wanted = {"ram_available": {"at_least_bytes": GIB}}
    assert verdicts(wanted) == ["not_met"]
    assert verdicts(wanted, already=True) == ["met"]
    monkeypatch.setattr(room, "ram_available_bytes", lambda: None)
    assert verdicts(wanted) == ["unknown"]


def test_available_ram_is_read(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:    1536 kB\n")
    assert room.ram_available_bytes(str(tmp_path / "meminfo")) == 1536 * 1024


def test_cpu_count():
    assert verdicts({"cpu_count": {"at_least": 2}}) == ["met"]
    assert verdicts({"cpu_count": {"at_least": 3}}) == ["not_met"]
    assert verdicts({"cpu_count": {"at_least": 3}}, facts={"cpu_count": None}) == ["unknown"]


def test_ports(monkeypatch):
    holder = processes.Process(7, 1, "apache2", ["/usr/sbin/apache2"], "1")
    monkeypatch.setattr(processes, "holders", lambda inodes, preferred="": {7: holder} if inodes == {99} else {})
    host = Host(sockets=[Socket("tcp", "0.0.0.0", 80, 99), Socket("udp", "0.0.0.0", 53, 98)])
    taken, free, other = rows({"ports_free": [80, 81, 53]}, host)
    assert (taken["verdict"], taken["found"]) == ("not_met", "0.0.0.0:80 apache2")
    assert "apache2" in taken["reason"]["id"]
    assert (free["verdict"], free["found"]) == ("met", text("bebas", "free"))
    assert other["verdict"] == "met"  # UDP is another matter
    assert verdicts({"ports_free": [{"port": 53, "protocol": "udp"}]}, host) == ["not_met"]
    # The software itself, on a second run.
    assert verdicts({"ports_free": [80]}, host, already=True) == ["met"]


UNIT = "/system.slice/{}.service"


@pytest.mark.parametrize(
    ("variant", "unit", "program", "verdict"),
    [
        ({"run": [{"kind": "service", "name": "web"}]}, "web", "/usr/bin/perl", "met"),
        ({"configure": {"actions": [{"kind": "service", "name": "web.service"}]}}, "web", "/usr/bin/perl", "met"),
        ({"run": [{"kind": "service", "name": "nama-lain"}]}, "web", "/usr/bin/perl", "met"),
        ({"run": [{"kind": "service", "name": "lain"}]}, "web", "/usr/bin/perl", "not_met"),
        ({"install": [{"kind": "deb", "payloads": ["web"]}]}, "", "/usr/sbin/web", "met"),
        ({"install": [{"kind": "deb", "packages": ["web=2"]}]}, "x", "/usr/sbin/web (deleted)", "met"),
        ({"install": [{"kind": "deb", "packages": ["web=2"]}]}, "x", "/usr/sbin/lain", "not_met"),
        ({"install": []}, "x", "/opt/web/1/jalan", "met"),
        ({"install": []}, "dulu", "/usr/bin/perl", "met"),
        ({"install": []}, "x", "/usr/bin/perl", "not_met"),
    ],
)
def test_a_port_of_the_version_before_is_no_obstacle(monkeypatch, tmp_path, variant, unit, program, verdict):
    from agent.debian import database
    from agent.host import trees
    from agent.managers import Service
    from agent.requirements import former

    class Upgraded(Host):
        services = types.SimpleNamespace(
            read=lambda name: Service(True, "active", True, 7 if name == "nama-lain" else 0, 0, 1.0, "")
        )

        def packages(self):
            return {"web": types.SimpleNamespace(status="installed", version="1", architecture="amd64")}

        def payload(self, name):
            return {"meta": {"package": name, "version": "2", "architecture": "amd64"}}

    holder = processes.Process(7, 1, "web", ["web"], "1")
    monkeypatch.setattr(processes, "holders", lambda inodes, preferred="": {7: holder})
    monkeypatch.setattr(trees, "named_group", lambda pid: UNIT.format(unit) if unit else "/init.scope")
    monkeypatch.setattr(former.os, "readlink", lambda path: program)
    monkeypatch.setattr(database, "listed", lambda name, architecture: ["/usr", "/sbin/web"])
    monkeypatch.setattr(requirements, "dependencies", lambda variant, host: [])
    added = [{"kind": "file", "name": "/opt/web/1/jalan"}, {"kind": "service", "name": "dulu.service"}]
    changes = [{**row, "change": "added"} for row in added]
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed/web.json").write_text(json.dumps({"runs": [{"changes": changes}]}))
    host = Upgraded(str(tmp_path), [Socket("tcp", "0.0.0.0", 80, 99)])
    asked = {"requirements": {"ports_free": [80]}, **variant}
    (row,) = (
        row
        for row in requirements.check({"software": {"name": "web"}}, asked, host, FACTS)
        if row["kind"] == "ports_free"
    )
    assert row["verdict"] == verdict, row
    before = text("0.0.0.0:80 web, versi sebelumnya", "0.0.0.0:80 web, the version before")
    assert row["found"] == (before if verdict == "met" else "0.0.0.0:80 web")


@pytest.mark.parametrize(("main", "verdict"), [(7, "met"), (8, "not_met")])
def test_on_windows_the_port_of_a_service_that_the_playbook_names_is_no_obstacle(monkeypatch, main, verdict):
    from agent.managers import Service

    host = Host(sockets=[Socket("tcp", "0.0.0.0", 80, 7)])
    host.os = "windows"
    host.services = types.SimpleNamespace(read=lambda name: Service(True, "active", True, main, 0, 1.0, ""))
    holder = processes.Process(7, 1, "web.exe", [], "1")
    monkeypatch.setattr(processes, "holders", lambda inodes, preferred="": {7: holder})
    assert verdicts({"ports_free": [80]}, host, variant={"run": [{"kind": "service", "name": "web"}]}) == [verdict]


def test_ports_that_cannot_be_listed():
    class Closed(Host):
        def listening(self):
            raise PermissionError(13, "Permission denied")

    assert verdicts({"ports_free": [80]}, Closed()) == ["unknown"]


def test_commands(tmp_path, monkeypatch):
    for name, mode in (("there", 0o755), ("not-executable", 0o644)):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(mode)
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(requirements, "SEARCHED", ("/nowhere", str(tmp_path)))
    every = rows({"commands": ["there", "not-executable", "folder", "missing", str(tmp_path / "there")]})
    assert [row["verdict"] for row in every] == ["met", "not_met", "not_met", "not_met", "met"]
    assert every[0]["found"] == str(tmp_path / "there")


def test_processes(monkeypatch):
    every = [
        processes.Process(5, 1, "cupsd", ["/usr/sbin/cupsd"], "1"),
        processes.Process(6, 1, "pasang", ["pasang"], "1"),
    ]
    monkeypatch.setattr(processes, "processes", lambda: iter(every))
    monkeypatch.setattr(processes, "own_family", lambda: {6})
    assert verdicts({"processes": ["cupsd", "nginx", "pasang"]}) == ["met", "not_met", "not_met"]
    assert verdicts({"no_processes": ["cupsd", "nginx", "pasang"]}) == ["not_met", "met", "met"]

    def refuse():
        raise processes.Unreadable("no")
        yield

    monkeypatch.setattr(processes, "processes", refuse)
    assert verdicts({"processes": ["cupsd"], "no_processes": ["nginx"]}) == ["unknown", "unknown"]


def test_administrator():
    host = Host()
    host.is_administrator = False
    (row,) = rows({"administrator": True}, host)
    assert row["verdict"] == "not_met"
    assert "ansible_become" in row["reason"]["en"]


@pytest.fixture
def boot(tmp_path, monkeypatch):
    monkeypatch.setattr(busy, "REBOOT_MARK", str(tmp_path / "reboot-required"))
    monkeypatch.setattr(busy, "MODULES", str(tmp_path / "modules"))
    monkeypatch.setattr(busy, "CONTAINER_MARK", str(tmp_path / "container"))
    return tmp_path


def test_no_reboot_pending(boot):
    assert verdicts({"no_pending_reboot": True}) == ["met"]  # no modules at all: a kernel without any
    (boot / "modules" / FACTS["kernel"]).mkdir(parents=True)
    assert verdicts({"no_pending_reboot": True}) == ["met"]


def test_a_reboot_that_packages_asked_for(boot):
    (boot / "reboot-required").write_text("")
    (row,) = rows({"no_pending_reboot": True})
    assert row["verdict"] == "not_met"
    (boot / "reboot-required.pkgs").write_text("linux-image-amd64\nlibc6\nlibc6\n")
    (row,) = rows({"no_pending_reboot": True})
    assert row["found"] == "libc6, linux-image-amd64"
    assert "libc6" in row["reason"]["id"]


def test_a_kernel_replaced_under_our_feet(boot):
    (boot / "modules" / "6.1.0-20-amd64").mkdir(parents=True)
    (row,) = rows({"no_pending_reboot": True})
    assert (row["verdict"], row["found"]) == ("not_met", "kernel 6.1.0-18-amd64 → 6.1.0-20-amd64")
    (boot / "container").write_text("systemd-nspawn")
    assert verdicts({"no_pending_reboot": True}) == ["met"]


def test_locks_out_of_reach(monkeypatch):
    def cannot(_):
        raise locks.CannotTell("/proc/locks: no")

    monkeypatch.setattr(busy, "package_manager_holder", cannot)
    (row,) = rows({"package_manager_free": True})
    assert row["verdict"] == "unknown"
    monkeypatch.setattr(busy, "package_manager_holder", lambda _: "apt-get (pid 12)")
    (row,) = rows({"package_manager_free": True})
    assert (row["verdict"], row["found"]) == ("not_met", "apt-get (pid 12)")


DEB = [
    {"kind": "deb", "payloads": ["common"]},
    {"kind": "deb", "payloads": ["nginx"]},
    {"kind": "service", "name": "x"},
]


def test_packages_need_an_administrator():
    host = Host()
    host.is_administrator = False
    apt = {"install": [{"kind": "deb", "packages": ["curl"]}]}
    assert [(row["kind"], row["verdict"]) for row in rows({}, host, variant=apt)] == [("administrator", "not_met")]
    assert verdicts({"administrator": True}, host, variant=apt) == ["not_met"]  # said once
    assert rows({}, host, variant={"install": [{"kind": "archive", "payload": "x"}]}) == []


class Managed:
    """A manager that knows the services it is given, with what is wrong with them."""

    def __init__(self, name, known):
        self.name, self.known, self.told = name, known, []

    def read(self, name):
        if self.known is None:
            raise ActionFailed(text("diam", "silent"))
        active = self.known.get(name, "inactive")
        return services.Service(name in self.known, active, True, 0, 0, 9.0, "")

    def start(self, name):
        self.told.append(name)
        return {}


@pytest.mark.parametrize(
    ("own", "system", "whose"),
    [({"x": "active"}, {"x": "failed"}, "own"), ({}, {"x": "failed"}, "system"), ({}, {}, "own"), ({}, None, "own")],
)
def test_a_user_sees_the_systems_services_behind_the_own(own, system, whose):
    managers = {"own": Managed("processes", own), "system": Managed("systemd", system)}
    both_ = services.OfUser(managers["own"], managers["system"])
    assert both_.read("x") == managers[whose].read("x")
    both_.start("x")
    assert {name: one.told for name, one in managers.items() if one.told} == {whose: ["x"]}


@pytest.mark.parametrize(
    ("known", "already", "verdict"),
    [
        ({"x": "active"}, True, []),  # to look at it is everybody's
        ({"x": "inactive"}, True, ["not_met"]),  # to start it is not
        ({"x": "active"}, False, ["not_met"]),
        ({}, False, []),  # a service that the software brings: the user's own
    ],
)
def test_who_is_no_administrator_may_look_at_the_systems_services(known, already, verdict):
    host = Host()
    host.is_administrator = False
    host.services = services.OfUser(Managed("processes", {}), Managed("systemd", known))
    variant = {"run": [{"kind": "service", "name": "x", "state": "running"}, {"kind": "port", "port": 80}]}
    assert verdicts({}, host, variant=variant, already=already) == verdict
    packages = {**variant, "install": [{"kind": "deb", "packages": ["x"]}]}
    if already:
        assert verdicts({}, host, variant=packages, already=True) == verdict


def test_dependencies(monkeypatch):
    asked = []
    answers = [
        [],
        [
            {"package": "nginx", "needs": "libpcre3 (>= 2:8)", "found": ""},
            {"package": "nginx", "needs": "b", "found": "b 1"},
            {"package": "lain", "made_for": "arm64", "found": "amd64"},
        ],
    ]

    def missing_dependencies(spec, host):
        asked.append(spec)
        if not answers:
            raise ActionFailed(text("tidak terbaca", "cannot be read"))
        return answers.pop(0)

    monkeypatch.setattr(deb_action, "missing_dependencies", missing_dependencies)

    def ask(install=DEB, **more):
        return [row for row in rows({}, variant={"install": install}, **more) if row["kind"] == "dependencies"]

    (row,) = ask()
    assert (row["kind"], row["verdict"]) == ("dependencies", "met")
    assert asked == [{"kind": "deb", "payloads": ["common", "nginx"]}]  # what one needs, another may bring
    (row,) = ask()
    assert row["needed"] == "nginx: libpcre3 (>= 2:8); nginx: b; lain: arm64"
    assert (row["verdict"], row["found"]) == ("not_met", "-; b 1; amd64")
    assert "libpcre3 (>= 2:8)" in row["reason"]["en"]
    assert row["reason"]["id"].startswith("paket lain dibuat untuk arm64, komputer ini amd64; ")
    (row,) = ask()
    assert (row["verdict"], row["reason"]["en"]) == ("unknown", "cannot be read")
    assert ask(already=True) == []
    assert ask([*DEB, {"kind": "deb", "packages": ["curl"]}]) == []
    assert ask([{"kind": "archive", "payload": "x"}]) == []
