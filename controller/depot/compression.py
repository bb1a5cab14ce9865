"""Streams out of gz, bz2, xz, zst or plain files, by their first bytes."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import IO, Any, cast


class NoDecoder(Exception):
    """Nothing on this machine reads this compression."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@contextlib.contextmanager
def open_compressed(path: Path) -> Iterator[io.BufferedReader]:
    """The content of a file, decompressed.

    Raises:
        NoDecoder: it is zst, and there is neither Python 3.14's decoder nor the program ``zstd``.
    """
    with path.open("rb") as raw, decompressed(raw) as stream:
        yield stream


@contextlib.contextmanager
def decompressed(raw: IO[bytes]) -> Iterator[io.BufferedReader]:
    """The content of a stream that can seek, decompressed from where it stands.

    Raises:
        NoDecoder: as ``open_compressed``.
    """
    start = raw.tell()
    head = raw.read(6)
    raw.seek(start)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        with _zstd(raw) as stream:
            yield stream
        return
    opened: Any
    if head.startswith(b"\x1f\x8b"):
        import gzip

        opened = gzip.GzipFile(fileobj=raw)
    elif head.startswith(b"BZh"):
        import bz2

        opened = bz2.BZ2File(raw)
    elif head.startswith(b"\xfd7zXZ\x00") or head[:1] == b"\x5d":
        import lzma

        opened = lzma.LZMAFile(raw)  # noqa: SIM115 - closing it is for the caller, who owns the raw file
    else:
        opened = raw
    yield io.BufferedReader(opened, 256 * 1024)


@contextlib.contextmanager
def _zstd(raw: IO[bytes]) -> Iterator[io.BufferedReader]:
    try:
        module = import_module("compression.zstd")  # Python 3.14
    except ImportError:
        pass
    else:
        yield io.BufferedReader(module.ZstdFile(raw), 256 * 1024)
        return
    with contextlib.ExitStack() as stack:
        spool = raw
        try:
            os.lseek(raw.fileno(), raw.tell(), os.SEEK_SET)  # where Python's own buffer says it stands
        except (OSError, AttributeError):  # a part of another file: the program needs a file of its own
            import shutil
            import tempfile

            spool = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(raw, spool)
            spool.seek(0)
        try:
            process = subprocess.Popen(["zstd", "-dcq"], stdin=spool, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except OSError as error:
            raise NoDecoder("zstd") from error
        stack.enter_context(process)
        output = cast("io.BufferedReader", process.stdout)
        try:
            yield output
            while output.read(256 * 1024):
                pass
        finally:
            output.close()
        if process.wait() != 0:
            raise EOFError("zstd")
