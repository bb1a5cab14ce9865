"""Step 4: what is needed against what is there; three answers, and what was found in each."""

from __future__ import annotations

import os
import sys
import types

import pytest

from agent import requirements
from agent.actions import ActionFailed
from agent.host import processes
from agent.host.sockets import Socket
from agent.protocol import text
from agent.requirements import busy, room

MB, MIB, GIB = 10**6, 2**20, 2**30
FACTS = {
    "os": "linux",
    "distribution": "debian",
    "version": "12",
    "arch": "x86_64",
    "ram_bytes": 4 * GIB,
    "cpu_count": 2,
    "kernel": "6.1.0-18-amd64",
}


class Host:
    os = "linux"
    is_administrator = True

    def __init__(self, root="/agent", sockets=(), stored=()):
        self.root = root
        self.sockets = list(sockets)
        self.stored = stored

    def listening(self):
        return self.sockets

    def blob(self, digest):
        return self.stored[digest] if digest in self.stored else "/nowhere/" + digest


def rows(wanted, host=None, facts=None, **more):
    variant = {"requirements": wanted, **more.pop("variant", {})}
    return list(requirements.check({}, variant, host or Host(), {**FACTS, **(facts or {})}, **more))


def verdicts(*args, **more):
    return [row["verdict"] for row in rows(*args, **more)]


@pytest.fixture
def disks(monkeypatch):
    """Filesystems by mount point: (device, free bytes for anybody, flags)."""
    mounted = {"/": (1, 1000 * MB, 0)}

    def mount_of(path):
        while path not in mounted:
            path = os.path.dirname(path)
        return mounted[path]

    def statvfs(path):
        _, free, flags = mount_of(path)
        return types.SimpleNamespace(
            f_frsize=4096,
            f_blocks=10**9,
            f_bavail=free // 4096,
            f_bfree=10**9,
            f_flag=flags,
            f_files=1000,
            f_favail=500,
        )

    def stat(path):
        return types.SimpleNamespace(st_dev=mount_of(path)[0])

    monkeypatch.setattr(
        room, "os", types.SimpleNamespace(path=os.path, stat=stat, statvfs=statvfs, ST_RDONLY=os.ST_RDONLY)
    )
    return mounted


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
    assert rows({"administrator": False, "ports_free": [], "ram_total": None}) == []


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
    assert (free["verdict"], free["found"]) == ("met", "free")
    assert other["verdict"] == "met"  # UDP is another matter
    assert verdicts({"ports_free": [{"port": 53, "protocol": "udp"}]}, host) == ["not_met"]
    # The software itself, on a second run.
    assert verdicts({"ports_free": [80]}, host, already=True) == ["met"]


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
        raise processes.CannotTell("no")
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
    def cannot():
        raise busy.CannotTell("/proc/locks: no")

    monkeypatch.setattr(busy, "package_manager_holder", cannot)
    (row,) = rows({"package_manager_free": True})
    assert row["verdict"] == "unknown"
    monkeypatch.setattr(busy, "package_manager_holder", lambda: "apt-get (pid 12)")
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


def test_dependencies(monkeypatch):
    asked = []
    answers = [
        [],
        [
            {"package": "nginx", "needs": "libpcre3 (>= 2:8)", "found": ""},
            {"package": "nginx", "needs": "b", "found": "b 1"},
        ],
    ]

    def missing_dependencies(spec, host):
        asked.append(spec)
        if not answers:
            raise ActionFailed(text("tidak terbaca", "cannot be read"))
        return answers.pop(0)

    deb = types.ModuleType("agent.actions.deb")
    deb.missing_dependencies = missing_dependencies
    monkeypatch.setitem(sys.modules, "agent.actions.deb", deb)

    def ask(install=DEB, **more):
        return [row for row in rows({}, variant={"install": install}, **more) if row["kind"] == "dependencies"]

    (row,) = ask()
    assert (row["kind"], row["verdict"]) == ("dependencies", "met")
    assert asked == [{"kind": "deb", "payloads": ["common", "nginx"]}]  # what one needs, another may bring
    (row,) = ask()
    assert (row["verdict"], row["needed"], row["found"]) == ("not_met", "nginx: libpcre3 (>= 2:8); nginx: b", "-; b 1")
    assert "libpcre3 (>= 2:8)" in row["reason"]["en"]
    (row,) = ask()
    assert (row["verdict"], row["reason"]["en"]) == ("unknown", "cannot be read")
    assert ask(already=True) == []
    assert ask([*DEB, {"kind": "deb", "packages": ["curl"]}]) == []
    assert ask([{"kind": "archive", "payload": "x"}]) == []


# -- room -------------------------------------------------------------------------------------------------------------


def disk(path, at_least=0, **more):
    return {"path": path, "at_least_bytes": at_least, **more}


