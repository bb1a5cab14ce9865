"""A .deb read to its end: control data out of it, and the certainty that dpkg will be able to read it.

Source: deb(5), ar(5): a global header, then members with a 60-byte header each, padded to even offsets:
``debian-binary``, ``control.tar[.gz|.xz|.zst]``, ``data.tar[.gz|.bz2|.lzma|.xz|.zst]``, in this order.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from lzma import LZMAError
from pathlib import Path
from typing import IO, Any, cast

from controller.depot.archives import UNPACKED_LIMIT_BYTES, damaged, no_decoder
from controller.depot.compression import NoDecoder, decompressed
from controller.errors import DepotError
from controller.text import Text

CONTROL_LIMIT_BYTES = 1024 * 1024
_FIELDS = (
    "package", "version", "architecture", "source", "provides", "conflicts", "breaks", "replaces",
)  # fmt: skip


class _Part(io.RawIOBase):
    """A member of an ar file, as a stream of its own."""

    def __init__(self, file: IO[bytes], start: int, size_bytes: int) -> None:
        self._file = file
        self._start = start
        self._size_bytes = size_bytes
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self._at, 2: self._size_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        want = min(len(buffer), self._size_bytes - self._at)
        if want <= 0:
            return 0
        self._file.seek(self._start + self._at)
        data = self._file.read(want)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def read_deb(path: Path, where: str) -> dict[str, Any]:
    """The control data of a .deb.

    Returns:
        ``package``, ``version``, ``architecture``, ``installed_size_bytes``, ``depends``, ``pre_depends``,
        ``conffiles``, …; ``unpacked_size_bytes`` (what the files add up to) and ``files`` (how many).

    Raises:
        DepotError: damaged, cut off, or no Debian package.
    """
    try:
        with path.open("rb") as file:
            members = _members(file, path.stat().st_size, where)
            names = [n for n, _, _ in members]
            control = next((m for m in members if m[0].startswith("control.tar")), None)
            data = next((m for m in members if m[0].startswith("data.tar")), None)
            if names[:1] != ["debian-binary"] or control is None or data is None:
                raise DepotError(
                    Text("ini arsip 'ar', bukan paket Debian", "this is an 'ar' archive, no Debian package"),
                    where=where,
                    hint=Text("ambil paket .deb dari penerbitnya", "get the .deb from its publisher"),
                )
            meta = _control(file, control, where)
            meta |= _data(file, data)
    except NoDecoder as error:
        raise no_decoder(where, error) from error
    except (tarfile.TarError, EOFError, LZMAError, zlib.error, OSError, ValueError) as error:
        raise damaged(where, str(error) or type(error).__name__) from error
    return meta


def _members(file: IO[bytes], total_bytes: int, where: str) -> list[tuple[str, int, int]]:
    """Name, start and size of every member."""
    found: list[tuple[str, int, int]] = []
    at = 8
    while at < total_bytes and len(found) < 20:
        file.seek(at)
        header = file.read(60)
        if len(header) < 60 or header[58:] != b"`\n" or not header[48:58].strip().isdigit():
            raise damaged(where, "ar")
        size_bytes = int(header[48:58])
        if at + 60 + size_bytes > total_bytes:
            raise damaged(where, f"{at + 60 + size_bytes} > {total_bytes} B")
        found.append((header[:16].decode("ascii", "replace").strip().rstrip("/"), at + 60, size_bytes))
        at += 60 + size_bytes + size_bytes % 2
    return found


def _control(file: IO[bytes], member: tuple[str, int, int], where: str) -> dict[str, Any]:
    texts: dict[str, str] = {}
    with decompressed(_raw(file, member)) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for entry in tar:
            name = entry.name.removeprefix("./")
            if name in ("control", "conffiles") and entry.isreg() and entry.size <= CONTROL_LIMIT_BYTES:
                content = tar.extractfile(entry)
                texts[name] = content.read().decode("utf-8", "replace") if content else ""
    fields = _fields(texts.get("control", ""))
    if not all(fields.get(f) for f in ("package", "version", "architecture")):
        raise DepotError(
            Text("berkas control paket ini tidak lengkap", "the package's control file is not complete"),
            where=where,
            hint=Text("ambil paket .deb dari penerbitnya", "get the .deb from its publisher"),
        )
    installed = fields.get("installed-size", "0")
    conffiles = [line.split()[0] for line in texts.get("conffiles", "").splitlines() if line.strip().startswith("/")]
    return {
        **{name.replace("-", "_"): fields[name] for name in _FIELDS if fields.get(name)},
        "depends": fields.get("depends", ""),
        "pre_depends": fields.get("pre-depends", ""),
        "description": fields.get("description", "").splitlines()[0] if fields.get("description") else "",
        "installed_size_bytes": int(installed) * 1024 if installed.isdigit() else 0,  # control counts in KiB
        "conffiles": conffiles,
    }


def _data(file: IO[bytes], member: tuple[str, int, int]) -> dict[str, Any]:
    """What the files add up to, by blocks of 4 KiB as a filesystem keeps them; read to the end."""
    unpacked_bytes = files = 0
    with decompressed(_raw(file, member)) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for entry in tar:
                files += 1
                unpacked_bytes += -(-entry.size // 4096) * 4096 if entry.isreg() else 0
                tar.members = []  # type: ignore[attr-defined]
                if unpacked_bytes > UNPACKED_LIMIT_BYTES:
                    raise ValueError(f"> {UNPACKED_LIMIT_BYTES} B")
        while stream.read(1024 * 1024):  # so that the decoder sees its checksum
            pass
    return {"unpacked_size_bytes": unpacked_bytes, "files": files}


def _raw(file: IO[bytes], member: tuple[str, int, int]) -> IO[bytes]:
    return cast("IO[bytes]", io.BufferedReader(_Part(file, member[1], member[2]), 256 * 1024))


def _fields(text: str) -> dict[str, str]:
    """RFC 822 as dpkg writes it: names without case, continued lines begin with a space."""
    fields: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        if line[:1] in (" ", "\t") and last:
            fields[last] += "\n" + line.strip()
        elif ":" in line:
            name, value = line.split(":", 1)
            last = name.strip().lower()
            fields[last] = value.strip()
    return fields
