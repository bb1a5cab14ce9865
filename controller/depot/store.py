"""Installers on disk, by SHA-256: ``<digest>/content`` and ``<digest>/item.json``.

An item appears whole or not at all: it is written beside its place, synced, and renamed. Two that add the same file at
once end with the same item. What a source file's digest is stays known by its size, time and inode, so that a second
run reads no installer; the computer that installs it verifies the digest anyway. ``item.json`` notes when ``content``
was last touched: what was touched since is hashed again before it counts as the item.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from controller.depot.inspect import Inspection, inspect
from controller.errors import FULL, DepotError, PasangError, Problem, disk_full
from controller.text import Text

CHUNK_BYTES = 1024 * 1024
LEFTOVER_S = 24 * 3600.0
"""Age from which an unfinished part is rubbish of a process that died."""
INSPECTION = 3
"""Version of what ``inspect`` finds; items inspected by another are inspected again."""


@dataclass(frozen=True)
class Item:
    """One installer in the depot."""

    digest: str
    size_bytes: int
    file: str
    """The name it had when it was taken in."""
    path: Path
    inspection: Inspection
    added_at: float
    """Seconds of the epoch."""

    def payload(self) -> dict[str, Any]:
        """Its entry among the plan's ``payloads``."""
        found = self.inspection
        return {
            "digest": self.digest,
            "size_bytes": self.size_bytes,
            "file": self.file,
            "format": found.format,
            "meta": dict(found.meta),
        }


