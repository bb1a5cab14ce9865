"""Archives from outside, unpacked so that they cannot write anywhere but into their folder.

The order is what makes it safe: folders and files first, hard links to them, symbolic links last. So nothing is ever
written through a link, and where the links lead can be looked at when all of them stand.
"""

from __future__ import annotations

import os
import stat
import sys
import time

from agent import files
from agent.host import native
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO, Any, BinaryIO, NamedTuple

    class Member(NamedTuple):
        """One entry of an archive, whatever its format."""

        name: str
        kind: str
        """file, directory, link, hardlink, or other."""
        size_bytes: int
        mode: int
        mtime: float | None
        target: str
        open: Callable[[], IO[bytes]] | None
else:
    from agent.light.tuples import namedtuple

    Member = namedtuple("Member", "name kind size_bytes mode mtime target open")

SYNC_EACH = 500
"""Up to so many files are made durable one by one; above, everything the computer has not written yet is."""
SPARE_BYTES = 64 * 1024 * 1024
"""What an archive of unknown size leaves free on the disk."""


class BadArchive(Exception):
    """It cannot be unpacked, or not safely. ``reason`` is a text in both languages."""

    def __init__(self, reason: dict[str, str]) -> None:
        super().__init__(reason["en"])
        self.reason = reason


def unpack(
    stream: BinaryIO,
    folder: str,
    *,
    digest: str,
    format: str,
    strip: int = 0,
    limit_bytes: int | None = None,
) -> tuple[list[str], int]:
    """Unpack an archive into a new folder, durably.

    Args:
        stream: the archive, seekable; its bytes are hashed before they are used.
        folder: must not be there yet; its parent must.
        digest: the SHA-256 it must have.
        format: ``zip`` or ``tar`` (compressed or not).
        strip: leading parts of the names that are dropped; what has no more is left out.
        limit_bytes: what it may unpack to; None: what the disk holds.

    Returns:
        The names of files and links, sorted, and the bytes written.

    Raises:
        BadArchive: it is not the one of the plan, damaged, unsafe, larger than it said, or of an unknown kind.
        OSError: the disk.
    """
    check_digest(stream, digest)
    members = zip_members if format == "zip" else tar_members
    folder = native.deep(folder)
    os.mkdir(folder, 0o700)
    free_bytes = native.free_bytes(folder)
    if limit_bytes is not None and limit_bytes > free_bytes:
        raise BadArchive(
            text(
                f"Ruang disk tidak cukup: perlu {limit_bytes} bita, ada {free_bytes}.",
                f"Not enough room on the disk: {limit_bytes} bytes are needed, {free_bytes} are there.",
            )
        )
    writing = Unpacking(folder, max(0, free_bytes - SPARE_BYTES) if limit_bytes is None else limit_bytes)
    try:
        for member in members(stream):
            name = stripped(member.name, strip)
            if name:
                target = stripped(member.target, strip) if member.kind == "hardlink" else member.target
                writing.add(name, member, target)
    except OSError as error:
        if error.errno is None:  # bz2 and gzip call bad bytes so
            raise damaged(error) from error
        raise
    except reading_errors() as error:
        raise damaged(error) from error
    return writing.finish()


def reading_errors() -> tuple[type[Exception], ...]:
    """What Python's readers raise for bytes that are no good archive."""
    import tarfile
    import zipfile
    import zlib

    found = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError)
    lzma = sys.modules.get("lzma")
    return (*found, lzma.LZMAError) if lzma else found


def check_digest(stream: BinaryIO, digest: str) -> None:
    """Hash a stream and go back to its beginning.

    Raises:
        BadArchive: it is another one.
    """
    import hashlib

    found = hashlib.sha256()
    while True:
        chunk = stream.read(files.CHUNK_BYTES)
        if not chunk:
            break
        found.update(chunk)
    if found.hexdigest() != digest:
        raise BadArchive(
            text(
                "Arsip di komputer ini rusak: SHA-256 tidak sama dengan rencana.",
                "The archive on this computer is damaged: its SHA-256 is not the plan's.",
            )
        )
    stream.seek(0)


def unsafe(name: str) -> BadArchive:
    """The reason for refusing an entry."""
    shown = name[:200]
    return BadArchive(
        text(
            f"Arsip ditolak: {shown!r} menunjuk ke luar foldernya.",
            f"The archive is refused: {shown!r} leads out of it.",
        )
    )


