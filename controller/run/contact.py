"""One contact with the agent of one computer: the job goes there, what it asks for follows, its frames come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agent.protocol import CHUNK_BYTES, MARK, VERSION, ProtocolError, decode, encode
from controller.errors import AgentFault, Busy, DepotError, HostError, LineLost
from controller.runtime import Runtime
from controller.text import Text
from controller.transport import Channel

Frame = dict[str, Any]
Progress = Callable[[str, int, int], None]
"""Called with the digest, the bytes sent so far and the size."""

SILENCE_S = 1.0
"""After so long without a line the caller is given a turn; the transport notices a dead line by itself."""
LAST_WORDS_S = 2.0
SILENCE: Frame = {"answer": "silence"}


def converse(
    channel: Channel, job: Frame, *, runtime: Runtime, blob: Callable[[str], Path], progress: Progress
) -> Iterator[Frame]:
    """Send the job and yield the agent's frames: records, answers other than ``need`` and ``end``, and ``SILENCE``.

    Args:
        channel: to the bootstrap on the computer, nothing written yet.
        job: the first frame (``agent.__main__.contact``); versions and digests are added here.
        runtime: the agent to run.
        blob: where the bytes of a digest are.
        progress: told while something large is sent.

    Raises:
        LineLost: the line dropped before the agent said that this was the end.
        Busy: another run holds the computer.
        AgentFault: the agent broke the protocol or could not do its work.
        Unreachable: what the transport says of how it was received.
    """
    head = {"protocol": VERSION, "agent": runtime.agent, "tree": runtime.tree, "psutil": {}, "from": 0, **job}
    channel.write(MARK + encode({"stage": len(runtime.stage)}) + runtime.stage + encode(head))
    while True:
        try:
            line = channel.read_line(SILENCE_S)
        except TimeoutError:
            yield SILENCE
            continue
        if not line:
            raise stopped(channel)
        try:
            frame = decode(line)
        except ProtocolError as error:
            raise AgentFault(
                Text(f"agen menjawab kacau: {error}", f"the agent's answer makes no sense: {error}")
            ) from error
        answer = frame.get("answer")
        if answer == "need":
            try:
                for digest, offset_bytes in wanted(frame):
                    send(channel, digest, offset_bytes, blob=blob, progress=progress)
            except LineLost:
                raise_last_words(channel)
                raise
        elif answer == "end":
            return
        elif answer == "fault":
            raise fault(frame)
        else:
            yield frame


def raise_last_words(channel: Channel) -> None:
    """Raise what the agent said before it stopped reading, e.g. of a full disk; return where it said nothing."""
    try:
        while line := channel.read_line(LAST_WORDS_S):
            frame = decode(line)
            if frame.get("answer") == "fault":
                raise fault(frame)
    except (TimeoutError, LineLost, ProtocolError):
        return


def wanted(frame: Frame) -> list[tuple[str, int]]:
    """What a ``need`` asks for: digests, and from which byte on.

    Raises:
        AgentFault: it asks for nothing that could be sent.
    """
    try:
        return [(str(blob["blob"]), max(0, int(blob.get("offset", 0)))) for blob in frame["blobs"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AgentFault(
            Text(f"agen meminta hal yang kacau: {frame!s:.200}", f"the agent asks for nonsense: {frame!s:.200}")
        ) from error


def send(channel: Channel, digest: str, offset_bytes: int, *, blob: Callable[[str], Path], progress: Progress) -> None:
    """Send one blob from the byte on that the other side does not have.

    Raises:
        AgentFault: it is not here, or cannot be read.
    """
    try:
        path = blob(digest)
        size_bytes = path.stat().st_size
        file = path.open("rb")
    except (DepotError, OSError) as error:
        what = error.what if isinstance(error, DepotError) else Text(f"{error}", f"{error}")
        raise AgentFault(
            Text(f"yang diminta agen tidak ada di sini: {what.id}", f"what the agent asks for is not here: {what.en}"),
            hint=Text("periksa gudang: pasang depot verify", "look at the depot: pasang depot verify"),
        ) from error
    offset = min(offset_bytes, size_bytes)
    with file:
        file.seek(offset)
        head = encode({"blob": digest, "offset": offset, "size": size_bytes - offset})
        sent_bytes = offset
        while True:
            data = file.read(CHUNK_BYTES)
            if not data and not head:
                break
            channel.write(head + data)
            head = b""
            sent_bytes += len(data)
            progress(digest, sent_bytes, size_bytes)
            if sent_bytes == size_bytes:
                break


def fault(frame: Frame) -> HostError:
    """The error for what the agent says it could not do."""
    reason = frame.get("reason")
    said = reason if isinstance(reason, dict) else {}
    what = Text(str(said.get("id", "agen gagal")), str(said.get("en", "the agent failed")))
    code = frame.get("code")
    if code == "busy":
        return Busy(what, hint=Text("tunggu sampai selesai, lalu ulangi", "wait until it is done, then do it again"))
    hint = {
        "storage": Text(
            "kosongkan ruang disk di komputer itu, atau perbaiki hak tulis folder itu",
            "make room on its disk, or make that folder writable",
        ),
        "agent_stopped": Text(
            "jalankan pasang resume; bila berulang, laporkan", "run pasang resume; report it if again"
        ),
    }.get(str(code))
    error = AgentFault(what, hint=hint)
    error.outcome = {"no_run": "not_started", "storage": "not_eligible"}.get(str(code), error.outcome)
    return error


def stopped(channel: Channel) -> HostError:
    """The error for an agent that ended without saying so."""
    last = channel.errors().strip().splitlines()[-1:] or [""]
    status = channel.exit_status()
    if status in (None, 0) and not last[0]:
        return LineLost(Text("sambungan terputus", "the line dropped"))
    return AgentFault(
        Text(f"agen berhenti (kode {status}): {last[0][:300]}", f"the agent stopped (code {status}): {last[0][:300]}"),
        hint=Text(
            "jalankan pasang resume; bila berulang, laporkan", "run pasang resume; report it if it happens again"
        ),
    )
