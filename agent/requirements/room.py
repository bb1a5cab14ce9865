"""Room on disks and in memory: how much there is, and how to say it."""

from __future__ import annotations

import os

from agent.files import expand
from agent.protocol import text
from agent.requirements import judged, row
from agent.words import both, measured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Hashable, Iterator, Tuple

    from agent.host import Host
    from agent.words import Text, Words

    Row = Dict[str, Any]
    Status = Tuple[int, int, bool]


class Filesystem:
    """What is needed on one filesystem, added up."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        """A folder on it that exists."""
        self.paths: list[str] = []
        """What people know it by: the paths that were named."""
        self.declared_bytes = 0
        self.unpacked_bytes = 0
        self.payload_bytes = 0

    @property
    def needed_bytes(self) -> int:
        """All together."""
        return self.declared_bytes + self.unpacked_bytes + self.payload_bytes


def device_of(folder: str) -> int:
    """The number of the device that a folder is on."""
    return os.stat(folder).st_dev


def status_of(folder: str) -> Status:
    """A filesystem's size (0 where it has none), what is free of it, and whether it can only be read.

    What is reserved for root is not counted, even for root: an installation that leaves the services' users without a
    byte has not succeeded; and the number is the one that ``df`` shows. A user's quota is not in it: statvfs(3) does
    not know it.
    """
    status = os.statvfs(folder)
    return status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize, bool(status.f_flag & os.ST_RDONLY)


def space(
    entries: list[dict[str, Any]],
    host: Host,
    *,
    already: bool,
    device_of: Callable[[str], Hashable] = device_of,
    status_of: Callable[[str], Status] = status_of,
) -> Iterator[Row]:
    """One row for each filesystem concerned; "Room for payloads" in ``docs/records.md`` says what adds up.

    Args:
        entries: of ``disk_free``.
        host: whose own folder takes the payloads that it does not hold yet.
        already: the software is in place and needs no more room.
        device_of: which filesystem a folder is on; as this module has it, or as the platform does.
        status_of: how much room there is.
    """
    filesystems: dict[Hashable, Filesystem] = {}
    stored: set[str] = set()
    for entry in entries:
        try:
            filesystem = filesystem_of(entry["path"], filesystems, device_of)
            filesystem.declared_bytes = max(filesystem.declared_bytes, int(entry.get("at_least_bytes") or 0))
            filesystem.unpacked_bytes += int(entry.get("unpacked_bytes") or 0)
            digest = entry.get("digest")
            if digest and digest not in stored and not os.path.exists(host.blob(digest)):
                stored.add(digest)
                filesystem_of(host.root, filesystems, device_of).payload_bytes += int(entry.get("payload_bytes") or 0)
        except OSError as error:
            path, needed = entry["path"], amount(int(entry.get("at_least_bytes") or 0), up=True, decimal=True)
            title = text(f"Ruang kosong di {path}", f"Free space on {path}")
            if isinstance(error, FileNotFoundError):
                reason = text(f"{path} tidak ada di komputer ini", f"there is no {path} on this computer")
                yield judged("disk_free", title, needed, "-", False, reason)
            else:
                yield closed("disk_free", title, needed, path, error)
    for filesystem in filesystems.values():
        if filesystem.needed_bytes:
            yield space_row(filesystem, status_of(filesystem.folder), already=already)


def filesystem_of(
    path: str, filesystems: dict[Hashable, Filesystem], device_of: Callable[[str], Hashable]
) -> Filesystem:
    """The filesystem that a path is or would be on, taken into ``filesystems`` by its device.

    Raises:
        OSError: it cannot be looked at.
    """
    folder = nearest(path)
    found = filesystems.setdefault(device_of(folder), Filesystem(folder))
    if path not in found.paths:
        found.paths.append(path)
    return found


def nearest(path: str) -> str:
    """The path, or the nearest folder above it that exists."""
    path = os.path.abspath(expand(path))
    while not os.path.exists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def space_row(filesystem: Filesystem, status: Status, *, already: bool) -> Row:
    """One filesystem's answer."""
    size, free, is_read_only = status
    needed = 0 if already else filesystem.needed_bytes
    paths = ", ".join(filesystem.paths)
    title = text(f"Ruang kosong di {paths}", f"Free space on {paths}")
    asked, there = amount(needed, up=True, decimal=True), amount(free, decimal=True)
    if not size:
        reason = text(
            f"sistem berkas {paths} tidak menyebutkan ukurannya", f"the filesystem of {paths} does not state its size"
        )
        return row("disk_free", title, asked, "?", "unknown", reason=reason)
    if needed and is_read_only:
        reason = text(f"{paths} hanya dapat dibaca", f"{paths} is mounted read-only")
        return judged("disk_free", title, asked, text("hanya dapat dibaca", "read-only"), False, reason)
    parts = [
        both(amount(part, decimal=True))
        for part in (filesystem.declared_bytes, filesystem.unpacked_bytes, filesystem.payload_bytes)
    ]
    lacking, wanted = both(there), both(asked)
    reason = text(
        f"ruang kosong di {paths} hanya {lacking['id']}, diperlukan {wanted['id']} "
        f"(diminta {parts[0]['id']}, isi paket {parts[1]['id']}, berkas pemasang {parts[2]['id']})",
        f"only {lacking['en']} free on {paths}, {wanted['en']} needed "
        f"(asked for {parts[0]['en']}, unpacked {parts[1]['en']}, installers {parts[2]['en']})",
    )
    return judged("disk_free", title, asked, there, free >= needed, reason)


