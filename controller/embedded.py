"""Python for Windows as python.org publishes it for those who bring it along: the embeddable package.

It is kept as it was published, under its digest. What a computer is sent is made of it: a tar.gz that Windows' own
tar.exe unpacks, with the digest of every file in it, and the program that holds them against it there.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import agent
from controller.errors import InputError
from controller.runtime import is_whole, keep, read_json, squeeze, write
from controller.text import Text

NAME = r"python-(?P<version>3\.(?:[89]|[1-9]\d)\.\d+)-embed-(?P<machine>amd64|arm64|win32)\.zip"
"""Source: https://www.python.org/downloads/windows/."""
PLATFORMS = {"amd64": "windows-x86_64", "arm64": "windows-aarch64", "win32": "windows-x86"}
MACHINES = {"amd64": 0x8664, "arm64": 0xAA64, "win32": 0x014C}
"""Source: PE format, Machine Types."""
LIST, CHECK = "FILES", "arrival.py"
"""In what is sent: the files with their digests, and what looks at them."""
FILES_LIMIT, SIZE_LIMIT_BYTES = 500, 200 * 1024 * 1024
_NAME_INSIDE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""Source: Naming Files, Paths, and Namespaces, learn.microsoft.com."""
_ENCRYPTED = 0x1
BROKEN = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, ValueError)
"""What zipfile raises of an archive that is none, is damaged, or wants what it cannot."""


def check(data: bytes, named: re.Match[str], *, where: str) -> str:
    """The platform that an embeddable package is for, once all of it has been read.

    Args:
        data: the zip file.
        named: its name by ``NAME``.
        where: for the error.

    Raises:
        InputError: it is damaged, holds what it should not, or is another Python than its name says.
    """
    try:
        files = contents(data)
    except BROKEN as error:
        raise InputError(
            Text(f"berkas ini tidak dapat dibaca: {error}", f"this file cannot be read: {error}"), where=where
        ) from error
    short = "python" + "".join(named["version"].split(".")[:2])
    needed = ("python.exe", f"{short}.dll", f"{short}.zip", f"{short}._pth")
    lacking = [name for name in needed if name not in files]
    wrong = [name for name in needed[:2] if name in files and machine_of(files[name]) != MACHINES[named["machine"]]]
    if lacking or wrong:
        told = ", ".join(lacking or wrong)
        what = (
            Text(f"di dalamnya tidak ada {told}", f"there is no {told} in it")
            if lacking
            else Text(f"{told} bukan untuk {named['machine']}", f"{told} is not for {named['machine']}")
        )
        raise InputError(what, where=where)
    return PLATFORMS[named["machine"]]


def contents(data: bytes) -> dict[str, bytes]:
    """The files of an embeddable package, by name, sorted.

    Raises:
        ValueError: a name or a size that it would not have; so that nothing of it reaches a computer.
        Exception: another of ``BROKEN``.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        if len(entries) > FILES_LIMIT or sum(entry.file_size for entry in entries) > SIZE_LIMIT_BYTES:
            raise ValueError("too much in it")
        names = [entry.filename for entry in entries]
        strange = [name for name in names if not _NAME_INSIDE.fullmatch(name)]
        strange += [name for name in names if any(_DEVICE.fullmatch(part) for part in name.split("/"))]
        strange += [entry.filename for entry in entries if entry.flag_bits & _ENCRYPTED]
        if strange or len({name.lower() for name in names} | {LIST.lower(), CHECK}) != len(names) + 2:
            raise ValueError(f"strange names in it: {strange or names}"[:300])
        return {entry.filename: archive.read(entry) for entry in sorted(entries, key=lambda one: one.filename)}


def machine_of(program: bytes) -> int:
    """For which processor a program or DLL is; 0 where it is none. Source: PE format."""
    if program[:2] != b"MZ" or len(program) < 0x40:
        return 0
    (at,) = struct.unpack_from("<I", program, 0x3C)
    return struct.unpack_from("<H", program, at + 4)[0] if program[at : at + 4] == b"PE\0\0" else 0


def sendable(folder: Path, digest: str) -> tuple[Path, str] | None:
    """What a computer is sent of a package, made where it is not there yet.

    Args:
        folder: of the runtime.
        digest: the package's.

    Returns:
        A tar.gz, and the SHA-256 of the list in it, against which it is held there. None where the package is damaged.
    """
    arrival = squeeze((Path(agent.__file__).parent / "windows" / CHECK).read_bytes())
    index = folder / f"python-{digest}-{hashlib.sha256(arrival).hexdigest()[:16]}.json"
    known = read_json(index)
    archive, listed = str(known.get("archive")), str(known.get("list"))
    if not is_whole(folder / archive):
        if not is_whole(folder / digest):
            return None
        files = contents((folder / digest).read_bytes())
        rows = [f"{hashlib.sha256(data).hexdigest()} {name}\n" for name, data in files.items()]
        list_ = "".join(rows).encode()
        listed = hashlib.sha256(list_).hexdigest()
        archive = keep(folder, pack({CHECK: arrival, LIST: list_, **files}))
        write(index, json.dumps({"archive": archive, "list": listed}).encode())
    return folder / archive, listed


def pack(files: dict[str, bytes]) -> bytes:
    """A tar.gz, the same bytes each time."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", 6, buffer, mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
