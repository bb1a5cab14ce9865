"""What a log says, or must not say: only what was written since the run began.

Where a log stood then is kept as a *mark*: its size, its inode and a digest of the bytes before its end. A log that
was turned over (renamed and begun anew) is found again by its inode under its new name; one that was emptied no longer
has those bytes there.
"""

from __future__ import annotations

import os
import stat

from agent.digest import sha256
from agent.files import expand
from agent.probes import Answer, CannotTell
from agent.probes.patterns import TEXT_LIMIT, search, short
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, Dict, Tuple

    from agent.host import Host
    from agent.redact import Redactor

    Mark = Dict[str, Any]
    Range = Tuple[str, int, int]

SCAN_LIMIT_BYTES = 16 * 1024 * 1024
"""So much of what was written is searched: its end."""
FINGERPRINT_BYTES = 48
JOURNAL_PATIENCE_S = 20.0


def marks(probes: Sequence[dict[str, Any]], host: Host) -> dict[str, Mark]:
    """Where every log that will be asked about ends now; taken when the run begins, for ``since["logs"]``.

    Args:
        probes: of the whole variant; those of other kinds are passed over.
        host: the computer.
    """
    paths = [path_of(spec, host) for spec in probes if spec["kind"] == "log"]
    return {path: mark_of(expand(path)) for path in paths if path}


def path_of(spec: dict[str, Any], host: Host) -> str | None:
    """The file that a probe reads; None where it is systemd's journal."""
    if spec.get("path"):
        return str(spec["path"])
    from agent.managers import manager_of

    unit = str(spec["unit"])
    if manager_of(unit, host).name != "processes":
        return None
    name = unit[: -len(".service")] if unit.endswith(".service") else unit
    return os.path.join(host.root, "services", name.replace("/", "-") + ".log")


