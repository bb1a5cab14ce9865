"""SHA-256 without the cost of what is not used.

The interpreter's own implementation is there at once and is as good for small things. OpenSSL's is five times as fast
and takes 2.4 ms to load: it is for a megabyte and more, and for everything once it is there.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

try:
    from _sha2 import sha256 as small_sha256  # Python 3.12 and later
except ImportError:
    try:
        from _sha256 import sha256 as small_sha256
    except ImportError:
        from hashlib import sha256 as small_sha256

LARGE_BYTES = 1024 * 1024
CHUNK_BYTES = 1024 * 1024


def sha256(data: bytes = b"") -> Any:
    """A SHA-256 object as ``hashlib``'s."""
    library = sys.modules.get("_hashlib")
    return library.openssl_sha256(data) if library else small_sha256(data)


def expect_bytes(size_bytes: int) -> None:
    """So many bytes are about to be hashed: OpenSSL is loaded where they are worth it, and it can be had."""
    if size_bytes >= LARGE_BYTES:
        try:
            import _hashlib  # noqa: F401 - `sha256` finds it among the modules
        except ImportError:
            return


def sha256_of_file(path: str) -> str:
    """The SHA-256 of a file's bytes, in hex.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        expect_bytes(os.fstat(file.fileno()).st_size)
        total = sha256()
        while True:
            chunk = file.read(CHUNK_BYTES)
            if not chunk:
                return str(total.hexdigest())
            total.update(chunk)
