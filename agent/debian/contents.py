"""What a .deb holds: the paths of its files, and their checksums as dpkg keeps them."""

from __future__ import annotations

import os

from agent.host import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

CHUNK_BYTES = 1024 * 1024
PATIENCE_S = 60.0


def paths(deb: str) -> set[str]:
    """The paths of all that is no folder.

    Raises:
        OSError: it cannot be read to its end.
    """
    return set(_read(deb, hashed=False))


def checksums(deb: str) -> dict[str, str]:
    """By path the MD5 of each file: what dpkg writes into ``info/<package>.md5sums`` for a .deb that brings none.

    Source: dpkg 1.16.3 and later; conffiles are among them, and a hard link has the checksum of its file.

    Raises:
        OSError: as ``paths``.
    """
    return {path: digest for path, digest in _read(deb, hashed=True).items() if digest}


def _read(deb: str, *, hashed: bool) -> dict[str, str]:
    """By path the MD5; empty for what is no file, and where none is asked for."""
    import tarfile

    found: dict[str, str] = {}
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, start.scratch() as nothing, start.scratch() as said:
        try:
            files = nothing.fileno(), writing, said.fileno()
            pid = start.spawn(["dpkg-deb", "--fsys-tarfile", deb], start.environment(), None, files, "")
        finally:
            os.close(writing)
        try:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for row in archive:
                    archive.members = []  # type: ignore[attr-defined]
                    path = row.name[1:] if row.name.startswith("./") else "/" + row.name
                    if row.islnk():
                        found[path] = found.get(row.linkname[1:], "")
                    elif not row.isdir():
                        content = archive.extractfile(row) if hashed and row.isreg() else None
                        found[path] = _md5(content) if content else ""  # type: ignore[arg-type]
                while stream.read(CHUNK_BYTES):  # what follows the last entry; dpkg-deb minds when nobody takes it
                    pass
        except tarfile.TarError as error:
            raise OSError(f"{deb}: {error}") from error
        finally:
            stream.close()
            code = start.wait(pid, PATIENCE_S)
    if code != 0:
        raise OSError(f"dpkg-deb: {code}")
    return found


def _md5(content: BinaryIO) -> str:
    import hashlib

    total = hashlib.md5()  # noqa: S324 - dpkg's own, compared with dpkg's
    while True:
        chunk = content.read(CHUNK_BYTES)
        if not chunk:
            return total.hexdigest()
        total.update(chunk)
