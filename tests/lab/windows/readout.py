"""A Windows computer as somebody beside it sees it: its drive, its registry, its ports; past WinRM and the agent."""

from __future__ import annotations

import re
from typing import Any

from tests.lab.readout import tree
from tests.lab.windows.computers import WindowsHost

KEYS = (r"HKLM\Software", r"HKLM\System\CurrentControlSet\Services", r"HKCU\Software", r"HKCU\Environment")
EMPTY_KEYS = re.compile(
    r"\\Installer(\\(UserData|UpgradeCodes|Features|Products|Folders|InProgress|Rollback)\b[^|]*)?$"
    r"|\\Uninstall$|\\CurrentVersion\\Explorer|\\Wine\\|\\Wine$|\\SessionInfo|\\MountPoints|\\RecentDocs"
)
"""Keys that Wine's own programs make when they first run, and leave empty; with values they count."""
FOLDERS = tuple(
    f"/drive_c/{name}" for name in ("Program Files", "Program Files (x86)", "ProgramData", "windows", "users")
)
NOISE = re.compile(r"^/drive_c/windows/Installer$|/Temp(/|$)|/windows/temp", re.IGNORECASE)
"""What Wine's own programs leave on the drive."""
CACHED = re.compile(r"^/drive_c/windows/Installer/[0-9a-f]+[.]msi$", re.IGNORECASE)
"""Windows Installer's copies of what it installed, under names of chance."""
VARYING = ("LocalPackage", "InstallDate")
"""Values: where those copies are, and the day."""
OURS = re.compile(r"^/drive_c/Program(Data| Files)/Pasang")
"""What the agent keeps there."""


def state(host: WindowsHost, *, ours: re.Pattern[str] = OURS) -> dict[str, Any]:
    """Values by key, files by path, and the ports that are open, less Wine's own doings and what is ``ours``."""
    found: dict[str, Any] = {f"port {port}": True for port in host.ports()}
    for root in KEYS:
        for key, values in host.registry(root).items():
            if values or not EMPTY_KEYS.search(key):
                found[key] = {name: value for name, value in values.items() if name not in VARYING}
    for path, row in tree(host, FOLDERS).items():
        if CACHED.search(path):
            found[f"cached {row}"] = True  # it has another name each time
        elif not NOISE.search(path) and not ours.search(path):
            found[path] = row
    return found


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What is not as before: by name what it was and what it is."""
    names = sorted(before.keys() | after.keys())
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}
