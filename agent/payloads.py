"""Payloads on their way in: gone on with where a line broke off, each chunk once, and whole in the end.

What a crash or a bad disk made of the bytes that had come shows only then, by the payload's digest. The controller is
asked for the digest of every chunk in that case, and for those chunks alone that are not right.
"""

from __future__ import annotations

import os

from agent.digest import sha256_of_file
from agent.host import native
from agent.protocol import CHUNK_BYTES, ProtocolError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

    from agent.host import Host
    from agent.inbox import Inbox, Outbox

CHUNKS_LIMIT = 32768
"""In more than so many chunks no payload is compared, however large: one line must be able to name those wanted."""


def fetch(plan: dict[str, Any], variant: dict[str, Any], host: Host, inbox: Inbox, outbox: Outbox) -> None:
    """Ask for the payloads of a variant that are not here, from where an earlier try stopped.

    Raises:
        StepFailed: the disk is full, or what arrived is not what was promised.
        ConnectionError: the line ended or fell silent, or another contact is receiving the same; what came is kept.
        ProtocolError: the controller sent something else.
    """
    payloads = [plan["payloads"][name] for name in payloads_of(variant)]
    sizes = {p["digest"]: p["size_bytes"] for p in payloads}
    parts: list[Part] = []
    try:
        for digest, size_bytes in sizes.items():
            if not is_whole(host.blob(digest)):
                parts.append(Part(host.blob(digest), size_bytes))
        if parts:
            take_in(parts, inbox, outbox)
    except NotStored as error:
        for part in parts:
            part.remove()
        raise failed(error.reason) from error
    finally:
        for part in parts:
            part.close()
    for digest in sizes:
        os.utime(host.blob(digest))


def take_in(parts: list[Part], inbox: Inbox, outbox: Outbox) -> None:
    """Receive what is missing of each, and put each in its place.

    Raises:
        NotStored: the disk is full, or one of them is not what was promised.
    """
    need(outbox, [{"blob": part.digest, "offset": part.have_bytes} for part in parts])
    damaged = []
    for part in parts:
        part.take(inbox, part.have_bytes, part.size_bytes - part.have_bytes)
        if not part.put_in_place():
            damaged.append(part)
    for part in damaged:
        mend(part, inbox, outbox)
        if not part.put_in_place():
            raise NotStored(text("kiriman rusak di perjalanan", "what was sent arrived damaged"))