class Depot:
    """The folder of installers; made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._hashed: dict[str, list[int]] = {}
        """Of items that were touched and are what they were: the traces, for a depot that cannot be written."""

    def add(self, file: Path, expected_digest: str | None = None, *, name: str | None = None) -> Item:
        """Take a file in: copied, hashed on the way, inspected, synced.

        Args:
            file: stays where it is.
            expected_digest: what it must be.
            name: what it shall be called; its own name where None.

        Raises:
            DepotError: it is missing, damaged, not what it says it is, not as expected, or the disk is full.
        """
        name = name or file.name
        known = self.seen(file)
        if known and (item := self.find(known)) is not None:
            _expect(str(file), expected_digest, known)
            return item
        try:
            with file.open("rb") as source:
                before = os.fstat(source.fileno())
                with self._part() as (part, target):
                    digest = _copy(source, target)
                    _expect(str(file), expected_digest, digest)
                    item = self._place(part, target, digest, name, str(file))
        except FileNotFoundError as error:
            if error.filename is not None and Path(error.filename) != file:
                raise _disk(error, self.path) from error
            raise DepotError(
                Text("berkas tidak ada", "there is no such file"),
                where=str(file),
                hint=Text("taruh di samping playbook atau di jalur ini", "put it beside the playbook or at this path"),
            ) from error
        except OSError as error:
            raise _disk(error, self.path if error.errno in (errno.EFBIG, errno.EROFS) else file) from error
        self._remember(file, before, digest)
        return item

    def get(self, digest: str) -> Item:
        """The item of a digest.

        Raises:
            DepotError: it is not here.
        """
        item = self.find(digest)
        if item is None and self.is_damaged(digest):
            raise DepotError(
                Text(f"{digest[:12]}… rusak di gudang", f"{digest[:12]}… is damaged in the depot"),
                where=str(self.path),
                hint=self.mending(digest),
            )
        if item is None:
            raise DepotError(
                Text(f"{digest[:12]}… tidak ada di gudang", f"{digest[:12]}… is not in the depot"),
                where=str(self.path),
                hint=Text("tambahkan dengan 'pasang depot add BERKAS'", "add it with 'pasang depot add FILE'"),
            )
        return item

    def find(self, digest: str) -> Item | None:
        """The item of a digest; None where it is not here, or not whole."""
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            return None
        folder = self.path / digest
        try:
            kept = json.loads((folder / "item.json").read_text(encoding="utf-8"))
            touched = _touched(folder / "content")
            size_bytes = touched[0]
            if kept["size_bytes"] != size_bytes:
                return None
            if touched not in (kept.get("touched"), self._hashed.get(digest)):
                if _hash(folder / "content") != digest:
                    return None
                kept["touched"] = self._hashed[digest] = touched
                with contextlib.suppress(OSError):  # of others, to read alone: hashed again by the next command
                    _write(folder / "item.json", kept)
            if kept["inspected"] != INSPECTION:
                found = inspect(folder / "content", name=kept["file"])
                kept |= {"format": found.format, "meta": dict(found.meta), "inspected": INSPECTION}
                _write(folder / "item.json", kept)
            inspection = Inspection(kept["format"], kept["meta"])
            return Item(digest, size_bytes, kept["file"], folder / "content", inspection, kept["added_at"])
        except (OSError, ValueError, KeyError, TypeError, DepotError):
            return None

    def is_damaged(self, digest: str) -> bool:
        """Whether something stands in the place of an item that is not the item."""
        return (self.path / digest / "content").exists() and self.find(digest) is None

    def mending(self, digest: str) -> Text:
        """What to do about an item that is damaged."""
        folder = self.path / digest
        return Text(
            f"lihat `pasang depot verify`; hapus folder {folder}, lalu tambahkan lagi berkas aslinya",
            f"see `pasang depot verify`; delete the folder {folder}, then add the original file again",
        )

    def items(self) -> list[Item]:
        """Every item, by name and digest."""
        try:
            names = [e.name for e in os.scandir(self.path) if e.is_dir()]
        except OSError:
            return []
        items = [item for name in names if (item := self.find(name)) is not None]
        return sorted(items, key=lambda i: (i.file, i.digest))

    def verify(self) -> list[Problem]:
        """Hash everything again; what is not as it was. Old leftovers are removed on the way."""
        self._sweep()
        problems: list[Problem] = []
        try:
            folders = sorted(
                e.name for e in os.scandir(self.path) if e.is_dir() and re.fullmatch(r"[0-9a-f]{64}", e.name)
            )
        except OSError:
            return []
        for digest in folders:
            path = self.path / digest / "content"
            hint = Text(
                f"hapus folder {path.parent}, lalu tambahkan lagi berkas aslinya",
                f"delete the folder {path.parent}, then add the original file again",
            )
            try:
                found = _hash(path)
            except FileNotFoundError:
                found = ""
            except OSError as error:
                reason = error.strerror or ""
                problems.append(
                    Problem(str(path), Text(f"tidak dapat dibaca: {reason}", f"cannot be read: {reason}"), hint)
                )
                continue
            if found and found != digest:
                what = Text(f"isinya berubah: kini {found}", f"its content has changed: it is now {found}")
                problems.append(Problem(str(path), what, hint))
            elif self.find(digest) is None:
                what = Text(f"{digest[:12]}… tidak utuh", f"{digest[:12]}… is not whole")
                problems.append(Problem(str(path), what, hint))
        return problems

    def seen(self, file: Path) -> str | None:
        """The digest a file had when it was last read, if it has not been touched since."""
        try:
            now = file.stat()
            kept = json.loads(self._memory(file).read_text(encoding="utf-8"))
            same = [now.st_size, now.st_mtime_ns, now.st_ino] == kept["stat"]
            return str(kept["digest"]) if same else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _memory(self, file: Path) -> Path:
        key = hashlib.sha256(os.fsencode(file.absolute())).hexdigest()
        return self.path / "seen" / f"{key[:32]}.json"

    def _remember(self, file: Path, before: os.stat_result, digest: str) -> None:
        # a file changed within the clock's grain of being read could change again unseen: forget rather than trust
        if time.time_ns() - before.st_mtime_ns < 2_000_000_000:
            return
        with contextlib.suppress(OSError):  # a memory that cannot be kept costs time, nothing else
            after = file.stat()
            stat = [after.st_size, after.st_mtime_ns, after.st_ino]
            if stat == [before.st_size, before.st_mtime_ns, before.st_ino]:
                path = self._memory(file)
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(path, {"file": str(file.absolute()), "stat": stat, "digest": digest})

    @contextlib.contextmanager
    def _part(self) -> Iterator[tuple[Path, BinaryIO]]:
        """A new file of our own in the depot; gone afterwards unless it was moved."""
        folder = self.path / "parts"
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        part = folder / f"{os.getpid()}-{time.monotonic_ns()}-{os.urandom(4).hex()}"
        part.mkdir()
        try:
            with (part / "content").open("xb") as target:
                yield part, target
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _place(self, part: Path, target: BinaryIO, digest: str, name: str, where: str) -> Item:
        """Inspect what was written to ``part`` and move it to its place."""
        target.flush()
        os.fsync(target.fileno())
        found = inspect(part / "content", name=name, where=where)
        size_bytes = target.tell()
        target.close()
        kept = {
            "file": name,
            "size_bytes": size_bytes,
            "added_at": round(time.time(), 3),
            "inspected": INSPECTION,
            "touched": _touched(part / "content"),
            **asdict(found),
        }
        _write(part / "item.json", kept)
        _sync_folder(part)
        final = self.path / digest
        if final.exists():  # looked for first: what comes between the two questions is whole
            present = self.find(digest)
            if present is not None:
                return present
            final.rename(part.with_name(part.name + "-broken"))  # somebody's hand, or a disk that lost it
        try:
            part.rename(final)
        except OSError:
            present = self.find(digest)  # another was faster
            if present is None:
                raise
            return present
        _sync_folder(self.path)
        return Item(digest, size_bytes, name, final / "content", found, float(kept["added_at"]))

    def _sweep(self) -> None:
        with contextlib.suppress(OSError):
            for entry in os.scandir(self.path / "parts"):
                if time.time() - entry.stat().st_mtime > LEFTOVER_S:
                    shutil.rmtree(entry.path, ignore_errors=True)
                    with contextlib.suppress(OSError):
                        Path(entry.path).unlink(missing_ok=True)


def _touched(path: Path) -> list[int]:
    """What a file cannot be changed without changing: its size and the times of its content and its inode."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _hash(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _copy(source: BinaryIO, target: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(CHUNK_BYTES):
        digest.update(chunk)
        target.write(chunk)
    return digest.hexdigest()


def _write(path: Path, content: dict[str, Any]) -> None:
    """A JSON file, whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        with part.open("x", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows has no handle of a folder to sync
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _expect(where: str, expected: str | None, found: str) -> None:
    """Raises: DepotError: the digest is not what was expected."""
    if expected is not None and expected != found:
        raise DepotError(
            Text(
                f"SHA-256 tidak cocok: diharapkan {expected}, ditemukan {found}",
                f"wrong SHA-256: expected {expected}, found {found}",
            ),
            where=where,
            hint=Text(
                "unduh lagi dari penerbitnya; bila berkas ini memang benar, perbarui sha256 di playbook",
                "download it again from its publisher; if this file is the right one, update sha256 in the playbook",
            ),
        )


def _disk(error: OSError, where: Path) -> PasangError:
    if error.errno in FULL:
        return disk_full(error)
    reason = error.strerror or type(error).__name__
    return DepotError(
        Text(f"tidak dapat disimpan atau dibaca: {reason}", f"cannot be kept or read: {reason}"),
        where=str(error.filename or where),
        hint=Text(
            "periksa ruang disk dan hak baca; tidak ada yang berubah",
            "check disk space and permissions; nothing was changed",
        ),
    )
