"""Compound files (OLE2), as far as an installer needs them: the streams of the root storage, each by its name.

Our own and not olefile, because a file may come from anywhere: whatever a header, a chain or a directory announces is
held against the size of the file before it is followed, so that no file costs more than its own size
(``docs/decisions/0063-what-a-windows-installer-says.md``).

Source: [MS-CFB] Compound File Binary File Format: 2.2 Compound File Header, 2.4 Mini FAT, 2.9 Size Limits.
"""

from __future__ import annotations

import struct
from array import array
from typing import IO

from controller.text import Text

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
STREAM_LIMIT_BYTES = 64 * 1024 * 1024
"""Of a stream that is read; the tables of the largest installers have some MB. The cabinets are never read."""
ENTRY_LIMIT = 100_000
_CUTOFF_BYTES = 4096
"""Smaller streams stand in the mini stream. Source: [MS-CFB] 2.2: the field must be 0x00001000."""
_FREE, _LAST_SECTOR = 0xFFFFFFFF, 0xFFFFFFFA
"""A free sector in the allocation table; numbers above the second are marks, no sectors."""
_NONE = 0xFFFFFFFF


class CompoundError(Exception):
    """The file is not what it must be; ``what`` in both languages."""

    def __init__(self, what: Text) -> None:
        super().__init__(what.en)
        self.what = what


class Compound:
    """An open compound file; ``file`` stays the caller's.

    Raises:
        CompoundError: it is damaged, cut off, or announces more than it has.
    """

    def __init__(self, file: IO[bytes], size_bytes: int) -> None:
        self._file = file
        head = _read(file, 0, 512)
        major, _, shift, mini_shift = struct.unpack_from("<HHHH", head, 26)
        if head[:8] != MAGIC or (major, shift) not in ((3, 9), (4, 12)) or mini_shift != 6:
            raise CompoundError(Text("kepala berkasnya salah", "its header is wrong"))
        self._sector_bytes = 1 << shift
        self._sectors = size_bytes // self._sector_bytes - 1
        """Whole ones; the header takes the place of one."""
        n_fat, directory, _, cutoff_bytes, mini_fat, n_mini_fat, difat, _ = struct.unpack_from("<8I", head, 44)
        if cutoff_bytes != _CUTOFF_BYTES:
            raise CompoundError(
                Text(
                    f"batas aliran kecilnya {cutoff_bytes} B, seharusnya {_CUTOFF_BYTES} B",
                    f"its cutoff of small streams is {cutoff_bytes} B and must be {_CUTOFF_BYTES} B",
                )
            )
        self._fat = self._table(head, n_fat, difat)
        last = len(self._fat) - 1
        while last >= self._sectors and self._fat[last] == _FREE:
            last -= 1
        if last >= self._sectors:
            need_bytes = (last + 2) * self._sector_bytes
            raise CompoundError(
                Text(f"terpotong: {size_bytes} dari {need_bytes} B", f"cut off: {size_bytes} of {need_bytes} B")
            )
        entries = self._chain(directory, None)
        if len(entries) // 128 > ENTRY_LIMIT:
            raise CompoundError(Text("terlalu banyak isi", "too many entries"))
        self._streams: dict[str, tuple[int, int]] = {}
        root = self._walk(entries)
        self._mini_fat = array("I")
        self._mini = b""
        if n_mini_fat:
            self._mini_fat = _numbers(self._chain(mini_fat, n_mini_fat * self._sector_bytes))
            self._mini = self._chain(root[0], root[1])

    def __contains__(self, name: str) -> bool:
        return name in self._streams

    def read(self, name: str) -> bytes:
        """The bytes of a stream of the root storage; empty where there is none."""
        if name not in self._streams:
            return b""
        start, size_bytes = self._streams[name]
        if size_bytes >= _CUTOFF_BYTES:
            return self._chain(start, size_bytes)
        parts: list[bytes] = []
        seen: set[int] = set()
        for _ in range(-(-size_bytes // 64)):
            if start >= len(self._mini_fat) or (start + 1) * 64 > len(self._mini) or start in seen:
                raise CompoundError(_broken())
            seen.add(start)
            parts.append(self._mini[start * 64 : start * 64 + 64])
            start = self._mini_fat[start]
        return b"".join(parts)[:size_bytes]

    def _sector(self, number: int) -> bytes:
        if number >= self._sectors:
            raise CompoundError(_broken())
        return _read(self._file, (number + 1) * self._sector_bytes, self._sector_bytes)

    def _table(self, head: bytes, n_fat: int, difat: int) -> array[int]:
        """The allocation table: no larger than the file needs, each of its sectors once."""
        if not 0 < n_fat <= self._sectors:
            raise CompoundError(_broken())
        places = list(struct.unpack_from("<109I", head, 76)[: min(n_fat, 109)])
        seen: set[int] = set()
        while len(places) < n_fat:
            if difat in seen:
                raise CompoundError(_broken())
            seen.add(difat)
            *more, difat = _numbers(self._sector(difat))
            places += more[: n_fat - len(places)]
        if len(set(places)) != len(places):
            raise CompoundError(_broken())
        table = array("I")
        for place in places:
            table.extend(_numbers(self._sector(place)))
        return table

    def _chain(self, start: int, size_bytes: int | None) -> bytes:
        """The bytes of a chain: as many as ``size_bytes``, or until it ends."""
        own_bytes = self._sectors * self._sector_bytes
        limit_bytes = min(STREAM_LIMIT_BYTES, own_bytes) if size_bytes is None else size_bytes
        if limit_bytes > own_bytes:
            raise CompoundError(_broken())
        if limit_bytes > STREAM_LIMIT_BYTES:
            raise CompoundError(Text("isinya terlalu besar", "a part of it is too large"))
        parts: list[bytes] = []
        seen: set[int] = set()
        for _ in range(-(-limit_bytes // self._sector_bytes)):
            if size_bytes is None and start > _LAST_SECTOR:
                break
            if start >= len(self._fat) or start in seen:
                raise CompoundError(_broken())
            seen.add(start)
            parts.append(self._sector(start))
            start = self._fat[start]
        return b"".join(parts)[:size_bytes]

    def _walk(self, entries: bytes) -> tuple[int, int]:
        """Note the streams of the root storage, not those of storages within it; start and size of the small ones."""
        count = len(entries) // 128
        if not count or entries[66] != 5:
            raise CompoundError(_broken())
        waiting, seen = [struct.unpack_from("<I", entries, 76)[0]], {0}
        while waiting:
            at = waiting.pop()
            if at == _NONE:
                continue
            if at >= count or at in seen:
                raise CompoundError(_broken())
            seen.add(at)
            name, name_bytes, kind, _, left, right, _ = struct.unpack_from("<64sHBBIII", entries, at * 128)
            waiting += (left, right)
            if kind == 2:
                text = name[: max(0, min(name_bytes, 64) - 2)].decode("utf-16-le", "replace")
                self._streams[text] = struct.unpack_from("<II", entries, at * 128 + 116)
        start, size_bytes = struct.unpack_from("<II", entries, 116)
        return start, size_bytes


def _broken() -> Text:
    return Text("susunan di dalamnya rusak", "its inner structure is broken")


def _numbers(content: bytes) -> array[int]:
    return array("I", struct.unpack(f"<{len(content) // 4}I", content[: len(content) // 4 * 4]))


def _read(file: IO[bytes], at: int, size_bytes: int) -> bytes:
    file.seek(at)
    content = file.read(size_bytes)
    if len(content) < size_bytes:
        raise CompoundError(Text("terpotong", "cut off"))
    return content
