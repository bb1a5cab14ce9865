"""What a snapshot of Windows says of registry, disk and sockets: values in, rows and verdicts out."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from agent import snapshot
from agent.snapshot import FileReader, difference
from agent.windows import disk, facts, kinds, leftovers, processes, sockets, state
from agent.windows.places import Places
from agent.windows.programs import Program
from agent.windows.registry import Value

PLACES = Places(
    {
        "SystemDrive": "C:",
        "SystemRoot": r"C:\Windows",
        "ProgramData": r"C:\ProgramData",
        "PUBLIC": r"C:\Users\Public",
        "ProgramFiles": r"C:\Program Files",
        "ProgramFiles(x86)": r"C:\Program Files (x86)",
    }
)
PROFESSIONAL = {
    "currentbuild": "19045",
    "currentbuildnumber": "19045",
    "ubr": 4046,
    "productname": "Windows 10 Pro",
    "displayversion": "22H2",
    "editionid": "Professional",
}


def test_what_windows_it_is() -> None:
    said = facts.described((10, 0, 19045), PROFESSIONAL, {"producttype": "WinNT"})
    assert said == {
        "os": "windows",
        "distribution": "windows",
        "like": [],
        "version": "10.0.19045",
        "title": "Windows 10 Pro 22H2 (10.0.19045.4046)",
        "kernel": "10.0.19045.4046",
        "edition": "Professional",
        "build": 19045,
        "ubr": 4046,
        "release": "22H2",
        "role": "workstation",
    }


def test_windows_11_calls_itself_10() -> None:
    current = {**PROFESSIONAL, "currentbuildnumber": "22631", "displayversion": "23H2", "ubr": 1}
    said = facts.described((10, 0, 22631), current, {})
    assert said["title"] == "Windows 11 Pro 23H2 (10.0.22631.1)"


def test_a_registry_of_another_windows_is_not_believed() -> None:
    said = facts.described((10, 0, 18362), PROFESSIONAL, {"producttype": "LanmanNT"})
    assert (said["title"], said["ubr"], said["role"]) == ("Windows 10 (10.0.18362)", 0, "domain_controller")


@pytest.mark.parametrize(
    ("environment", "arch"),
    [
        ({"PROCESSOR_ARCHITECTURE": "AMD64"}, "x86_64"),
        ({"PROCESSOR_ARCHITECTURE": "x86", "PROCESSOR_ARCHITEW6432": "AMD64"}, "x86_64"),
        ({"PROCESSOR_ARCHITECTURE": "AMD64", "PROCESSOR_ARCHITEW6432": "ARM64"}, "aarch64"),
        ({"PROCESSOR_ARCHITECTURE": "x86"}, "x86"),
    ],
)
def test_the_processor_is_the_computers_own(environment: dict[str, str], arch: str) -> None:
    assert facts.processor_of(environment) == arch


def test_rows_of_a_table_of_sockets() -> None:
    v4 = struct.pack("<I", 2) + struct.pack("<I4s2s2xI2s2xI", 2, bytes(4), b"\x1f\x90", 0, bytes(2), 700)
    v4 += struct.pack("<I4s2s2xI2s2xI", 2, bytes((127, 0, 0, 1)), b"\x00\x50", 0, bytes(2), 4)
    assert [tuple(row) for row in sockets.rows_of("tcp", sockets.IPV4, v4)] == [
        ("tcp", "0.0.0.0", 8080, 700),
        ("tcp", "127.0.0.1", 80, 4),
    ]
    udp6 = struct.pack("<I", 1) + struct.pack("<16sI2s2xI", bytes(15) + b"\x01", 0, b"\x14\xe9", 12)
    assert [tuple(row) for row in sockets.rows_of("udp", sockets.IPV6, udp6)] == [("udp", "::1", 5353, 12)]
    tcp6 = struct.pack("<I", 1) + struct.pack("<16sI2s2x16sI2s2xII", bytes(16), 0, b"\x17\x61", bytes(16), 0, b"", 2, 9)
    assert [tuple(row) for row in sockets.rows_of("tcp", sockets.IPV6, tcp6)] == [("tcp", "::", 5985, 9)]


def entry(name: str, *, following: int, attributes: int = 0x20, tag: int = 0, changed: int = 0) -> bytes:
    """One FILE_ID_BOTH_DIR_INFO."""
    wide = name.encode("utf-16-le")
    times = (0, 0, disk.EPOCH_TICKS + 10_000_000, changed)
    row = disk.ENTRY.pack(following, 0, *times, 5, 0, attributes, len(wide), tag, 0, b"", 77)
    return (row + wide).ljust(following or 0, b"\0")


def test_entries_of_a_folder() -> None:
    moment = disk.EPOCH_TICKS + 20_000_000
    data = entry(".", following=112, attributes=0x10) + entry("laporan é.txt", following=144, changed=moment)
    data += entry("tautan", following=128, attributes=0x410, tag=0xA0000003)
    data += entry("awan", following=120, attributes=0x400020, changed=moment) + entry(
        "folder", following=0, attributes=0x12
    )
    rows = dict(disk.entries(data))
    assert rows["laporan é.txt"] == ["f", 0, 0, 0, 5, 10**9, 2 * 10**9, 77]
    assert [rows[name][0] for name in ("tautan", "awan", "folder")] == ["l", "p", "d"]
    assert rows["folder"][1] == disk.HIDDEN
    assert rows["folder"][6] == 0  # a file system without a time of change: never ours


def test_content_that_is_in_a_cloud_is_not_fetched() -> None:
    row = ["p", 0, 0, 0, 5, 10, 20, 77]
    reader = FileReader(state, {})
    reader._add(r"C:\Program Files\awan", list(row))
    assert reader.files[r"C:\Program Files\awan"][8] == ""
    assert snapshot.same_file([*row, ""], [*row[:6], 21, 78, ""])
    assert not snapshot.same_file([*row, ""], [*row[:5], 11, 21, 78, ""])


def service(command: str, start: int = 2, **more: Any) -> dict[str, Any]:
    return {"type": 16, "start": start, "imagepath": command, "objectname": "LocalSystem", **more}


def test_the_state_of_a_service_counts_where_it_is_to_run_all_the_time() -> None:
    own = r"%SystemRoot%\System32\svchost.exe -k netsvcs"
    rows = {
        "Arsip": service(r'"C:\Program Files\Arsip\arsip.exe" --layanan'),
        "Dulu": service(r"C:\Program Files\Dulu\dulu.exe", 3),
        "gupdate": service(r"C:\Program Files (x86)\Google\Update\GoogleUpdate.exe /svc", delayedautostart=1),
        "MapsBroker": service(own, delayedautostart=1),
        "Sql": service(r"C:\Program Files\Sql\sql.exe", delayedautostart=1),
        "sppsvc": service(r"%SystemRoot%\system32\sppsvc.exe"),
        "disk": service(r"System32\drivers\disk.sys", 0, type=1),
        "CDPUserSvc_4f2a1": service(own, type=0xD0),
        "MpKsl1f2e3d4c": service(r"\??\C:\ProgramData\Microsoft\Defender\MpKslDrv.sys", 3, type=1),
        "PasangAgent-run-1": service("x"),
        "Tcpip\\Performance": {"library": "x"},
    }
    found = kinds.services(rows, {"Arsip": "running", "Sql": "stopped"}, {"sppsvc"}, r"C:\Windows")
    assert {name: value.rpartition(" ")[0] for name, value in found.items()} == {
        "Arsip": "auto running",
        "Dulu": "demand",
        "gupdate": "auto late",
        "MapsBroker": "auto late",
        "Sql": "auto late stopped",
        "sppsvc": "auto",
        "disk": "driver boot",
    }
    again = kinds.services({**rows, "Arsip": service("other.exe")}, {"Arsip": "running"}, (), r"C:\Windows")
    assert again["Arsip"] != found["Arsip"]


@pytest.mark.parametrize(
    ("command", "program"),
    [
        (r'"C:\Program Files\A b\a.exe" -x "y"', r"C:\Program Files\A b\a.exe"),
        (r"C:\Program Files\A b\a.exe -x", r"C:\Program Files\A b\a.exe"),
        (r"%SystemRoot%\system32\svchost.exe -k x", r"C:\Windows\system32\svchost.exe"),
        (r"\SystemRoot\System32\drivers\x.sys", r"C:\Windows\System32\drivers\x.sys"),
        (r"system32\drivers\x.sys", r"C:\Windows\system32\drivers\x.sys"),
        ("plain", "plain"),
    ],
)
def test_the_program_of_a_service(command: str, program: str) -> None:
    assert kinds.program_of(command, r"C:\Windows") == program


def program(key: str, name: str, version: str = "1.0", view: str = "64", uninstall: str = "u") -> Program:
    return Program(key, view, name, version, "", "", uninstall, "", "")


def test_uninstall_entries_by_the_name_that_people_see() -> None:
    key = kinds.SOFTWARE + r"\Microsoft\Windows\CurrentVersion\Uninstall"
    every = [
        program(key + r"\{A}", "Arsip"),
        program(key + r"\{B}", "", "2"),
        program(key + r"\Microsoft Edge", "Microsoft Edge"),
        program(r"HKU\S-1-5-21-1\Software\Microsoft\Windows\CurrentVersion\Uninstall\Peta", "Peta", view="user"),
    ]
    assert {name: value.split()[0] for name, value in kinds.programs(every).items()} == {
        "Arsip [64: {A}]": "1.0",
        "{B} [64: {B}]": "2",
        "Peta [user: S-1-5-21-1 Peta]": "1.0",
    }
    assert kinds.programs([program("k\\a", "a")]) != kinds.programs([program("k\\a", "a", uninstall="v")])


def test_rules_of_the_firewall(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = {
        "{1}": "v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=8110|Name=Arsip|",
        "RemoteDesktop-In-TCP": "v2.31|Action=Allow|Name=@FirewallAPI.dll,-28775|",
        "{2}": "v2.31|Action=Allow|Name=Toko|LUOwn=S-1-5-21-1|AppPkgId=S-1-15-2|",
    }
    found = {name: Value("string", rule, b"") for name, rule in rules.items()}
    monkeypatch.setattr(kinds, "quietly", lambda key: found if key == kinds.RULES else {})
    assert sorted(kinds.firewall()) == ["Arsip [{1}]", "RemoteDesktop-In-TCP"]


def test_what_changes_by_itself_is_left_out() -> None:
    for path in (
        r"C:\pagefile.sys",
        r"C:\PROGRAM FILES\WindowsApps",
        r"C:\Program Files (x86)\Microsoft\EdgeUpdate",
        r"C:\ProgramData\USOShared",
    ):
        assert PLACES.is_noise(path), path
    for path in (r"C:\ProgramData\Package Cache", r"C:\Program Files\Microsoft", r"C:\ProgramData\ssh"):
        assert not PLACES.is_noise(path), path


def test_data_is_listed_two_folders_deep() -> None:
    below = [r"C:\ProgramData\Arsip", r"C:\ProgramData\Microsoft", r"C:\ProgramData\USOShared"]
    assert list(PLACES.listed(iter(below))) == [
        "C:\\", r"C:\Users", r"C:\Users\Public", r"C:\ProgramData", r"C:\ProgramData\Arsip",
    ]  # fmt: skip


def test_sockets_of_windows_own_coming_and_going() -> None:
    passing = [("tcp", 49664), ("udp", 60000), ("udp", 5353), ("tcp", 139), ("tcp", 7680)]
    assert not any(state.is_lasting(*socket) for socket in passing)
    assert all(state.is_lasting(*socket) for socket in [("tcp", 445), ("tcp", 5353), ("udp", 514)])


def of_windows(**kinds_: Any) -> dict[str, Any]:
    return {"os": "windows", **kinds_}


def test_kinds_of_windows_in_a_difference() -> None:
    people = ["S-1-5-21-1"]
    before = of_windows(
        services={"A": "auto starting 1", "B": "auto running 1"},
        autostarts={r"HKLM\Software\M\RunOnce\x": "1", r"HKU\S-1-5-21-1\Software\M\Run\y": "1"},
        people=people,
    )
    after = of_windows(
        services={"A": "auto running 1", "B": "auto stopped 1"},
        autostarts={r"HKU\S-1-5-21-2\Software\M\Run\z": "1", r"HKU\S-1-5-21-1\Software\M\Run\y": "2"},
        people=[*people, "S-1-5-21-2"],
        firewall={"Arsip [{1}]": "1"},
        keys={r"HKLM\Software\Arsip": ""},
        variables={"Path": "1"},
    )
    assert [(row["kind"], row["name"], row["change"]) for row in difference(before, after)] == [
        ("service", "B", "changed"),
        ("autostart", r"HKU\S-1-5-21-1\Software\M\Run\y", "changed"),
        ("firewall_rule", "Arsip [{1}]", "added"),
        ("variable", "Path", "added"),
        ("key", r"HKLM\Software\Arsip", "added"),
    ]


def test_only_the_topmost_of_what_is_new() -> None:
    names = sorted([r"C:\P\A", r"C:\P\A\b", r"C:\P\A\b\c", r"C:\P\Ab", r"C:\Q"])
    import ntpath

    assert list(leftovers.topmost(names, ntpath.dirname)) == [r"C:\P\A", r"C:\P\Ab", r"C:\Q"]


def test_who_still_names_a_folder() -> None:
    texts = [r'"c:\program files\arsip\arsip.exe" -x', r"msiexec /x{1}", r"c:\program files\arsip2"]
    assert leftovers.is_named(r"C:\Program Files\Arsip", texts)
    assert not leftovers.is_named(r"C:\Program Files\Ars", texts)
    assert leftovers.is_named(r"C:\Program Files\Arsip2", texts)
    assert not leftovers.is_named(r"C:\Program Files\Peta", texts)


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        (["f", 0, 0, 0, 1, 0, 15 * 10**9, 1], True),
        (["f", 0, 0, 0, 1, 0, 25 * 10**9, 1], False),
        (["d", 0, 0, 0, 1, 0, 25 * 10**9, 1], True),  # emptied by the removal
        (["f", 0, 0, 0, 1, 0, 0, 1], False),  # no time of change
    ],
)
def test_what_came_with_an_effect(row: list[Any], holds: bool) -> None:
    assert leftovers.came_with(row, [(10.0, 20.0)], [(24.0, 26.0)]) is holds


def test_names_of_programs_without_case_or_ending() -> None:
    process = processes.Process(1, 0, "Arsip.EXE", [r"C:\x\arsip-lama.exe"], "5")
    assert "arsip" in process.names
    assert "ARSIP.exe" in process.names
    assert "ars" not in process.names


def test_registry_keys_are_watched_and_are_no_files() -> None:
    assert state.is_key(r"HKLM\Software\Arsip")
    assert state.is_key(r"hkey_local_machine\Software\Arsip")
    assert not state.is_key(r"C:\HKLM")
