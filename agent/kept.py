"""JSON that we keep on this computer beyond a run: whole or not at all."""

from __future__ import annotations

import json
import os

from agent.digest import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def record_path(root: str, software: str) -> str:
    """Where the computer remembers a software that is installed."""
    return os.path.join(root, "installed", software + ".json")


def save(path: str, content: dict[str, Any]) -> str:
    """Write JSON so that it is there whole or not at all; the SHA-256 of its bytes."""
    data = json.dumps(content, separators=(",", ":")).encode("utf-8", "surrogateescape")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".part", "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".part", path)
    return str(sha256(data).hexdigest())


def load(path: str) -> Any:
    """JSON of ours, or None where there is none (or it is damaged)."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None
