"""Packages of Debian put onto a computer of the lab and taken back, with what dpkg and the disk say of it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from tests.contract.computers import LabComputer

CONFFILE = "/etc/loket/port"


def here(computer: LabComputer, *names: str) -> list[str]:
    """State and version of packages by dpkg's own word."""
    argv = ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Status}\n", *names]
    return computer.host.run(argv, check=False).stdout.splitlines()


def known_conffiles(computer: LabComputer, name: str) -> str:
    """A package's conffiles with the checksums that dpkg holds them against, by its own word."""
    return computer.host.run(["dpkg-query", "-W", "-f", "${Conffiles}", name]).stdout


class Journey(NamedTuple):
    """What a computer was like in between, and the evidence of the way back."""

    there: dict[str, Any]
    back: dict[str, Any]


def there_and_back(computer: LabComputer, spec: dict[str, Any], *, before: str = "absent") -> Journey:
    """Detect, capture, apply, verify, apply again, undo, undo again: with the same computer at the end."""
    state = computer.state()
    assert computer.do("detect", "deb", spec)["state"] == before
    entry = computer.do("capture", "deb", spec, keep=computer.keep_folder())["entry"]
    assert computer.state() == state
    applied = computer.do("apply", "deb", spec)
    assert "failed" not in applied, applied
    assert computer.do("verify", "deb", spec)["state"] == "present"
    done = computer.state()
    assert done != state
    assert "failed" not in computer.do("apply", "deb", spec)
    assert computer.state()["packages"] == done["packages"]
    evidence = computer.do("undo", "deb", entry)
    assert "failed" not in evidence, evidence
    assert_same(computer.state(), state)
    assert "failed" not in computer.do("undo", "deb", entry)
    assert_same(computer.state(), state)
    return Journey(done, evidence["evidence"])


def assert_same(now: dict[str, Any], before: dict[str, Any]) -> None:
    for key in before:
        if isinstance(before[key], dict):
            added = now[key].keys() - before[key].keys()
            gone = before[key].keys() - now[key].keys()
            changed = {name for name in before[key].keys() & now[key].keys() if before[key][name] != now[key][name]}
            assert (added, gone, changed) == (set(), set(), set()), key
        assert now[key] == before[key], key


def with_checksums(deb: Path) -> Path:
    """The same package as debhelper builds it: with md5sums."""
    folder = deb.parent / "bongkar"
    subprocess.run(["dpkg-deb", "-R", deb, folder], check=True)
    conffiles = (folder / "DEBIAN/conffiles").read_text().split()
    rows = [
        f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.parent.name != "DEBIAN" and f"/{path.relative_to(folder)}" not in conffiles
    ]
    (folder / "DEBIAN/md5sums").write_text("".join(rows))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", folder, deb], check=True, capture_output=True)
    shutil.rmtree(folder)
    return deb


def install(computer: LabComputer, *debs: Path) -> None:
    """As an administrator did it by hand, long before."""
    for deb in debs:
        (computer.host.root / "root" / deb.name).write_bytes(deb.read_bytes())
    computer.host.run(["dpkg", "-i", *(f"/root/{deb.name}" for deb in debs)])
    for deb in debs:
        (computer.host.root / "root" / deb.name).unlink()


def purge(computer: LabComputer, *names: str) -> None:
    computer.host.run(["dpkg", "--purge", *names])
