"""zip and tar.*: how much they unpack to, what stands at their top, and nothing that would leave its folder."""

from __future__ import annotations

import posixpath
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from lzma import LZMAError
from pathlib import Path
from typing import IO, Any, NoReturn, Self

from controller.depot.compression import NoDecoder, open_compressed
from controller.errors import DepotError
from controller.text import Text

UNPACKED_LIMIT_BYTES = 64 * 1024**3
RATIO_LIMIT = 1000
"""Times its size; no honest installer is packed tighter (deflate cannot pass 1032 at all)."""
RATIO_FROM_BYTES = 512 * 1024**2
MEMBER_LIMIT = 1_000_000
TOP_LIMIT = 50


class WholeHeader(tarfile.TarInfo):
    """A member whose header must be one: where it is cut off or none, Python would call that the end of the archive.

    The end is a block of zeros. Of the two that POSIX wants GNU tar forgives the second, and so do we.
    """

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        """The next header.

        Raises:
            tarfile.EOFHeaderError: the end.
            tarfile.ReadError: the archive is cut off or damaged here.
        """
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # typeshed knows its base alone
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"no header at {tarfile_.offset}: {error}") from error


class _Account:
    """What was seen in an archive so far; refuses what is dangerous."""

    def __init__(self, path: Path, where: str) -> None:
        self._where = where
        self._packed_bytes = path.stat().st_size
        self._top: dict[str, None] = {}
        self.unpacked_bytes = 0
        self.files = 0
        self._links: list[str] = []

    def refuse(self, what: Text, hint: Text | None = None) -> NoReturn:
        """Raises: DepotError: always."""
        raise DepotError(
            what,
            where=self._where,
            hint=hint
            or Text(
                "jangan dipakai; minta berkas yang benar dari penerbitnya",
                "do not use it; ask its publisher for a right one",
            ),
        )

    def member(self, name: str, size_bytes: int = 0) -> None:
        """One member by its name in the archive."""
        clean = name.replace("\\", "/")
        parts = clean.split("/")
        if clean.startswith("/") or re.match(r"[A-Za-z]:", clean) or ".." in parts or "\0" in clean:
            self.refuse(
                Text(f"isi arsip '{name[:100]}' keluar dari foldernya", f"the member '{name[:100]}' leaves its folder")
            )
        top = next((p for p in parts if p not in ("", ".")), "")
        if top:
            self._top.setdefault(top)
        if any(clean.startswith(link + "/") for link in self._links):
            self.refuse(
                Text(
                    f"isi arsip '{name[:100]}' ditulis melalui sebuah tautan",
                    f"the member '{name[:100]}' is written through a link",
                )
            )
        self.files += 1
        if self.files > MEMBER_LIMIT:
            self.refuse(Text(f"lebih dari {MEMBER_LIMIT} berkas", f"more than {MEMBER_LIMIT} files"))
        self.grow(size_bytes)

    def link(self, name: str, target: str, *, hard: bool) -> None:
        """A link: its target must stay within the archive's folder."""
        base = "" if hard else posixpath.dirname(name)
        meant = posixpath.normpath(posixpath.join(base, target.replace("\\", "/")))
        if target.startswith(("/", "\\")) or meant == ".." or meant.startswith("../") or re.match(r"[A-Za-z]:", target):
            self.refuse(
                Text(
                    f"tautan '{name[:100]}' menunjuk ke luar ({target[:100]})",
                    f"the link '{name[:100]}' points outside ({target[:100]})",
                )
            )
        if not hard:
            self._links.append(posixpath.normpath(name.replace("\\", "/")))

    def grow(self, size_bytes: int) -> None:
        """More unpacked bytes."""
        self.unpacked_bytes += size_bytes
        total = self.unpacked_bytes
        if total > UNPACKED_LIMIT_BYTES or (total > RATIO_FROM_BYTES and total > RATIO_LIMIT * self._packed_bytes):
            self.refuse(
                Text(
                    "arsip ini membengkak tak wajar saat dibuka", "this archive swells beyond all measure when unpacked"
                )
            )

    def meta(self) -> dict[str, Any]:
        """As the plan's ``meta``."""
        return {"unpacked_size_bytes": self.unpacked_bytes, "files": self.files, "top": sorted(self._top)[:TOP_LIMIT]}


def damaged(where: str, reason: str) -> DepotError:
    """The file is cut off or broken."""
    return DepotError(
        Text(f"berkas ini rusak atau terpotong ({reason})", f"the file is damaged or cut off ({reason})"),
        where=where,
        hint=Text(
            "unduh atau salin lagi, lalu bandingkan SHA-256-nya", "download or copy it again, then compare its SHA-256"
        ),
    )


