"""JSON that we keep on this computer beyond a run: whole or not at all."""

from __future__ import annotations

import os

from agent.digest import sha256
from agent.files import remove
from agent.light import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def record_path(root: str, software: str) -> str:
    """Where the computer remembers a software that is installed."""
    return os.path.join(root, "installed", software + ".json")


def save(path: str, content: dict[str, Any]) -> str:
    """Write JSON so that it is there whole or not at all; the SHA-256 of its bytes.

    Raises:
        OSError: it could not; nothing of it takes up room.
    """
    data = packed(content)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(path + ".part", "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(path + ".part", path)
    except OSError:
        remove(path + ".part")
        raise
    return str(sha256(data).hexdigest())


def packed(content: dict[str, Any]) -> bytes:
    """JSON as it is kept."""
    return json.dumps(content, separators=(",", ":")).encode("utf-8", "surrogateescape")


def load(path: str) -> Any:
    """JSON of ours, or None where there is none (or it is damaged)."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None
