"""Playbooks of Arsip, the invented program for Windows, and how an office reaches its Windows computers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.lab.bases import PASSWORD
from tests.lab.hosts import Host
from tests.lab.invented import PORT
from tests.lab.office import Office
from tests.lab.playbooks import write_playbook
from tests.lab.windows import software
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.python import ensure_psutil, ensure_python

FOLDER = r"C:\Program Files\Arsip"
KEY = r"HKLM\Software\Arsip"
UNIT = "{{ unit | default('IIDC') }}"
MSI = {"msi": {"payload": "software", "properties": {"ALLUSERS": "1"}, "reboot": "never"}}
DEBIAN = {
    "when": {"os": "linux", "distribution": "debian"},
    "install": [{"deb": {"payloads": ["deb"]}}],
    "run": [{"service": {"name": "loket", "state": "running", "enabled": True}}],
    "test": [{"http": {"url": f"http://127.0.0.1:{PORT}/", "status": 200, "within": "10s"}}],
}


def setup_of(version: str, **more: Any) -> dict[str, Any]:
    """The set-up as an action."""
    found = {"program": "Arsip", "version": version}
    return {"exe": {"payload": "software", "maker": "nsis", "silent": ["/S"], "detect": found, **more}}


def playbook(
    folder: Path, installer: Path, install: Mapping[str, Any], *, version: str = "1.0.0", deb: Path | None = None
) -> Path:
    """Arsip: installed, its service up for two seconds and more, tested, configured, verified."""
    variant = {
        "when": {"os": "windows", "version": ">=10", "arch": "x86_64"},
        "requirements": {"administrator": True, "disk_free": {"path": "C:\\", "at_least": "20 MB"}},
        "install": [install],
        "run": [{"service": {"name": "Arsip", "state": "running", "enabled": True, "stable_for": "3s"}}],
        "test": [
            {"program": {"name": "Arsip", "version": version}},
            {"file": {"path": rf"{FOLDER}\arsip.txt", "contains": f"arsip {version}"}},
            {"registry": {"key": KEY, "value": "Mode", "equals": "kantor"}},
            {"port": {"port": software.PORT, "within": "10s"}},
        ],
        "configure": {
            "decision": "always",
            "actions": [{"registry": {"key": KEY, "value": "Unit", "type": "string", "data": UNIT}}],
        },
        "verify": [{"registry": {"key": KEY, "value": "Unit", "equals": UNIT}}],
    }
    payloads = {"software": installer, **({"deb": deb} if deb else {})}
    variants = [variant, *([DEBIAN] if deb else [])]
    return write_playbook(folder, name="arsip", version=version, payloads=payloads, variants=variants)


def equip(office: Office) -> Office:
    """Give an office a Python for Windows computers."""
    done = office.pasang("runtime", "add", ensure_python(), ensure_psutil())
    assert done.code == 0, done.err
    return office


def way(office: Office, *hosts: Host) -> Path:
    """An inventory of computers of both kinds."""
    office.trust()
    rows = {host.name: {"ansible_password": PASSWORD} for host in hosts if isinstance(host, WindowsHost)}
    return office.inventory(hosts, rows=rows)
