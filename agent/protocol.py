"""The wire between controller and agent; but for a test's `faults`, all of the agent that the controller imports.

Frames are lines of JSON; a frame that announces bytes (``size``) is followed by exactly that many. The way in::

    PASANG 1\\n                                      everything before this line is thrown away
    {"stage": n}\\n      + n bytes                   the first stage, Python source
    {"agent": digest, "size": n, …, "plan": …}\\n    one frame of JSON: the job
    {"blob": digest, "offset": o, "size": n}\\n + n bytes, as often as something was asked for
    {"blob": digest, "sums": [digest of each chunk, in order]}\\n, some at a time

The way out is records (they have ``seq``) and answers (they have ``answer``)::

    {"answer": "need", "blobs": [{"blob": digest, "offset": have}]}      from there to its end
                                {"blob": digest, "offset": o, "size": n}  a piece of it
                                {"blob": digest, "chunk_bytes": n}        the sums of its chunks
    {"answer": "fault", "code": …, "reason": {"id": …, "en": …}}
    {"answer": "end"}                               nothing more will come on this contact

Shapes of plan and records: ``docs/records.md``.
"""

from __future__ import annotations

from agent.light import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VERSION = 1
MARK = b"PASANG 1\n"
LINE_LIMIT_BYTES = 4 * 1024 * 1024
"""A longer line is an error, not a reason to allocate."""
CHUNK_BYTES = 256 * 1024

OUTCOMES = (
    "installed",
    "already_installed",
    "not_eligible",
    "rolled_back",
    "needs_person",
    "unreachable",
    "not_started",
    "running",
    "awaiting_decision",
    "awaiting_reboot",
    "verified",
    "verify_failed",
    "uninstalled",
    "not_installed",
    "eligible",
    "planned",
)


class ProtocolError(Exception):
    """The other side said what it must not; the contact is over."""


def text(id: str, en: str) -> dict[str, str]:
    """A sentence in both languages, as records keep it."""
    return {"id": id, "en": en}


def encode(frame: dict[str, Any]) -> bytes:
    """One frame as one line of JSON in UTF-8, newline included.

    A byte of a name in no known encoding, which Python holds as half a surrogate pair, is escaped and comes back as it
    was: the way back needs that name.
    """
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"


def finite(number: str) -> float | None:
    """A number, or None for one that is beyond all numbers: JSON can write it, and nobody can go on with it."""
    value = float(number)
    return value if value - value == 0 else None


_decoded = json.decoder(parse_float=finite, parse_constant=lambda _: None)


def decode(line: bytes) -> dict[str, Any]:
    """One line as a frame.

    Raises:
        ProtocolError: it is not a JSON object in UTF-8, or longer than allowed.
    """
    if len(line) > LINE_LIMIT_BYTES:
        raise ProtocolError(f"a line of {len(line)} bytes; the limit is {LINE_LIMIT_BYTES}")
    try:
        frame = _decoded(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not a line of JSON: {error}") from error
    if not isinstance(frame, dict):
        raise ProtocolError("not a JSON object")
    return frame