def read_tar(path: Path, where: str, *, must_be_tar: bool) -> dict[str, Any] | None:
    """Walk a tar of any compression to its end.

    Args:
        path: the file.
        where: what errors call it.
        must_be_tar: False answers None where it is compressed, but no tar.

    Raises:
        DepotError: damaged or dangerous.
    """
    try:
        with open_compressed(path) as stream:
            if stream.peek(512)[257:262] != b"ustar" and not must_be_tar:
                return None
            return walk_tar(stream, path, where)
    except NoDecoder as error:
        raise no_decoder(where, error) from error
    except (tarfile.TarError, EOFError, LZMAError, zlib.error, OSError, ValueError) as error:
        raise damaged(where, str(error) or type(error).__name__) from error


def walk_tar(
    stream: IO[bytes], path: Path, where: str, seen: Callable[[str, int], None] | None = None
) -> dict[str, Any]:
    """Read a plain tar stream to its end, members checked; ``seen`` hears each regular file's name and size.

    Raises:
        DepotError: dangerous.
        tarfile.TarError, OSError, EOFError, …: damaged, as the decoders say it.
    """
    account = _Account(path, where)
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=WholeHeader) as tar:
        for member in tar:
            if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
                account.refuse(
                    Text(
                        f"isi arsip '{member.name[:100]}' bukan berkas biasa",
                        f"the member '{member.name[:100]}' is a device or the like",
                    )
                )
            account.member(member.name.removeprefix("./") or ".", member.size if member.isreg() else 0)
            if member.issym() or member.islnk():
                account.link(member.name, member.linkname, hard=member.islnk())
            if member.isreg() and seen is not None:
                seen(member.name, member.size)
            tar.members = []  # type: ignore[attr-defined]  # a stream is read once; keeping every member would cost memory
    while stream.read(1024 * 1024):  # the rest, so that the decoder sees its checksum
        pass
    return account.meta()


def no_decoder(where: str, error: NoDecoder) -> DepotError:
    """This machine cannot read the compression."""
    return DepotError(
        Text(f"pemampatan {error.name} tidak dapat dibaca di sini", f"{error.name} compression cannot be read here"),
        where=where,
        hint=Text(
            "pasang program 'zstd' di komputer ini (apt install zstd)",
            "install the program 'zstd' on this machine (apt install zstd)",
        ),
    )


def read_zip(path: Path, where: str) -> dict[str, Any]:
    """Read every member of a zip to its end, so that sizes and checksums are what they say.

    Raises:
        DepotError: damaged or dangerous.
    """
    account = _Account(path, where)
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                kind = info.external_attr >> 28 if info.create_system == 3 else 0  # 3: made on Unix
                account.member(info.filename)
                if info.flag_bits & 0x1:
                    account.refuse(
                        Text("arsip ini memakai kata sandi", "this archive is locked by a password"),
                        Text("buat arsip tanpa kata sandi", "make one without a password"),
                    )
                if info.is_dir():
                    continue
                with archive.open(info) as member:
                    content = b""
                    while chunk := member.read(1024 * 1024):
                        account.grow(len(chunk))
                        content = chunk if kind == 0xA else b""
                if kind == 0xA:
                    account.link(info.filename, content.decode("utf-8", "replace"), hard=False)
                elif kind not in (0, 0x4, 0x8):
                    account.refuse(
                        Text(
                            f"isi arsip '{info.filename[:100]}' bukan berkas biasa",
                            f"the member '{info.filename[:100]}' is a device or the like",
                        )
                    )
            _no_overlap(archive, account)
            _whole_directory(path, archive)
    except (
        zipfile.BadZipFile,
        EOFError,
        LZMAError,
        zlib.error,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise damaged(where, str(error) or type(error).__name__) from error
    return account.meta()


def _whole_directory(path: Path, archive: zipfile.ZipFile) -> None:
    """As many members must stand in the central directory as the record at its end says; zipfile does not ask.

    Source: APPNOTE.TXT 4.3.16 (total number of entries, 0xFFFF where ZIP64 tells it); more are counted from 0 again.

    Raises:
        zipfile.BadZipFile: there are others.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 22 - len(archive.comment)))
        record = file.read(12)
    said = int.from_bytes(record[10:12], "little")
    if record.startswith(b"PK\5\6") and said not in (0xFFFF, len(archive.infolist()) & 0xFFFF):
        raise zipfile.BadZipFile("its directory names fewer members than it says")


def _no_overlap(archive: zipfile.ZipFile, account: _Account) -> None:
    """Members that share bytes are the densest bombs of all."""
    end = 0
    for info in sorted(archive.infolist(), key=lambda i: i.header_offset):
        if info.header_offset < end:
            account.refuse(Text("isi arsip saling menindih", "members of the archive overlap"))
        end = info.header_offset + 30 + info.compress_size