def mend(part: Part, inbox: Inbox, outbox: Outbox) -> None:
    """Have those chunks again that are not what the controller has."""
    chunk_bytes = max(CHUNK_BYTES, -(-part.size_bytes // CHUNKS_LIMIT))
    need(outbox, [{"blob": part.digest, "chunk_bytes": chunk_bytes}])
    wanted: list[list[int]] = []
    offset = 0
    for sum_ in sums(inbox, part.digest, -(-part.size_bytes // chunk_bytes)):
        size_bytes = min(chunk_bytes, part.size_bytes - offset)
        if part.sum(offset, size_bytes) != sum_:
            if wanted and sum(wanted[-1]) == offset:
                wanted[-1][1] += size_bytes
            else:
                wanted.append([offset, size_bytes])
        offset += size_bytes
    if wanted:
        need(outbox, [{"blob": part.digest, "offset": offset, "size": size} for offset, size in wanted])
    for offset, size_bytes in wanted:
        part.take(inbox, offset, size_bytes)


def need(outbox: Outbox, blobs: list[dict[str, Any]]) -> None:
    """Ask the controller."""
    outbox.send({"answer": "need", "blobs": blobs})


def sums(inbox: Inbox, digest: str, count: int) -> Iterator[str]:
    """So many digests of chunks, in order, as they come.

    Raises:
        ProtocolError: something else comes.
    """
    while count:
        frame = inbox.frame()
        told = frame.get("sums")
        if frame.get("blob") != digest or not isinstance(told, list) or not 0 < len(told) <= count:
            raise ProtocolError("the controller did not say what it was asked for")
        count -= len(told)
        yield from told


class NotStored(Exception):
    """A payload cannot be had; ``reason`` says why."""

    def __init__(self, reason: dict[str, str]) -> None:
        super().__init__(reason["en"])
        self.reason = reason


class Part:
    """What has come of one payload: a file into which nobody else writes while it is open."""

    def __init__(self, path: str, size_bytes: int) -> None:
        """Open it, or begin it.

        Args:
            path: where the payload belongs; its name is its digest.
            size_bytes: what it will have when it is whole.

        Raises:
            NotStored: it cannot be made.
            ConnectionError: another process has it open.
        """
        self.digest = os.path.basename(path)
        self.size_bytes = size_bytes
        self._path = path
        self._part = path + ".part"
        try:
            self._handle = native.open_shared(self._part)
        except OSError as error:
            raise not_stored(error) from error
        if not self._is_ours():
            self.close()
            raise ConnectionAbortedError("another contact is receiving it")
        self.have_bytes = min(os.fstat(self._handle).st_size, size_bytes)
        os.ftruncate(self._handle, self.have_bytes)

    def _is_ours(self) -> bool:
        try:
            native.lock(self._handle, waits=False)
            # Whoever had it open may have put it in place meanwhile: then what we have open is the payload itself.
            return os.path.samestat(os.fstat(self._handle), os.stat(self._part))
        except (BlockingIOError, FileNotFoundError):
            return False

    def take(self, inbox: Inbox, offset: int, size_bytes: int) -> None:
        """Receive what was asked for; whatever comes of it stays, however the line ends.

        Raises:
            NotStored: the disk is full.
            ConnectionError, ProtocolError: as the inbox; also where something else comes.
        """
        frame = inbox.frame()
        if [frame.get(key) for key in ("blob", "offset", "size")] != [self.digest, offset, size_bytes]:
            raise ProtocolError("the controller did not send what was asked for")
        end = offset + size_bytes
        while offset < end:
            data = inbox.read(min(CHUNK_BYTES, end - offset))
            try:
                while data:
                    written = native.write_at(self._handle, data, offset)
                    data, offset = data[written:], offset + written
            except OSError as error:
                raise not_stored(error) from error

    def sum(self, offset: int, size_bytes: int) -> str:
        """The SHA-256 of a piece as it stands on the disk, in hex."""
        import hashlib

        return hashlib.sha256(native.read_at(self._handle, size_bytes, offset)).hexdigest()

    def put_in_place(self) -> bool:
        """Make the payload of it; False, and nothing done, where it is not whole.

        Raises:
            NotStored: the disk is full.
        """
        try:
            os.fsync(self._handle)
        except OSError as error:
            raise not_stored(error) from error
        if sha256_of_file(self._part) != self.digest:
            return False
        native.replace(self._part, self._path)
        return True

    def remove(self) -> None:
        """Give up what came."""
        if os.path.exists(self._part):
            os.unlink(self._part)

    def close(self) -> None:
        """Let others at it."""
        os.close(self._handle)


def not_stored(error: OSError) -> NotStored:
    """What the disk says."""
    return NotStored(text(f"kiriman tidak dapat disimpan: {error}", f"what was sent cannot be stored: {error}"))


def failed(reason: dict[str, str]) -> Exception:
    """The failure of step 5 for a reason."""
    from agent.run import StepFailed

    return StepFailed(5, reason)


def is_whole(path: str) -> bool:
    """Whether a payload is kept here and still what its name says; one that is not is removed."""
    if not os.path.exists(path):
        return False
    if sha256_of_file(path) == os.path.basename(path):
        return True
    os.unlink(path)
    return False


def payloads_of(variant: dict[str, Any]) -> list[str]:
    """The names of the payloads that a variant's actions use, in order."""
    sections = [
        variant.get("install") or [],
        variant.get("run") or [],
        (variant.get("configure") or {}).get("actions") or [],
    ]
    names: list[str] = []
    for spec in (s for section in sections for s in section):
        names += spec.get("payloads") or []
        if spec.get("payload"):
            names.append(spec["payload"])
        names += spec.get("transforms") or []
    return list(dict.fromkeys(names))
