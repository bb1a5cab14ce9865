"""Python for Windows: what is taken in under its published name, what is refused, and what a computer makes of it."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from controller import embedded, runtime, supplies
from controller.errors import InputError

NAME = "python-3.12.7-embed-{}.zip"
MACHINES = {"amd64": 0x8664, "arm64": 0xAA64, "win32": 0x014C}


def program(machine: int) -> bytes:
    """As much of a program as says for which processor it is."""
    return b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0" + struct.pack("<H", machine) + bytes(40)


def package(folder: Path, kind: str = "amd64", *, name: str = "", machine: str = "", **files: bytes | None) -> Path:
    inside: dict[str, bytes | None] = {
        "python.exe": program(MACHINES[machine or kind]),
        "python312.dll": program(MACHINES[kind]),
        "python312.zip": b"PK",
        "python312._pth": b"python312.zip\n.\n",
        "LICENSE.txt": b"PSF",
        **files,
    }
    path = folder / (name or NAME.format(kind))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, data in inside.items():
            if data is not None:
                archive.writestr(file, data)
    return path


@pytest.mark.parametrize(
    ("kind", "platform"), [("amd64", "windows-x86_64"), ("arm64", "windows-aarch64"), ("win32", "windows-x86")]
)
def test_it_is_kept_as_it_was_published(tmp_path: Path, kind: str, platform: str) -> None:
    file = package(tmp_path, kind)
    platforms, digest = supplies.add_python(tmp_path, file)
    assert platforms == [platform]
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    made = runtime.prepare(tmp_path)
    assert made.python == {platform: digest}
    assert made.path(digest).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"name": "python-3.12.7-amd64.exe"}, "no Python that can"),
        ({"name": "python-3.7.9-embed-amd64.zip"}, "no Python that can"),
        ({"name": "python-3.11.9-embed-amd64.zip"}, "no python311.dll"),
        ({"machine": "arm64"}, "not for amd64"),
        ({"python.exe": b"#!/bin/sh"}, "not for amd64"),
        ({"python.exe": None}, "no python.exe"),
        ({"python312._pth": None}, "no python312._pth"),
        ({"../lain.dll": b""}, "strange names"),
        ({"/lain.dll": b""}, "strange names"),
        ({"C:lain.dll": b""}, "strange names"),
        ({"a\\b.dll": b""}, "strange names"),
        ({"PYTHON.EXE": b""}, "strange names"),
        ({"NUL.txt": b""}, "strange names"),
        ({"lib/com1": b""}, "strange names"),
        ({"a b.dll": b""}, "strange names"),
        ({"%TEMP%.dll": b""}, "strange names"),
        ({"files": b""}, "strange names"),
        ({"arrival.py": b""}, "strange names"),
    ],
)
def test_what_is_none_is_refused(tmp_path: Path, wrong: dict[str, bytes | None], why: str) -> None:
    with pytest.raises(InputError, match=why):
        supplies.add_python(tmp_path, package(tmp_path, **wrong))  # type: ignore[arg-type]
    assert not (tmp_path / "runtime").exists()


def test_a_damaged_one_and_one_that_grows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = package(tmp_path, lain=bytes(100_000))
    whole = file.read_bytes()
    middle = whole.index(b"python312.zip") - 60
    for data in (b"", b"no archive", whole[:-30], whole[:middle] + b"\xff" + whole[middle + 1 :]):
        file.write_bytes(data)
        with pytest.raises(InputError, match="cannot be read"):
            supplies.add_python(tmp_path, file)
    file.write_bytes(whole)
    monkeypatch.setattr(embedded, "SIZE_LIMIT_BYTES", 99_999)
    with pytest.raises(InputError, match="too much"):
        supplies.add_python(tmp_path, file)
    with pytest.raises(InputError, match="cannot be read"):
        supplies.add_python(tmp_path, tmp_path / "tiada" / file.name)


def sent(home: Path) -> tuple[Path, str]:
    _, digest = supplies.add_python(home, package(home))
    made = embedded.sendable(home / "runtime", digest)
    assert made is not None
    return made


def test_what_is_sent_is_the_same_each_time_and_made_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (first, listed), (second, other) = sent(tmp_path / "a"), sent(tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert first.name == hashlib.sha256(first.read_bytes()).hexdigest()
    assert listed == other
    before = first.stat().st_mtime_ns
    assert sent(tmp_path / "a") == (first, listed)
    assert first.stat().st_mtime_ns == before
    runtime.prepare(tmp_path / "a")
    runtime.drop_old(tmp_path / "a" / "runtime")
    assert first.exists()


def test_what_is_damaged_here_is_made_again_or_not_sent(tmp_path: Path) -> None:
    archive, listed = sent(tmp_path)
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-1])
    assert sent(tmp_path) == (archive, listed)
    assert archive.read_bytes() == whole
    archive.unlink()
    kept = runtime.prepare(tmp_path).python["windows-x86_64"]
    (tmp_path / "runtime" / kept).write_bytes(b"rusak")
    assert embedded.sendable(tmp_path / "runtime", kept) is None


@pytest.fixture
def arrived(tmp_path: Path) -> tuple[Path, str]:
    """What was sent, unpacked in a folder of its own; and the digest of its list."""
    archive, listed = sent(tmp_path)
    folder = tmp_path / "python" / "satu"
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive.read_bytes()))) as tar:
        tar.extractall(folder, filter="data")
    return folder, listed


def look(folder: Path, listed: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-I", "-S", folder / "arrival.py", listed]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def test_a_whole_one_says_so(arrived: tuple[Path, str]) -> None:
    folder, listed = arrived
    done = look(folder, listed)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "whole").read_text() == listed
    assert not (folder / "arrival.py").exists()


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "more", "list", "another list"])
def test_one_that_is_not_whole_does_not(arrived: tuple[Path, str], damage: str) -> None:
    folder, listed = arrived
    target = folder / "LICENSE.txt"
    if damage == "changed":
        target.write_bytes(b"PSG")
    elif damage == "cut":
        target.write_bytes(b"PS")
    elif damage == "gone":
        target.unlink()
    elif damage == "more":
        (folder / "lain.dll").write_bytes(b"")
    elif damage == "list":
        (folder / "FILES").write_bytes((folder / "FILES").read_bytes() + b"\n")
    else:
        listed = "0" * 64
    done = look(folder, listed)
    assert done.returncode == 1
    assert done.stderr.strip()
    assert not (folder / "whole").exists()


def test_others_that_half_arrived_long_ago_or_are_unwanted_go(arrived: tuple[Path, str]) -> None:
    folder, listed = arrived
    ages = {"tua": 7200, "baru": 0, "utuh": 7200, "ditolak": 0}
    for name, age_s in ages.items():
        other = folder.parent / name
        shutil.copytree(folder, other)
        if name in ("utuh", "ditolak"):
            (other / "whole").write_text("")
        if name == "ditolak":
            (other / "unwanted").write_text("")
        os.utime(other, (time.time() - age_s,) * 2)
    assert look(folder, listed).returncode == 0
    assert sorted(path.name for path in folder.parent.iterdir()) == ["baru", "satu", "utuh"]