def payload(path, digest, size, unpacked):
    return disk(path, payload="x", digest=digest, payload_bytes=size, unpacked_bytes=unpacked)


def test_one_filesystem_adds_up(disks):
    wanted = [disk("/", 500 * MB), disk("/srv", 300 * MB), payload("/usr", "a", 100 * MB, 400 * MB)]
    (row,) = rows({"disk_free": wanted})
    assert row["needed"] == "1 GB"  # the larger of what was asked for, and the payloads with what is in them
    assert row["title"]["en"] == "Free space on /, /srv, /usr, /agent"


def test_enough_to_the_byte(disks):
    wanted = [disk("/", 500 * MB), payload("/usr", "a", 100 * MB, 400 * MB)]
    disks["/"] = (1, 1000 * MB + 4096, 0)
    assert verdicts({"disk_free": wanted}) == ["met"]
    disks["/"] = (1, 1000 * MB - 1, 0)
    (row,) = rows({"disk_free": wanted})
    assert row["verdict"] == "not_met"
    assert (row["needed"], row["found"]) == ("1 GB", "999 MB")
    assert "500 MB" in row["reason"]["id"]
    assert "400 MB" in row["reason"]["en"]


def test_several_filesystems(disks):
    disks["/var"] = (2, 50 * MB, 0)
    disks["/opt"] = (3, 10 * MB, 0)
    every = rows(
        {"disk_free": [disk("/", 1 * MB), payload("/opt/app", "a", 40 * MB, 11 * MB)]}, Host("/var/lib/pasang")
    )
    assert [(row["title"]["en"], row["verdict"]) for row in every] == [
        ("Free space on /", "met"),
        ("Free space on /opt/app", "not_met"),
        ("Free space on /var/lib/pasang", "met"),
    ]


def test_payloads_that_are_here_take_no_more_room(disks, tmp_path):
    stored = tmp_path / "blob"
    stored.write_text("x")
    wanted = [payload("/usr", "a", 900 * MB, 200 * MB)]
    disks["/"] = (1, 300 * MB, 0)
    assert verdicts({"disk_free": wanted}) == ["not_met"]
    assert verdicts({"disk_free": wanted}, Host(stored={"a": str(stored)})) == ["met"]


def test_a_payload_used_twice_is_kept_once(disks):
    wanted = [payload("/a", "a", 400 * MB, 200 * MB), payload("/b", "a", 400 * MB, 200 * MB)]
    disks["/"] = (1, 799 * MB, 0)
    assert verdicts({"disk_free": wanted}) == ["not_met"]
    disks["/"] = (1, 801 * MB, 0)
    assert verdicts({"disk_free": wanted}) == ["met"]


def test_what_is_in_place_needs_no_room(disks):
    disks["/"] = (1, 1 * MB, 0)
    assert verdicts({"disk_free": [disk("/", 500 * MB)]}, already=True) == ["met"]


def test_read_only(disks):
    disks["/"] = (1, 1000 * MB, os.ST_RDONLY)
    (row,) = rows({"disk_free": [disk("/", MB)]})
    assert (row["verdict"], row["found"]) == ("not_met", "read-only")


def test_a_path_that_cannot_be_looked_at(monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(room, "os", types.SimpleNamespace(path=os.path, stat=refuse))
    monkeypatch.setattr(room, "nearest", lambda path: path)
    (row,) = rows({"disk_free": [disk("/secret", MB)]})
    assert row["verdict"] == "unknown"


def test_inodes(disks):
    assert verdicts({"inodes": {"path": "/srv", "at_least": 500}}) == ["met"]
    assert verdicts({"inodes": [{"path": "/srv", "at_least": 501}]}) == ["not_met"]


def test_the_nearest_folder(tmp_path):
    assert room.nearest(str(tmp_path / "a" / "b" / "c")) == str(tmp_path)
    assert room.nearest("/") == "/"


@pytest.mark.parametrize(
    ("size", "more", "said"),
    [
        (0, {}, "0 B"),
        (999, {}, "999 B"),
        (500 * MB, {}, "500 MB"),
        (2 * GIB, {}, "2 GiB"),
        (256 * MIB, {}, "256 MiB"),
        (1536 * MIB, {}, "1.5 GiB"),
        (2 * GIB - 1, {"like": 2 * GIB}, "1.99 GiB"),
        (500 * MB - 1, {}, "499 MB"),
        (500 * MB + 1, {"up": True}, "501 MB"),
        (2 * GIB, {"decimal": True}, "2.14 GB"),
        (2 * GIB, {"decimal": True, "up": True}, "2.15 GB"),
        (3 * 10**15, {}, "3000 TB"),
    ],
)
def test_sizes_for_people(size, more, said):
    assert room.amount(size, **more) == said
