"""What the agent needs on a computer: its own archive, and psutil for the computer's platform.

Both are made of what is installed here, byte for byte the same for the same sources, and kept by digest under
``PASANG_HOME/runtime``, so that they are made once.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import agent
from controller.errors import InputError
from controller.text import Text

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every file in an archive: the same sources give the same bytes."""
ENTRY = b"from agent.__main__ import main\n\nmain()\n"
CONTROLLERS_ONLY = ("stage.py",)


@dataclass(frozen=True)
class Runtime:
    """The agent as it is sent: digests to ask for, and where their bytes are."""

    agent: str
    """SHA-256 of the archive."""
    tree: str
    """SHA-256 of the files in it, as the first stage reckons it."""
    stage: bytes
    """The first stage's source."""
    psutil: dict[str, str]
    """By platform (``linux-x86_64-glibc``): the wheel's SHA-256."""
    folder: Path

    def path(self, digest: str) -> Path:
        """Where the bytes of one of our digests are."""
        return self.folder / digest

    def owns(self, digest: str) -> bool:
        """Whether a digest is of the runtime, rather than a payload."""
        return digest == self.agent or digest in self.psutil.values()


def prepare(home: Path) -> Runtime:
    """The runtime for this version of Pasang, made where it is not there yet.

    Args:
        home: ``PASANG_HOME``.

    Raises:
        InputError: the folder cannot be written.
    """
    folder = home / "runtime"
    files = agent_files()
    tree = tree_digest(files)
    index = folder / f"agent-{tree}.json"
    stage = squeeze((Path(agent.__file__).parent / "stage.py").read_bytes())
    given = {platform: digest for platform, digest in added(folder).items() if is_whole(folder / digest)}
    known = read_json(index)
    made, own = known.get("agent"), known.get("psutil")
    if isinstance(made, str) and isinstance(own, dict) and all(is_whole(folder / d) for d in (made, *own.values())):
        return Runtime(made, tree, stage, {**own, **given}, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        archive = keep(folder, pack(files))
        wheels = {name: keep(folder, data) for name, data in own_psutil().items()}
        write(index, json.dumps({"agent": archive, "psutil": wheels}).encode())
    except OSError as error:
        raise InputError(
            Text(f"folder ini tidak dapat ditulis: {error.strerror}", f"cannot be written: {error.strerror}"),
            where=str(folder),
            hint=Text(
                "periksa PASANG_HOME, hak tulis, dan ruang disknya", "check PASANG_HOME, its rights and its disk"
            ),
        ) from error
    return Runtime(archive, tree, stage, {**wheels, **given}, folder)


def add_wheel(home: Path, file: Path) -> tuple[list[str], str]:
    """Keep psutil's wheel for computers of another platform.

    Args:
        home: ``PASANG_HOME``.
        file: the wheel under the name that the package index gives it: it says what it fits.

    Returns:
        The platforms it is for now, and its SHA-256.

    Raises:
        InputError: it is not a wheel of psutil that one file serves every Python with.
    """
    import zipfile

    platforms = platforms_of(file.name)
    if not platforms:
        raise InputError(
            Text("ini bukan wheel psutil yang dapat dipakai", "this is no wheel of psutil that can be used"),
            where=str(file),
            hint=Text(
                "ambil psutil-…-abi3-manylinux….whl dari indeks paket, dengan namanya yang asli",
                "take psutil-…-abi3-manylinux….whl from the package index, under the name it has there",
            ),
        )
    try:
        data = file.read_bytes()
        with zipfile.ZipFile(io.BytesIO(data)) as wheel:
            is_good = wheel.testzip() is None and "psutil/__init__.py" in wheel.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(
            Text(f"berkas ini tidak dapat dibaca: {error}", f"this file cannot be read: {error}"), where=str(file)
        ) from error
    if not is_good:
        raise InputError(Text("isi wheel ini rusak", "this wheel is damaged"), where=str(file))
    folder = home / "runtime"
    folder.mkdir(parents=True, exist_ok=True)
    digest = keep(folder, data)
    write(folder / "added.json", json.dumps({**added(folder), **dict.fromkeys(platforms, digest)}).encode())
    return platforms, digest


def platforms_of(name: str) -> list[str]:
    """The platforms, as the first stage names them, that a wheel of psutil fits by its name; none where it does not.

    Source: PEP 427 (file names), PEP 600 (manylinux), PEP 656 (musllinux); abi3 is Python's stable ABI.
    """
    found = re.fullmatch(r"psutil-[^-]+-cp3\d+-abi3-(?P<platforms>[\w.]+)\.whl", name)
    kinds = {"manylinux": "glibc", "musllinux": "other"}
    tags = found["platforms"].split(".") if found else []
    parts = [re.fullmatch(r"(manylinux|musllinux)(?:\d+|_\d+_\d+)_(\w+)", tag) for tag in tags]
    return sorted({f"linux-{part[2]}-{kinds[part[1]]}" for part in parts if part})


def added(folder: Path) -> dict[str, str]:
    """The wheels that were added by hand: by platform, their SHA-256."""
    return {str(platform): str(digest) for platform, digest in read_json(folder / "added.json").items()}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of ours; an empty one where it is not there or not whole."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def is_whole(path: Path) -> bool:
    """Whether a file is there and is what its name, its SHA-256, says."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    except OSError:
        return False


def agent_files() -> dict[str, bytes]:
    """The agent's sources by their path in the archive, sorted."""
    base = Path(agent.__file__).parent
    found = {"__main__.py": ENTRY}
    for path in sorted(base.rglob("*.py")):
        if path.name not in CONTROLLERS_ONLY:
            found[f"agent/{path.relative_to(base).as_posix()}"] = path.read_bytes()
    return dict(sorted(found.items()))


def tree_digest(files: dict[str, bytes]) -> str:
    """The digest that the first stage reckons over the unpacked files: names, sizes, bytes in the order of a walk."""
    total = hashlib.sha256()
    for name in sorted(files, key=walk_order):
        total.update(f"{name} {len(files[name])}\n".encode() + files[name])
    return total.hexdigest()


def walk_order(name: str) -> list[tuple[int, str]]:
    """Sorts paths as ``os.walk`` with sorted folders visits them: a folder's files first, then its folders."""
    *folders, file = name.split("/")
    return [(1, part) for part in folders] + [(0, file)]


def pack(files: dict[str, bytes]) -> bytes:
    """A zip archive that Python can run, with the list of its files as ``FILES``."""
    import zipfile  # only where something is made, as below: a start has a budget

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in {**files, "FILES": "\n".join(files).encode()}.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, compresslevel=9)
    return buffer.getvalue()


