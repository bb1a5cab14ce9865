"""Files to a Windows computer: a tar stream into the stdin of its own tar.exe. No PowerShell, no base64 of ours.

tar.exe is in system32 since Windows 10 1803 and Server 2019. Names may hold anything but what cmd.exe would read; each
file has its declared length, so that tar knows a stream that broke off from one that ended.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from controller.errors import HostError, LineLost
from controller.text import Text
from controller.transport.base import Channel, Transport
from controller.transport.winrm.shell import PIECE_BYTES

_FOLDER = re.compile(r"[A-Za-z]:\\[^\"%!^<>|*?/\x00-\x1f]*")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_SAID_LIMIT_BYTES = 300
_COUNTED_FILES = 50
"""Of more than so many, only the tail of what tar says is kept."""


@dataclass(frozen=True)
class File:
    """A file to send."""

    name: str
    """Below the folder, with ``/``; ASCII."""
    size_bytes: int
    data: Iterable[bytes]
    """Exactly ``size_bytes`` in all."""


def push(transport: Transport, folder: str, files: Sequence[File]) -> int:
    r"""Writes files below ``folder`` (``C:\…``, made where it is not there).

    What tar says it wrote is compared with what was sent; whether the bytes are right is the digests' business.

    Returns:
        How many bytes were sent, tar's own among them.

    Raises:
        LineLost: the line dropped: some of the files may be there, the last one in part.
        HostError: the computer could not write them, or has no tar.exe; a file has not the size it should have.
        ValueError: a folder or a name that cmd.exe could read otherwise.
    """
    folder = folder.rstrip("\\") if len(folder) > len("C:\\") else folder
    if not _FOLDER.fullmatch(folder) or any(not _NAME.fullmatch(file.name) for file in files):
        raise ValueError(f"not for a command line: {folder!r}, {[file.name for file in files]!r}")
    inside = f"{folder}." if folder.endswith("\\") else folder  # a backslash before a quote would be for the quote
    with transport.open(f'(if not exist "{inside}" mkdir "{inside}") & tar.exe -xvf - -C "{inside}"') as channel:
        try:
            for piece in _gathered(_archive(files)):
                channel.write(piece)
            channel.close_write()
        except LineLost as error:
            if _end(channel) is None:
                raise
            raise _not_written(channel, folder) from error
        status = _end(channel)
        wrote = sum(line.startswith("x ") for line in channel.errors().splitlines())
        if status != 0 or wrote == 0 or (wrote < len(files) and len(files) < _COUNTED_FILES):
            raise _not_written(channel, folder)
        return channel.sent_bytes


def _archive(files: Iterable[File]) -> Iterator[bytes]:
    for file in files:
        entry = tarfile.TarInfo(file.name)
        entry.size = file.size_bytes
        yield entry.tobuf(tarfile.PAX_FORMAT)
        sent_bytes = 0
        for data in file.data:
            sent_bytes += len(data)
            yield data
        if sent_bytes != file.size_bytes:
            raise HostError(
                Text(
                    f"{file.name}: {sent_bytes} byte, seharusnya {file.size_bytes}",
                    f"{file.name}: {sent_bytes} bytes, not {file.size_bytes}",
                ),
                hint=Text(
                    "berkas itu berubah selagi dikirim: periksa gudang", "it changed meanwhile: look at the depot"
                ),
            )
        yield bytes(-sent_bytes % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same in whole pieces: each is a question of its own to the computer."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) >= PIECE_BYTES:
            whole = len(held) - len(held) % PIECE_BYTES
            yield bytes(held[:whole])
            del held[:whole]
    yield bytes(held)


def _end(channel: Channel) -> int | None:
    """The exit code, once the program has ended; None where the line is gone."""
    try:
        while channel.read_line():
            pass
    except LineLost:
        return None
    return channel.exit_status()


def _not_written(channel: Channel, folder: str) -> HostError:
    said = [line for line in channel.errors().splitlines() if line.strip() and not line.startswith("x ")]
    why = " ".join(said[-1:])[:_SAID_LIMIT_BYTES]
    status = channel.exit_status()
    return HostError(
        Text(f"{folder} tidak tertulis (kode {status}): {why}", f"{folder} was not written (code {status}): {why}"),
        hint=Text(
            "periksa ruang disk dan hak tulis; perlu tar.exe (Windows 10 1803 atau Server 2019 ke atas)",
            "check disk space and rights; it needs tar.exe (Windows 10 1803 or Server 2019, or newer)",
        ),
    )