def closed(kind: str, title: Text, needed: Words, path: str, error: OSError) -> Row:
    """A path that cannot be looked at."""
    reason = text(f"{path} tidak dapat diperiksa: {error.strerror}", f"{path} cannot be looked at: {error.strerror}")
    return row(kind, title, needed, "?", "unknown", reason=reason)


def files(entry: dict[str, Any], *, already: bool) -> Row:
    """How many files can still be made where a path is or would be."""
    path, needed = entry["path"], int(entry["at_least"])
    title = text(f"Inode kosong di {path}", f"Free inodes on {path}")
    try:
        status = os.statvfs(nearest(path))
    except OSError as error:
        return closed("inodes", title, f"≥ {needed}", path, error)
    free = status.f_favail
    reason = text(f"hanya {free} inode kosong di {path}", f"only {free} inodes are free on {path}")
    if not status.f_files:  # btrfs and others make them as needed
        return judged("inodes", title, f"≥ {needed}", "∞", True, reason)
    return judged("inodes", title, f"≥ {needed}", str(free), already or free >= needed, reason)


def ram_available_bytes(path: str = "/proc/meminfo") -> int | None:
    """Memory that programs could have without swapping; None where nothing tells.

    Source: proc(5), MemAvailable of /proc/meminfo in KiB.
    """
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import psutil
    except ImportError:
        return None
    return int(psutil.virtual_memory().available)


def amount(size_bytes: int, *, like: int | None = None, up: bool = False, decimal: bool = False) -> Words:
    """A size for people, three digits, rounded so that too little never looks like enough.

    Args:
        size_bytes: the size.
        like: shown in the kind of units (powers of 1000 or 1024) that fits this size; its own where none is given.
        up: rounded up (what is needed) instead of down (what was found).
        decimal: powers of 1000 in any case, as disks are sold and ``df -H`` counts.
    """
    even = like if like is not None else size_bytes
    base, units = (
        (1000, ("B", "kB", "MB", "GB", "TB")) if decimal or even % 2**20 else (1024, ("B", "KiB", "MiB", "GiB", "TiB"))
    )
    place, divisor = 0, 1
    while place < len(units) - 1 and size_bytes >= divisor * base:
        place, divisor = place + 1, divisor * base
    whole = size_bytes // divisor
    scale = 1 if not place or whole >= 100 else 10 if whole >= 10 else 100
    count = size_bytes * scale // divisor
    if up and count * divisor < size_bytes * scale:
        count += 1
    number = f"{count / scale:.2f}".rstrip("0").rstrip(".") if scale > 1 else str(count)
    return measured(number, units[place], units[place])
