"""A Windows computer of the lab with the agent carried onto it, judged from outside: by its drive and its registry."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

from controller.depot import inspect
from tests.contract import driver
from tests.contract.computers import REPOSITORY
from tests.lab.readout import tree
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.python import ensure_python

ROOT = r"C:\ProgramData\Pasang uji (Kantor Désa)"
KEYS = (
    r"HKLM\Software",
    r"HKLM\System\CurrentControlSet\Services",
    r"HKCU\Software",
    r"HKCU\Environment",
)
USUAL_KEYS = (
    r"HKLM\Software\Arsip",
    r"HKLM\Software\Aneh",
    r"HKLM\Software\Kantor Désa",
    r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall",
    r"HKLM\Software\Microsoft\Windows\CurrentVersion\Installer",
    r"HKLM\Software\Classes\Installer",
    r"HKLM\System\CurrentControlSet\Services",
)
USUAL_FOLDERS = ("/drive_c/Program Files", "/drive_c/ProgramData", "/drive_c/windows/Installer")
NOISE = re.compile(
    r"\\Installer(\\(UserData|UpgradeCodes|Features|Products|Folders|InProgress|Rollback)\b[^|]*)?$"
    r"|\\Uninstall$|\\CurrentVersion\\Explorer|\\SessionInfo|\\MountPoints|\\RecentDocs"
)
"""Keys that Wine's own programs make when they first run, and leave empty; with values they count."""
WINE = re.compile(r"\\Wine(\\|$)|\\CurrentVersion\\Fonts$")
"""Wine's own settings, and the fonts of this machine that it finds when it boots."""
FOLDERS = tuple(
    f"/drive_c/{name}" for name in ("Program Files", "Program Files (x86)", "ProgramData", "windows", "users")
)
DRIVE_NOISE = re.compile(r"^/drive_c/windows/Installer$|/Temp(/|$)|Pasang uji|/windows/temp", re.IGNORECASE)


class WindowsComputer:
    """As ``LabComputer`` is of Linux."""

    def __init__(self, host: WindowsHost) -> None:
        self.host = host
        self.payloads: dict[str, dict[str, Any]] = {}
        self.keeps = 0
        source = host.drive / "src"
        shutil.copytree(REPOSITORY / "agent", source / "agent", ignore=shutil.ignore_patterns("__pycache__"))
        (source / "tests/contract").mkdir(parents=True)
        shutil.copyfile(driver.__file__, source / "tests/contract/driver.py")
        with zipfile.ZipFile(ensure_python()) as archive:
            archive.extractall(host.drive / "py")
        self.path("blobs").mkdir(parents=True)

    def path(self, name: str) -> Path:
        """A path in the agent's folder, from outside."""
        return self.host.drive / ROOT.partition("\\")[2].replace("\\", "/") / name

    def add(self, name: str, path: Path, file: str | None = None) -> None:
        """Put an installer among the blobs, with what the depot reads out of it."""
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        (self.path("blobs") / digest).write_bytes(content)
        found = inspect(path)
        row = {"digest": digest, "size_bytes": len(content), "file": file or path.name}
        self.payloads[name] = {**row, "format": found.format, "meta": dict(found.meta)}

    def do(self, verb: str, kind: str, given: dict[str, Any], **more: Any) -> dict[str, Any]:
        """One verb, in a Python of its own on the computer."""
        done = self.host.run(self.argv(verb, kind, given, **more), check=False, timeout_s=180)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        assert lines, (done.returncode, done.stdout[-1000:], done.stderr[-3000:])
        answer: dict[str, Any] = json.loads(lines[-1])
        return answer

    def argv(self, verb: str, kind: str, given: dict[str, Any], **more: Any) -> list[str]:
        job = {"verb": verb, "kind": kind, "given": given, "root": ROOT, "payloads": self.payloads, **more}
        return [r"C:\py\python.exe", "-X", "utf8", r"C:\src\tests\contract\driver.py", json.dumps(job)]

    def round_trips(self, kind: str, specs: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """Actions there and back, each twice, in one process: by action the answers of ``driver.ROUND``."""
        done = self.host.run(self.argv("round trips", kind, {"specs": specs}, keep=self.keep_folder()), timeout_s=180)
        answer: list[list[dict[str, Any]]] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def ask(self, **spec: Any) -> dict[str, Any]:
        """One question of a probe."""
        return self.do("ask", spec["kind"], spec)

    def keep_folder(self) -> str:
        self.keeps += 1
        return f"{ROOT}\\keep\\{self.keeps}"

    def state(self, *, whole: bool = True) -> dict[str, Any]:
        """Its drive and its registry, less what Wine itself does; values by key, files by path.

        Args:
            whole: all that the two may hold; else where installers usually write, which is read in a tenth of the time.
        """
        found: dict[str, Any] = {}
        for root in KEYS if whole else USUAL_KEYS:
            for key, values in self.host.registry(root).items():
                if not WINE.search(key) and (values or not NOISE.search(key)):
                    found[key] = dict(values)
        files = {
            path: entry
            for path, entry in tree(self.host, FOLDERS if whole else USUAL_FOLDERS).items()
            if not DRIVE_NOISE.search(path)
        }
        return {**found, **files}


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What is not as before: by name what it was and what it is."""
    names = before.keys() | after.keys()
    found = {name: (before.get(name), after.get(name)) for name in sorted(names) if before.get(name) != after.get(name)}
    for name, (was, now) in found.items():
        if isinstance(was, dict) and isinstance(now, dict):  # of a key the values that differ
            found[name] = tuple({k: v for k, v in each.items() if was.get(k) != now.get(k)} for each in (was, now))
    return found
