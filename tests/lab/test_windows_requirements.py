"""Step 4 on a Windows computer, held against what is written into its registry and onto its drive from outside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.fixtures import Boot
from tests.lab.lab import Lab
from tests.lab.windows.carry import ask, carry, meanwhile
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.python import ensure_python
from tests.lab.windows.reg import add, delete

CURRENT = r"Microsoft\Windows\CurrentVersion"
SESSIONS = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager"


@pytest.fixture(scope="module")
def pc(boot_module: Boot) -> WindowsHost:
    """One computer for all tests of this file, with the agent within reach of its Python."""
    ensure_python()
    (host,) = boot_module("windows")
    assert isinstance(host, WindowsHost)
    carry(host)
    return host


@pytest.fixture(autouse=True)
def _inside(lab: Lab) -> Iterator[None]:
    with lab.inside():
        yield


ASKS = r"""
from agent import requirements
from agent.host import this_host
host = this_host(r"C:\ProgramData\Pasang")
rows = requirements.check({}, {"requirements": words}, host, host.facts())
print(json.dumps([[row["kind"], row["verdict"], row["found"], (row["reason"] or {}).get("en")] for row in rows]))
"""
HOLDS_THE_MUTEX = r"""
import ctypes
ctypes.WinDLL("kernel32").CreateMutexW(None, True, "Global\\_MSIExecute")
ready()
"""


def verdict(pc: WindowsHost, **wanted: Any) -> list[Any]:
    (row,) = ask(pc, ASKS, wanted)
    return list(row[1:])


def test_requirements(pc: WindowsHost) -> None:
    small, huge = {"at_least_bytes": 10**6}, {"at_least_bytes": 10**18}
    rows = ask(
        pc,
        ASKS,
        {
            "disk_free": [
                {"path": "C:\\", **small},
                {"path": r"c:\Program Files\Baru", **small},
                {"path": "X:\\", **small},
            ],
            "ram_available": small,
            "cpu_count": {"at_least": 1},
            "ports_free": [8110, 5985],
            "commands": ["curl", "tar.exe", "tidak-ada"],
            "processes": ["services"],
            "no_processes": ["arsip"],
            "no_pending_reboot": True,
            "package_manager_free": True,
            "administrator": True,
            "build": ">=10240",
            "role": "workstation",
            "edition": ["Professional"],
            "domain": "any",
            "dotnet_framework": ">=4.8",
            "dotnet": [{"name": "desktop", "version": ">=8"}],
            "vc_runtime": [{"version": ">=14.38"}],
        },
    )
    assert [(row[0], row[1]) for row in rows] == [
        ("disk_free", "not_met"),  # X:
        ("disk_free", "met"),  # C:, once
        ("ram_available", "met"),
        ("cpu_count", "met"),
        ("ports_free", "met"),
        ("ports_free", "not_met"),
        ("commands", "met"),
        ("commands", "met"),
        ("commands", "not_met"),
        ("processes", "met"),
        ("no_processes", "met"),
        ("no_pending_reboot", "met"),
        ("package_manager_free", "met"),
        ("administrator", "met"),
        ("build", "met"),
        ("role", "met"),
        ("edition", "unknown"),  # Wine has none
        ("domain", "not_met"),
        ("dotnet_framework", "not_met"),
        ("dotnet", "not_met"),
        ("vc_runtime", "not_met"),
    ]
    assert verdict(pc, disk_free=[{"path": "C:\\", **huge}])[0] == "not_met"


def test_what_waits_for_a_reboot_is_named_with_its_source(pc: WindowsHost) -> None:
    rename = r"\??\C:\baru.dll\0!\??\C:\Program Files\lama.dll"
    add(pc, SESSIONS, "PendingFileRenameOperations", rename, kind="REG_MULTI_SZ")
    said = verdict(pc, no_pending_reboot=True)
    assert said[:2] == ["not_met", r"PendingFileRenameOperations (1: C:\Program Files\lama.dll)"]
    delete(pc, SESSIONS, "PendingFileRenameOperations")
    key = rf"HKLM\Software\{CURRENT}\Component Based Servicing\RebootPending"
    add(pc, key)
    assert verdict(pc, no_pending_reboot=True)[:2] == ["not_met", "CBS RebootPending"]
    delete(pc, key)
    assert verdict(pc, no_pending_reboot=True)[0] == "met"


def test_another_installation_at_work(pc: WindowsHost) -> None:
    """A fake: Wine's msiexec takes no mutex. A program of ours holds the one that Windows Installer holds."""
    with meanwhile(pc, HOLDS_THE_MUTEX):
        assert verdict(pc, package_manager_free=True)[0] == "not_met"
    assert verdict(pc, package_manager_free=True)[0] == "met"


def test_runtimes_by_the_registry(pc: WindowsHost) -> None:
    framework = r"HKLM\Software\Microsoft\NET Framework Setup\NDP\v4\Full"
    add(pc, framework, "Release", "528449", kind="REG_DWORD")
    assert verdict(pc, dotnet_framework=">=4.8") == ["met", "4.8", None]
    assert verdict(pc, dotnet_framework=">=4.8.1")[0] == "not_met"
    runtime = r"HKLM\Software\Wow6432Node\Microsoft\VisualStudio\14.0\VC\Runtimes\x64"
    add(pc, runtime, "Installed", "1", kind="REG_DWORD")
    add(pc, runtime, "Version", "v14.38.33135.00")
    assert verdict(pc, vc_runtime=[{"version": ">=14.38"}]) == ["met", "14.38.33135.00", None]
    (pc.drive / "Program Files/dotnet/shared/Microsoft.WindowsDesktop.App/8.0.4").mkdir(parents=True)
    assert verdict(pc, dotnet=[{"name": "desktop", "version": ">=8,<9"}]) == ["met", "8.0.4", None]