def mark_of(path: str) -> Mark:
    """One log's mark; a log that is not there yet ends at 0."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return {"size_bytes": 0, "inode": status.st_ino, "before": ""}
        return {"size_bytes": status.st_size, "inode": status.st_ino, "before": before(path, status.st_size)}
    except OSError:
        return {"size_bytes": 0, "inode": 0, "before": ""}


def before(path: str, end: int) -> str:
    """The digest of the bytes before a place in a file: what they are, part of a secret perhaps, no record tells."""
    start = max(0, end - FINGERPRINT_BYTES)
    with open(path, "rb", buffering=0) as file:
        file.seek(start)
        return str(sha256(file.read(end - start)).hexdigest())


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked, for the form."""
    log = spec.get("path") or spec["unit"]
    if spec.get("matches") is not None:
        return text(f"Catatan {log} memuat {short(spec['matches'])}", f"Log {log} says {short(spec['matches'])}")
    return text(f"Catatan {log} tanpa {short(spec['absent'])}", f"Log {log} without {short(spec['absent'])}")


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Search what was written since the run began."""
    path = path_of(spec, host)
    if path is None:
        return judge(spec, [journal_of(spec["unit"], host, since)], 0, host.secrets)
    ranges, skipped = limited(written(path, since))
    return judge(spec, pieces_of(ranges), skipped, host.secrets)


def judge(spec: dict[str, Any], pieces: Iterable[str], skipped: int, secrets: Redactor) -> Answer:
    """Hold both patterns against the pieces, the newest last."""
    matches, absent = spec.get("matches"), spec.get("absent")
    line, size = "", 0
    for piece in pieces:
        size += len(piece)
        if absent is not None:
            unwanted = search(absent, piece)
            if unwanted is not None:
                found = line_at(piece, unwanted.start(), secrets)
                reason = text(f"catatannya memuat {short(found, 160)}", f"the log says {short(found, 160)}")
                return Answer("failed", found=short(found), reason=reason, final=True)
        if matches is not None and not line:
            match = search(matches, piece)
            line = line_at(piece, match.start(), secrets) or secrets.part(piece, *match.span()) if match else ""
    length = text(f"{size} karakter", f"{size} chars")
    if skipped and (absent is not None or not line):
        reason = text(
            f"terlalu banyak yang ditulis: {skipped} byte tidak dibaca",
            f"too much was written: {skipped} bytes were not read",
        )
        return Answer("unknown", found="?", reason=reason)
    if matches is not None and not line:
        reason = text(
            "yang dicari belum tertulis sejak proses instalasi dimulai", "it has not been written since the run began"
        )
        return Answer("failed", found=length, reason=reason)
    return Answer("passed", found=short(line) if line else length)


def written(path: str, since: dict[str, Any]) -> list[Range]:
    """Which parts of which files were written since the run began, the oldest first.

    Raises:
        CannotTell: nobody marked where the log ended then.
        OSError: it cannot be looked at.
    """
    kept = (since.get("logs") or {}).get(path)
    if kept is None:
        raise CannotTell(
            text(
                f"tidak tercatat sampai mana {path} terisi saat proses instalasi dimulai",
                f"it was not noted where {path} ended when the run began",
            )
        )
    path = expand(path)
    mark: Mark = kept if isinstance(kept, dict) else {"size_bytes": int(kept), "inode": 0, "before": ""}
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return [one for one in turned_over(path, mark, float(since.get("at") or 0), 0) if one[1] < one[2]]
    if not stat.S_ISREG(status.st_mode):
        raise CannotTell(text(f"{path} bukan berkas biasa", f"{path} is not a regular file"))
    if goes_on(path, status, mark):
        return [(path, mark["size_bytes"], status.st_size)]
    older = turned_over(path, mark, float(since.get("at") or 0), status.st_ino)
    return [one for one in [*older, (path, 0, status.st_size)] if one[1] < one[2]]


def goes_on(path: str, status: os.stat_result, mark: Mark) -> bool:
    """Whether a log is the one that was marked, with nothing of it gone."""
    if status.st_size < mark["size_bytes"] or (mark["inode"] and status.st_ino != mark["inode"]):
        return False
    return not mark["before"] or before(path, mark["size_bytes"]) == mark["before"]


def turned_over(path: str, mark: Mark, began_at: float, inode_now: int) -> list[Range]:
    """What of a log went to other names since the run began (``x.log.1``, ``x.log-20261122``), the oldest first.

    Raises:
        CannotTell: it was packed meanwhile.
    """
    folder, name = os.path.split(path)
    try:
        with os.scandir(folder or ".") as found:
            entries = [entry for entry in found if entry.name.startswith((name + ".", name + "-")) and entry.is_file()]
    except FileNotFoundError:
        return []
    rows = []
    for entry in entries:
        status = entry.stat()
        if status.st_ino == inode_now or (status.st_mtime < began_at and status.st_ino != mark["inode"]):
            continue
        if entry.name.endswith((".gz", ".xz", ".bz2", ".zst")):
            raise CannotTell(text(f"{entry.path} sudah dimampatkan", f"{entry.path} has been packed meanwhile"))
        # Under its old inode it is the log that was marked; a copy of it (copytruncate) still has the marked bytes.
        is_marked = goes_on(entry.path, status, dict(mark, inode=0)) and bool(mark["size_bytes"])
        start = mark["size_bytes"] if status.st_ino == mark["inode"] or is_marked else 0
        rows.append((status.st_mtime, (entry.path, start, status.st_size)))
    return [row for _, row in sorted(rows)]


def limited(ranges: list[Range]) -> tuple[list[Range], int]:
    """The end of what was written, as much as is searched, and how many bytes before it are not."""
    room = SCAN_LIMIT_BYTES
    kept: list[Range] = []
    skipped = 0
    for path, start, end in reversed(ranges):
        taken = min(room, end - start)
        room -= taken
        skipped += end - start - taken
        if taken:
            kept.insert(0, (path, end - taken, end))
    return kept, skipped


def pieces_of(ranges: list[Range]) -> Iterator[str]:
    """The text of the ranges in pieces that end with a line, none longer than what is searched at once."""
    for path, start, end in ranges:
        with open(path, "rb", buffering=0) as file:
            file.seek(start)
            carried = b""
            while start < end:
                chunk = file.read(min(TEXT_LIMIT // 2, end - start))
                if not chunk:
                    break
                start += len(chunk)
                data = carried + chunk
                cut = data.rfind(b"\n") + 1 if start < end else len(data)
                if not cut and len(data) < TEXT_LIMIT // 2:
                    cut = 0
                elif not cut:
                    cut = len(data)  # a line longer than a piece: cut it
                carried = data[cut:]
                if cut:
                    yield data[:cut].decode("utf-8", "replace")
            if carried:
                yield carried.decode("utf-8", "replace")


def needed(spec: dict[str, Any]) -> str:
    """What is asked, as a short line."""
    parts = [short(spec["matches"], 60)] if spec.get("matches") is not None else []
    if spec.get("absent") is not None:
        parts.append("≠ " + short(spec["absent"], 60))
    return ", ".join(parts)


def line_at(content: str, place: int, secrets: Redactor) -> str:
    """The line that a place in a text is on, without secrets."""
    start = content.rfind("\n", 0, place) + 1
    end = content.find("\n", place)
    return secrets.part(content, start, end if end >= 0 else None).strip()


def journal_of(unit: str, host: Host, since: dict[str, Any]) -> str:
    """What a unit wrote to systemd's journal since the run began.

    Raises:
        CannotTell: there is no journal, or it is not open to this user.
        OSError: journalctl cannot be started.
    """
    from agent.managers import manager_of

    of_user = manager_of(unit, host).name == "systemd --user"
    result = host.run(
        [
            "journalctl",
            "--user-unit" if of_user else "--unit",
            unit,
            f"--since=@{float(since['at']):.3f}",
            "-q",
            "-o",
            "cat",
            "--no-pager",
        ],
        timeout_s=JOURNAL_PATIENCE_S,
    )
    if not result.ok:
        said = short(result.said)
        raise CannotTell(text(f"jurnal sistem tidak dapat dibaca: {said}", f"the journal cannot be read: {said}"))
    if not result.out and not host.is_administrator and not of_user:
        raise CannotTell(
            text("jurnal sistem hanya terbuka bagi administrator", "the journal is open to administrators only")
        )
    return result.out
