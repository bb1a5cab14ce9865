"""Computers on which the contract of the actions is tried: this one, and those of the lab."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.contract import driver
from tests.lab.hosts import Host

REPOSITORY = Path(__file__).resolve().parents[2]
CARRIED = "usr/lib/pasang-uji"
ASK = """
dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev} ${Architecture}\n'; echo =====
systemctl list-unit-files --type=service --no-legend --no-pager; echo =====
systemctl list-units --type=service --all --plain --no-legend --no-pager; echo =====
dpkg --audit || true
"""
DPKG_OWN = tuple(
    f"/var/lib/{name}"
    for name in ("dpkg/status", "dpkg/triggers", "dpkg/lock", "apt/extended_states", "apt/periodic", "dpkg/available")
)
"""Files in which dpkg and apt write whatever happens."""


def tree(root: Path, *, without: tuple[str, ...] = ()) -> dict[str, tuple[Any, ...]]:
    """Everything below a folder as a person would compare it: kind, mode, owner, content, and of files the time."""
    found: dict[str, tuple[Any, ...]] = {}
    for folder, folders, names in os.walk(root):
        for name in [*folders, *names]:
            path = Path(folder, name)
            key = str(path.relative_to(root))
            if key.startswith(without) and without:
                continue
            status = path.lstat()
            row: tuple[Any, ...] = (
                stat.S_IFMT(status.st_mode),
                stat.S_IMODE(status.st_mode),
                status.st_uid,
                status.st_gid,
            )
            if path.is_symlink():
                row += (str(path.readlink()),)
            elif stat.S_ISREG(status.st_mode):
                attributes = {key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path)}
                row += (hashlib.sha256(path.read_bytes()).hexdigest(), str(attributes), status.st_mtime_ns)
            found[key] = row
    return found


class ThisComputer:
    """The agent's own folder under a test's folder; nothing else of this machine is touched."""

    def __init__(self, folder: Path) -> None:
        self.agent_root = folder / "agent"
        self.payloads: dict[str, dict[str, Any]] = {}
        self.keeps = 0
        (self.agent_root / "blobs").mkdir(parents=True)

    def add_payload(self, name: str, path: Path, **fields: Any) -> None:
        """Put a file among the blobs and name it in the plan."""
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        shutil.copyfile(path, self.agent_root / "blobs" / digest)
        row = {"digest": digest, "size_bytes": path.stat().st_size, "file": path.name, "format": "other", "meta": {}}
        self.payloads[name] = {**row, **fields}

    def do(self, verb: str, kind: str, given: dict[str, Any], **more: Any) -> dict[str, Any]:
        """One verb; entries go through JSON, as the journal does it."""
        return json.loads(json.dumps(driver.perform(self.job(verb, kind, given, **more))))

    def job(self, verb: str, kind: str, given: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "verb": verb,
            "kind": kind,
            "given": given,
            "root": str(self.agent_root),
            "payloads": self.payloads,
            **more,
        }

    def keep_folder(self) -> str:
        """A new folder for an effect's copies, as the run has them."""
        self.keeps += 1
        return str(self.agent_root / "keep" / str(self.keeps))

    def do_and_die(self, verb: str, kind: str, given: dict[str, Any], at: int, **more: Any) -> bool:
        """One verb in a process of its own that ends at its ``at``-th change; whether it did end there."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                driver.die_at(at)
                driver.perform(self.job(verb, kind, given, **more))
                code = 0
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, driver.DIED)
        return code == driver.DIED


class LabComputer:
    """A computer of the lab, with the agent carried onto it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.agent_root = "/var/lib/pasang-uji"
        self.enter: list[str] = []
        self.payloads: dict[str, dict[str, Any]] = {}
        self.keeps = 0
        target = host.root / CARRIED
        shutil.copytree(REPOSITORY / "agent", target / "agent", ignore=shutil.ignore_patterns("__pycache__"))
        (target / "tests/contract").mkdir(parents=True)
        shutil.copyfile(driver.__file__, target / "tests/contract/driver.py")
        self.path("blobs").mkdir(parents=True)

    def path(self, name: str) -> Path:
        """A path in the agent's folder, from outside."""
        return self.host.root / self.agent_root.lstrip("/") / name

    def add_deb(self, name: str, path: Path) -> None:
        """Put a .deb among the blobs, with the metadata that the depot reads out of it."""
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        (self.path("blobs") / digest).write_bytes(content)
        self.payloads[name] = {
            "digest": digest,
            "size_bytes": len(content),
            "file": path.name,
            "format": "deb",
            "meta": deb_meta(path),
        }

    def do(self, verb: str, kind: str, given: dict[str, Any], **more: Any) -> dict[str, Any]:
        """One verb, in a process of its own on that computer."""
        done = self.host.run(self.argv(verb, kind, given, **more), check=False)
        if done.returncode == driver.DIED:
            return {"died": True}
        assert done.returncode == 0, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    def argv(self, verb: str, kind: str, given: dict[str, Any], **more: Any) -> list[str]:
        """How the computer is told to do one verb."""
        job = {"verb": verb, "kind": kind, "given": given, "root": self.agent_root, "payloads": self.payloads, **more}
        return [*self.enter, "python3", "-B", f"/{CARRIED}/tests/contract/driver.py", json.dumps(job)]

    def become(self, user: str) -> None:
        """From now on the agent runs as a person without rights, from their home."""
        _, _, uid, gid, _, home, _ = self.host.run(["getent", "passwd", user]).stdout.strip().split(":")
        self.agent_root = f"{home}/.pasang"
        self.enter = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "env", f"HOME={home}"]

    def keep_folder(self) -> str:
        """A new folder for an effect's copies, as the run has them."""
        self.keeps += 1
        return f"{self.agent_root}/keep/{self.keeps}"

    def state(self) -> dict[str, Any]:
        """Packages, services and files, as the computer's own tools and a reading of its disk show them."""
        packages, unit_files, active, audit = self.host.run(["sh", "-c", ASK]).stdout.split("=====\n")
        units = [line.split() for line in active.splitlines()]
        files: dict[str, Any] = {}
        for folder in ("etc", "opt", "srv", "usr/local"):
            files.update((f"/{folder}/{name}", row) for name, row in tree(self.host.root / folder).items())
        for folder in ("usr", "var/lib"):
            for name in names_below(self.host.root / folder):
                files.setdefault(f"/{folder}/{name}", None)
        for name in ("/etc/ld.so.cache", *(name for name in files if name.startswith(DPKG_OWN))):
            files.pop(name, None)
        return {
            "packages": packages.splitlines(),
            "unit files": [" ".join(line.split()[:2]) for line in unit_files.splitlines()],
            "active": sorted(f"{unit[0]} {unit[2]}" for unit in units if unit[2] != "inactive"),
            "files": files,
            "audit": audit,
        }


def names_below(folder: Path, depth: int = 3, prefix: str = "") -> Iterator[str]:
    """Names alone, and not to the ground: the rest would take seconds."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in ("pasang-uji", "__pycache__", "lists", "systemd"):
                continue
            yield prefix + entry.name
            if depth > 1 and entry.is_dir(follow_symlinks=False):
                yield from names_below(folder / entry.name, depth - 1, f"{prefix}{entry.name}/")


def deb_meta(path: Path) -> dict[str, Any]:
    """A .deb's control fields under the plan's names."""
    fields = {
        "package": "Package",
        "version": "Version",
        "architecture": "Architecture",
        "depends": "Depends",
        "pre_depends": "Pre-Depends",
        "provides": "Provides",
        "conflicts": "Conflicts",
        "replaces": "Replaces",
    }
    meta: dict[str, Any] = {}
    for key, field in fields.items():
        meta[key] = subprocess.run(
            ["dpkg-deb", "-f", path, field], capture_output=True, text=True, check=True
        ).stdout.strip()
    listed = subprocess.run(["dpkg-deb", "-I", path, "conffiles"], capture_output=True, text=True)
    meta["conffiles"] = listed.stdout.split() if listed.returncode == 0 else []
    return meta
