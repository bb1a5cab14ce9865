"""Step 4 on Windows: values of the registry in, verdicts out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from agent import requirements
from agent.host import processes
from agent.redact import NOTHING
from agent.requirements import room
from agent.windows import needs, pending, runtimes, volumes

FACTS = {
    "os": "windows",
    "arch": "x86_64",
    "edition": "Professional",
    "build": 19045,
    "ubr": 4046,
    "role": "workstation",
    "domain": "kantor.example",
}
MB = 10**6


class Host:
    os = "windows"
    root = r"C:\ProgramData\Pasang"
    secrets = NOTHING
    is_administrator = False
    payloads: ClassVar[dict[str, Any]] = {}

    def blob(self, digest: str) -> str:
        return "/nowhere/" + digest


def rows(wanted: dict[str, Any], **facts: Any) -> list[dict[str, Any]]:
    return list(requirements.check({}, {"requirements": wanted}, Host(), {**FACTS, **facts}))  # type: ignore[arg-type]


def verdict(wanted: dict[str, Any], **facts: Any) -> str:
    (row,) = rows(wanted, **facts)
    assert set(row) == {"kind", "title", "needed", "found", "verdict", "reason"}
    assert (row["reason"] is None) == (row["verdict"] == "met")
    assert row["reason"] is None or row["reason"].keys() == {"id", "en"}
    return str(row["verdict"])


@pytest.mark.parametrize(
    ("wanted", "facts", "said"),
    [
        ({"edition": ["Professional", "Enterprise"]}, {}, "met"),
        ({"edition": ["professional"]}, {}, "met"),
        ({"edition": ["Server*"]}, {"edition": "ServerStandard"}, "met"),
        ({"edition": ["Enterprise"]}, {}, "not_met"),
        ({"edition": ["Enterprise"]}, {"edition": ""}, "unknown"),
        ({"build": ">=19045"}, {}, "met"),
        ({"build": "19045"}, {}, "met"),
        ({"build": ">=19045.5000"}, {}, "not_met"),
        ({"build": "<19045"}, {}, "not_met"),
        ({"build": ">=19045"}, {"build": None, "ubr": None}, "unknown"),
        ({"role": "workstation"}, {}, "met"),
        ({"role": "server"}, {}, "not_met"),
        ({"role": "server"}, {"role": "domain_controller"}, "met"),
        ({"role": "server"}, {"role": ""}, "unknown"),
        ({"domain": "any"}, {}, "met"),
        ({"domain": "any"}, {"domain": ""}, "not_met"),
        ({"domain": "KANTOR"}, {}, "met"),
        ({"domain": "kantor.example."}, {}, "met"),
        ({"domain": "cabang.example"}, {}, "not_met"),
        ({"administrator": True}, {}, "not_met"),
        ({"inodes": {"path": "C:\\", "at_least": 10}}, {}, "met"),
    ],
)
def test_answers_of_windows(wanted: dict[str, Any], facts: dict[str, Any], said: str) -> None:
    assert verdict(wanted, **facts) == said


@pytest.mark.parametrize(
    ("made_for", "facts", "fits"),
    [
        ("x86_64", {}, True),
        ("x86", {}, True),
        ("aarch64", {}, False),
        ("x86_64", {"arch": "x86"}, False),
        ("x86_64", {"arch": "aarch64"}, False),
        ("x86_64", {"arch": "aarch64", "build": 22621}, True),
        ("0x1f0", {}, True),
    ],
)
def test_an_installer_for_another_processor_is_not_begun(made_for: str, facts: dict[str, Any], fits: bool) -> None:
    class Equipped(Host):
        is_administrator = True
        payloads: ClassVar[dict[str, Any]] = {"isi": {"file": "arsip.msi", "meta": {"architecture": made_for}}}

    variant = {"install": [{"kind": "msi", "payload": "isi"}]}
    found = list(requirements.check({}, variant, Equipped(), {**FACTS, **facts}))  # type: ignore[arg-type]
    said = [(row["kind"], row["verdict"]) for row in found if row["kind"] != "administrator"]
    assert said == ([] if fits else [("processor", "not_met")])


def test_what_only_windows_can_answer_is_unknown_elsewhere() -> None:
    class Linux(Host):
        os = "linux"

    (row,) = requirements.check({}, {"requirements": {"build": ">=1"}}, Linux(), {"os": "linux"})  # type: ignore[arg-type]
    assert row["verdict"] == "unknown"


def test_volumes_add_up_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"c:\\": 150 * MB, "d:\\": 10**12}
    monkeypatch.setattr(room, "nearest", lambda path: path)
    monkeypatch.setattr(volumes, "device_of", device_of)
    monkeypatch.setattr(volumes, "status_of", lambda folder: (10**13, free[device_of(folder)], False))
    answers = rows(
        {
            "disk_free": [
                {"path": "C:\\", "at_least_bytes": 100 * MB},
                {"path": "D:\\data", "at_least_bytes": MB},
                {"path": "E:\\", "at_least_bytes": MB},
                {
                    "path": "C:\\",
                    "at_least_bytes": 0,
                    "digest": "x",
                    "payload_bytes": 40 * MB,
                    "unpacked_bytes": 20 * MB,
                },
            ]
        }
    )
    assert [(row["verdict"], row["title"]["en"]) for row in answers] == [
        ("not_met", "Free space on E:\\"),
        ("not_met", "Free space on C:\\, C:\\ProgramData\\Pasang"),
        ("met", "Free space on D:\\data"),
    ]
    assert "there is no E:\\" in answers[0]["reason"]["en"]
    assert "installers 40 MB" in answers[1]["reason"]["en"]


def device_of(folder: str) -> str:
    drive = folder[:3].lower()
    if drive not in ("c:\\", "d:\\"):
        raise FileNotFoundError(2, "no such drive", folder)
    return drive


def test_programs_on_the_path(tmp_path: Path) -> None:
    for name in ("arsip.exe", "buka.cmd", "data.txt"):
        (tmp_path / name).write_text("")
    folders, endings = ["", str(tmp_path)], [".COM", ".EXE", ".CMD", ""]
    assert needs.where_is("arsip", folders, endings) == str(tmp_path / "arsip.exe")
    assert needs.where_is("arsip.exe", folders, endings) == str(tmp_path / "arsip.exe")
    assert needs.where_is("buka", folders, endings) == str(tmp_path / "buka.cmd")
    assert needs.where_is("data", folders, endings) is None
    assert needs.where_is("data.txt", folders, endings) is None  # no program


SESSIONS = pending.SESSIONS


@pytest.mark.parametrize(
    ("keys", "values", "said"),
    [
        ([], {}, []),
        ([pending.CBS + r"\RebootPending"], {}, ["CBS RebootPending"]),
        ([pending.UPDATE], {}, ["Windows Update RebootRequired"]),
        (
            [],
            {(SESSIONS, "PendingFileRenameOperations"): [r"\??\C:\new.dll", r"!\??\C:\Program Files\a.dll"]},
            [r"PendingFileRenameOperations (1: C:\Program Files\a.dll)"],
        ),
        (
            [],
            {(SESSIONS, "PendingFileRenameOperations"): [r"\??\C:\Users\siti\AppData\Local\Temp\x.tmp", ""]},
            [],
        ),
        (
            [],
            {(SESSIONS, "PendingFileRenameOperations"): [r"\??\C:\Config.Msi\3.rbf", ""]},
            [r"PendingFileRenameOperations (1: C:\Config.Msi\3.rbf)"],
        ),
        (
            [],
            {(SESSIONS, "PendingFileRenameOperations2"): [rf"\??\C:\{n}" for n in "abcdefgh"]},
            [r"PendingFileRenameOperations (4: C:\b, C:\d, C:\f …)"],
        ),
        ([], {(pending.NETLOGON, "JoinDomain"): 1}, ["Netlogon JoinDomain"]),
        ([], {(pending.SERVER_MANAGER, "CurrentRebootAttempts"): 1}, ["ServerManager CurrentRebootAttempts"]),
        ([], {(pending.SERVER_MANAGER, "CurrentRebootAttempts"): 0}, []),
        ([], {(pending.VOLATILE, "UpdateExeVolatile"): 1}, ["UpdateExeVolatile"]),
        (
            [],
            {
                (pending.NAMES + r"\ActiveComputerName", "ComputerName"): "PC1",
                (pending.NAMES + r"\ComputerName", "ComputerName"): "LOKET",
            },
            ["ComputerName PC1 → LOKET"],
        ),
        (
            [pending.CBS + r"\RebootInProgress", pending.UPDATE],
            {},
            ["CBS RebootInProgress", "Windows Update RebootRequired"],
        ),
    ],
)
def test_a_pending_reboot_by_its_source(keys: list[str], values: dict[Any, Any], said: list[str]) -> None:
    assert list(pending.sources(lambda key, name: values.get((key, name)), keys.__contains__)) == said


def test_a_pending_reboot_on_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending, "reboot", lambda: "CBS RebootPending")
    (row,) = rows({"no_pending_reboot": True})
    assert (row["verdict"], row["found"]) == ("not_met", "CBS RebootPending")

    def closed() -> str:
        raise PermissionError("not for us")

    monkeypatch.setattr(pending, "reboot", closed)
    assert verdict({"no_pending_reboot": True}) == "unknown"


@pytest.mark.parametrize(("busy", "said"), [(True, "not_met"), (False, "met"), (PermissionError("x"), "unknown")])
def test_another_installer_at_work(monkeypatch: pytest.MonkeyPatch, busy: Any, said: str) -> None:
    def answer() -> bool:
        if isinstance(busy, Exception):
            raise busy
        return bool(busy)

    monkeypatch.setattr(pending, "is_installer_at_work", answer)
    assert verdict({"package_manager_free": True}) == said


@pytest.mark.parametrize(
    ("release", "version"),
    [(378388, None), (378389, "4.5"), (394271, "4.6.1"), (528040, "4.8"), (528449, "4.8"), (533325, "4.8.1")],
)
def test_release_numbers_of_the_framework(release: int, version: str | None) -> None:
    assert runtimes.framework_of(release) == version


def test_runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "framework_versions", lambda: ["4.8", "3.5"])
    assert verdict({"dotnet_framework": ">=4.7.2"}) == "met"
    assert verdict({"dotnet_framework": "3.5"}) == "met"
    assert verdict({"dotnet_framework": ">=4.8.1"}) == "not_met"
    there = {("desktop", "x86_64"): ["8.0.4", "6.0.1"], ("runtime", "x86"): ["9.0.0-rc.1"]}
    monkeypatch.setattr(runtimes, "dotnet_versions", lambda name, arch: there.get((name, arch), []))
    assert verdict({"dotnet": {"name": "desktop", "version": ">=8,<9"}}) == "met"
    assert verdict({"dotnet": {"version": ">=8"}}) == "not_met"
    assert verdict({"dotnet": {"name": "runtime", "version": ">=9", "arch": "i686"}}) == "not_met"
    monkeypatch.setattr(runtimes, "visual_c_version", lambda arch: {"x86": "14.38.33135.00"}.get(arch))
    found = rows({"vc_runtime": [{"version": ">=14.38", "arch": "i686"}, {"version": ">=14.30"}]})
    assert [row["verdict"] for row in found] == ["met", "not_met"]


def test_folders_of_dotnet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from agent.windows.registry import Value

    shared = tmp_path / "shared" / "Microsoft.WindowsDesktop.App"
    for name in ("8.0.4", "6.0.1", "sisa"):
        (shared / name).mkdir(parents=True)
    monkeypatch.setattr(runtimes.registry, "read", lambda key, name, view: Value("string", str(tmp_path), b""))
    assert runtimes.dotnet_versions("desktop", "x86_64") == ["8.0.4", "6.0.1"]
    assert runtimes.dotnet_versions("aspnet", "x86_64") == []


def test_names_of_processes_are_those_of_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.windows.processes import Process

    every = [Process(5, 1, "Notepad.exe", [], "1")]
    monkeypatch.setattr(processes, "processes", lambda: iter(every))
    assert verdict({"no_processes": ["notepad"]}) == "not_met"
    assert verdict({"processes": ["NOTEPAD.EXE"]}) == "met"
