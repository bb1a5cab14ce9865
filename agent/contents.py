"""What small files held before the first effect: for those that an installer changes behind everybody's back."""

from __future__ import annotations

import os

from agent.files import remove

CONTENT_FILE = "before.contents"
CONTENT_LIMIT_BYTES = 16 * 1024 * 1024


class Contents:
    """The content of small files as they were, by SHA-256, in one file of the run's folder."""

    def __init__(self, folder: str, index: dict[str, list[int]] | None = None) -> None:
        self.index: dict[str, list[int]] = index or {}
        """By digest: offset and size."""
        self._path = os.path.join(folder, CONTENT_FILE)
        self._parts: list[bytes] = []
        self._size_bytes = 0

    def add(self, digest: str, data: bytes) -> None:
        """Remember a content, as far as there is room."""
        if digest not in self.index and self._size_bytes + len(data) <= CONTENT_LIMIT_BYTES:
            self.index[digest] = [self._size_bytes, len(data)]
            self._parts.append(data)
            self._size_bytes += len(data)

    def save(self) -> None:
        """Write what was added; durable once this returns.

        Raises:
            OSError: it could not; nothing of it takes up room.
        """
        try:
            with open(self._path, "wb") as file:
                file.write(b"".join(self._parts))
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            remove(self._path)
            raise
        self._parts = []

    def read(self, digest: str) -> bytes | None:
        """A content; None where it was not kept."""
        if digest not in self.index:
            return None
        offset, size_bytes = self.index[digest]
        with open(self._path, "rb") as file:
            file.seek(offset)
            return file.read(size_bytes)