def twice(name: str) -> BadArchive:
    """The reason where one name stands for two things."""
    return BadArchive(
        text(f"Arsip rusak: {name[:200]!r} ganda.", f"The archive is damaged: {name[:200]!r} is there twice.")
    )


def stripped(name: str, strip: int) -> str:
    """A name as a clean relative path without its first parts; empty where nothing is left.

    Raises:
        BadArchive: it is absolute, has ``..`` in it, or characters that no path has.
    """
    if native.is_unfit(name):
        raise unsafe(name)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise unsafe(name)
    return "/".join(parts[strip:])


class Unpacking:
    """A folder that fills up. ``add`` every member, then ``finish``."""

    def __init__(self, folder: str, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self.size_bytes = 0
        self.modes: dict[str, int] = {}
        self.times: dict[str, float] = {}
        self.links: dict[str, str] = {}
        self.hard: dict[str, str] = {}
        self.written: set[str] = set()

    def add(self, name: str, member: Member, target: str) -> None:
        """Write a file or folder; remember a link. Of two with the same name the later one counts.

        Raises:
            BadArchive: it is unsafe or too large.
        """
        self.links.pop(name, None)
        self.hard.pop(name, None)
        path = native.below(self.folder, name)
        if member.kind == "other":
            raise BadArchive(
                text(
                    f"Arsip ditolak: {name[:200]!r} bukan berkas, folder, atau tautan.",
                    f"The archive is refused: {name[:200]!r} is neither file nor folder nor link.",
                )
            )
        if member.kind == "directory":
            self.make_folder(name)
            self.modes[name] = member.mode & 0o777
        else:
            self.make_folder(os.path.dirname(name))
            if os.path.isdir(path):
                raise twice(name)
            if name in self.written:
                native.unlink(path)
                self.written.discard(name)
        if member.kind == "link":
            self.links[name] = target
        elif member.kind == "hardlink":
            self.hard[name] = target
        elif member.kind == "file":
            self.write(name, path, member)
        if member.mtime is not None and member.kind in ("file", "directory"):
            self.times[name] = member.mtime

    def make_folder(self, name: str) -> None:
        """The folder and those above it."""
        path, known = self.folder, ""
        for part in name.split("/") if name else ():
            path, known = os.path.join(path, part), f"{known}/{part}" if known else part
            try:
                os.mkdir(path, 0o700)
                self.modes[known] = 0o755  # where the archive does not list it, no other mode comes
            except FileExistsError:
                if not os.path.isdir(path):
                    raise twice(name) from None
            # A remembered link of that name is gone now: the folder came later.
            self.links.pop(known, None)

    def write(self, name: str, path: str, member: Member) -> None:
        """One file's bytes, as many as it may have."""
        try:
            handle = os.open(path, native.NEW, 0o600)
        except FileExistsError:  # where case does not tell names apart
            raise twice(name) from None
        self.written.add(name)
        assert member.open is not None  # noqa: S101 - for the type checker: files have it
        with os.fdopen(handle, "wb") as target, member.open() as source:
            while True:
                chunk = source.read(files.CHUNK_BYTES)
                if not chunk:
                    break
                self.size_bytes += len(chunk)
                if self.size_bytes > self.limit_bytes:
                    raise BadArchive(
                        text(
                            f"Arsip ditolak: isinya lebih besar dari yang dinyatakan ({self.limit_bytes} bita).",
                            f"The archive is refused: it holds more than it says ({self.limit_bytes} bytes).",
                        )
                    )
                target.write(chunk)
            target.flush()
            native.own(handle, member.mode & 0o777, None)

    def finish(self) -> tuple[list[str], int]:
        """Links, times and modes of folders; then make everything durable."""
        there = set(self.written)
        for name, target in self.hard.items():
            if target not in there:
                raise unsafe(name)
            there.add(name)
            os.link(native.below(self.folder, target), native.below(self.folder, name))
        for name, target in self.links.items():
            if target.startswith("/") or "\0" in target or not target:
                raise unsafe(name)
            try:
                native.link_within(self.folder, name, target)
            except ValueError:
                raise unsafe(name) from None
        root = os.path.realpath(self.folder)
        for name in self.links:
            real = os.path.realpath(native.below(self.folder, name))
            if real != root and not real.startswith(root + os.sep):
                raise unsafe(name)
        self.sync()
        for name, mtime in sorted(self.times.items(), reverse=True):
            os.utime(native.below(self.folder, name), (mtime, mtime))
        for name, mode in sorted(self.modes.items(), reverse=True):
            native.set_mode(native.below(self.folder, name), mode | 0o700)
        native.open_to_all(self.folder)  # programs are for everybody to run
        files.sync_folder(self.folder)
        return sorted([*self.written, *self.hard, *self.links]), self.size_bytes

    def sync(self) -> None:
        """Bytes and names onto the disk."""
        if len(self.written) > SYNC_EACH and native.sync_all():
            return
        for name in self.written:
            native.sync_file(native.below(self.folder, name))
        for name in {os.path.dirname(name) for name in self.written}:
            files.sync_folder(native.below(self.folder, name))


def damaged(error: Exception) -> BadArchive:
    """The reason where the archive cannot be read."""
    return BadArchive(
        text(f"Arsip tidak dapat dibaca: {error}", f"The archive cannot be read: {error}"),
    )


def tar_members(stream: BinaryIO) -> Iterator[Member]:
    """The members of a tar, compressed in any way this Python knows, in order."""
    import tarfile

    kinds = {
        tarfile.REGTYPE: "file",
        tarfile.AREGTYPE: "file",
        tarfile.CONTTYPE: "file",
        tarfile.GNUTYPE_SPARSE: "file",
        tarfile.DIRTYPE: "directory",
        tarfile.SYMTYPE: "link",
        tarfile.LNKTYPE: "hardlink",
    }

    class WholeHeader(tarfile.TarInfo):
        """Where a header is cut off or none, Python would call that the end; the end is a block of zeros."""

        @classmethod
        def fromtarfile(cls, tarfile_: tarfile.TarFile) -> WholeHeader:
            try:
                return super().fromtarfile(tarfile_)
            except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # typeshed knows its base alone
                raise
            except tarfile.HeaderError as error:
                raise tarfile.ReadError(f"no header at {tarfile_.offset}: {error}") from error

    with tarfile.open(fileobj=stream, mode="r:*", tarinfo=WholeHeader) as archive:
        for row in archive:
            kind, mtime = kinds.get(row.type, "other"), float(row.mtime)
            yield Member(row.name, kind, row.size, row.mode, mtime, row.linkname, opener(archive.extractfile, row))
        while archive.fileobj and archive.fileobj.read(files.CHUNK_BYTES):
            pass  # to the end of the compressed stream, where its checksum stands


def opener(opens: Callable[[Any], IO[bytes] | None], row: Any) -> Callable[[], IO[bytes]]:
    """How the bytes of one member are read, later."""

    def opened() -> IO[bytes]:
        found = opens(row)
        assert found is not None  # noqa: S101 - for the type checker: asked for files alone
        return found

    return opened


def zip_members(stream: BinaryIO) -> Iterator[Member]:
    """The members of a zip, in order.

    Source: the upper half of the external attributes is the Unix mode where the archive was made on Unix.

    Raises:
        BadArchive: it is locked with a password.
    """
    import zipfile

    with zipfile.ZipFile(stream) as archive:
        # Source: APPNOTE.TXT 4.3.16: how many members there are (0xFFFF: told elsewhere); zipfile does not compare
        stream.seek(-22 - len(archive.comment), os.SEEK_END)
        last = stream.read(12)
        count = int.from_bytes(last[10:12], "little")
        if last[:4] == b"PK\5\6" and count not in (0xFFFF, len(archive.infolist()) & 0xFFFF):
            raise zipfile.BadZipFile("its directory names fewer members than it says")
        for row in archive.infolist():
            if row.flag_bits & 1:
                raise BadArchive(text("Arsip terkunci kata sandi.", "The archive is locked with a password."))
            unix = row.external_attr >> 16 if row.create_system == 3 else 0
            mode = stat.S_IMODE(unix) or (0o755 if row.is_dir() else 0o644)
            kind = "directory" if row.is_dir() else "file"
            target = ""
            if stat.S_ISLNK(unix):
                kind, target = "link", archive.read(row).decode("utf-8", "surrogateescape")
            elif stat.S_IFMT(unix) not in (0, stat.S_IFREG, stat.S_IFDIR):
                kind = "other"
            mtime = time.mktime((*row.date_time, 0, 0, -1)) if 1 <= row.date_time[1] <= 12 else None
            yield Member(row.filename, kind, row.file_size, mode, mtime, target, opener(archive.open, row))
