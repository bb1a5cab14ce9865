"""SHA-256 without the cost of what is not used.

``hashlib`` loads OpenSSL, a few milliseconds that an agent pays on every computer; the interpreter's own
implementation is there at once and is as good for small things. Files that are large take OpenSSL's, which is faster.
"""

from __future__ import annotations

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

LARGE_BYTES = 4 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024


def sha256(data: bytes = b"") -> Any:
    """A SHA-256 object as ``hashlib``'s."""
    return small_sha256(data)


def sha256_of_file(path: str) -> str:
    """The SHA-256 of a file's bytes, in hex.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        import os

        if os.fstat(file.fileno()).st_size >= LARGE_BYTES:
            import hashlib

            sum_: Any = hashlib.sha256()
        else:
            sum_ = small_sha256()
        while True:
            chunk = file.read(CHUNK_BYTES)
            if not chunk:
                return str(sum_.hexdigest())
            sum_.update(chunk)