def own_psutil() -> dict[str, bytes]:
    """The psutil installed here as a wheel for computers like this one: ``{platform: bytes}``; empty where it is none.

    The Linux wheel is built against the stable ABI of Python 3.6 and an old glibc: it fits every Python the agent does.
    Source: psutil's wheel tags (``cp36-abi3-manylinux…``).
    """
    import importlib.metadata
    import platform

    distribution = importlib.metadata.distribution("psutil")
    if not sys.platform.startswith("linux") or "cp36-abi3" not in (distribution.read_text("WHEEL") or ""):
        return {}
    files = {}
    for file in distribution.files or []:
        if file.parts[0] == "psutil" and file.suffix in (".py", ".so") and "tests" not in file.parts:
            files[file.as_posix()] = Path(str(file.locate())).read_bytes()
    libc = "glibc" if platform.libc_ver()[0] == "glibc" else "other"
    return {f"{sys.platform}-{os.uname().machine}-{libc}": pack(dict(sorted(files.items())))} if files else {}


def squeeze(source: bytes) -> bytes:
    """Source without comment lines and blank lines: they would only travel."""
    return (
        b"\n".join(line for line in source.split(b"\n") if line.strip() and not line.lstrip().startswith(b"#")) + b"\n"
    )


def keep(folder: Path, data: bytes) -> str:
    """Store bytes under their SHA-256, whole or not at all."""
    digest = hashlib.sha256(data).hexdigest()
    if not is_whole(folder / digest):
        write(folder / digest, data)
    return digest


def write(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(path)
