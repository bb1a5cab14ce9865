"""The line to the controller, as the agent holds it: what comes in (payloads) and what goes out (records, answers)."""

from __future__ import annotations

import os
import select
import time

from agent.digest import sha256_of_file
from agent.protocol import CHUNK_BYTES, ProtocolError, encode, read_frame, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from agent.host import Host

FLUSH_S = 0.05
"""Lines written within this time go out together: a packet each would cost the controller more than the work."""


class Outbox:
    """Lines to the controller."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._flushed_at = time.monotonic()

    def send(self, frame: dict[str, Any]) -> None:
        """One frame, at once."""
        self._stream.write(encode(frame))
        self.flush()

    def line(self, line: bytes) -> None:
        """One line as it is, with others that come soon."""
        self._stream.write(line)
        if time.monotonic() - self._flushed_at > FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Everything written so far, now."""
        self._stream.flush()
        self._flushed_at = time.monotonic()


class Inbox:
    """What the controller sends after the job."""

    def __init__(self, stream: BinaryIO, outbox: Outbox, root: str) -> None:
        self._stream = stream
        self._outbox = outbox
        self._blobs = os.path.join(root, "blobs")

    def is_closed(self) -> bool:
        """Whether the controller has gone. It sends nothing while it follows, so whatever can be read is the end."""
        ready, _, _ = select.select([self._stream], [], [], 0)
        return bool(ready) and not self._stream.read1(1)  # type: ignore[attr-defined]

    def fetch_payloads(self, plan: dict[str, Any], variant: dict[str, Any], host: Host) -> None:
        """Ask for the payloads of a variant that are not here, from where an earlier try stopped.

        Raises:
            StepFailed: the disk is full, or what arrived is not what was promised.
            ProtocolError: the controller sent something else.
        """
        missing = [plan["payloads"][n]["digest"] for n in payloads_of(variant)]
        missing = [d for d in dict.fromkeys(missing) if not is_whole(host.blob(d))]
        for _ in range(2):  # the half that an earlier try left may be what is damaged
            if missing:
                self._ask(missing)
            missing = [digest for digest in missing if not self._receive(digest)]
        if missing:
            raise failed(text("kiriman rusak di perjalanan", "what was sent arrived damaged"))
        for name in payloads_of(variant):
            os.utime(host.blob(plan["payloads"][name]["digest"]))

    def _ask(self, digests: list[str]) -> None:
        self._outbox.send({"answer": "need", "blobs": [{"blob": d, "offset": self._have(d)} for d in digests]})

    def _have(self, digest: str) -> int:
        part = os.path.join(self._blobs, digest + ".part")
        return os.path.getsize(part) if os.path.exists(part) else 0

    def _receive(self, digest: str) -> bool:
        """Take one payload in; False where it is not what was asked for, and then nothing of it is kept."""
        frame = read_frame(self._stream)
        if frame is None or frame.get("blob") != digest:
            raise ProtocolError("the controller did not send what was asked for")
        path = os.path.join(self._blobs, digest)
        part = path + ".part"
        try:
            with open(part, "r+b" if os.path.exists(part) else "wb") as file:
                file.truncate(int(frame["offset"]))
                file.seek(int(frame["offset"]))
                self._copy(int(frame["size"]), file)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if os.path.exists(part):
                os.unlink(part)
            raise failed(
                text(f"kiriman tidak dapat disimpan: {error}", f"what was sent cannot be stored: {error}")
            ) from error
        if sha256_of_file(part) != digest:
            os.unlink(part)
            return False
        os.rename(part, path)
        return True

    def _copy(self, size_bytes: int, file: BinaryIO) -> None:
        left = size_bytes
        while left:
            data = self._stream.read1(min(left, CHUNK_BYTES))  # type: ignore[attr-defined]
            if not data:
                raise ProtocolError("the line ended within a payload")
            file.write(data)
            left -= len(data)


def is_whole(path: str) -> bool:
    """Whether a payload is kept here and still what its name says; one that is not is removed."""
    if not os.path.exists(path):
        return False
    if sha256_of_file(path) == os.path.basename(path):
        return True
    os.unlink(path)
    return False


def failed(reason: dict[str, str]) -> Exception:
    """The failure of step 5 for a reason."""
    from agent.run import StepFailed

    return StepFailed(5, reason)


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
    return list(dict.fromkeys(names))
