"""One contact with the agent of one computer: the job goes there, what it asks for follows, its frames come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agent.protocol import CHUNK_BYTES, MARK, VERSION, ProtocolError, decode, encode
from controller.errors import AgentFault, Busy, HostError, LineLost
from controller.runtime import Runtime
from controller.text import Text
from controller.transport import Channel

Frame = dict[str, Any]
Progress = Callable[[str, int, int], None]
"""Called with the digest, the bytes sent so far and the size."""

SILENCE_S = 0.5
"""After so long without a line the caller is given a turn; the transport notices a dead line by itself."""
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
            for wanted in frame["blobs"]:
                send(channel, wanted, blob, progress)
        elif answer == "end":
            return
        elif answer == "fault":
            raise fault(frame)
        else:
            yield frame


def send(channel: Channel, wanted: Frame, blob: Callable[[str], Path], progress: Progress) -> None:
    """Send one blob from the offset that the other side already has."""
    digest = str(wanted["blob"])
    path = blob(digest)
    size_bytes = path.stat().st_size
    offset = min(int(wanted.get("offset", 0)), size_bytes)
    with path.open("rb") as file:
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
    reason = frame.get("reason") or {}
    what = Text(str(reason.get("id", "agen gagal")), str(reason.get("en", "the agent failed")))
    if frame.get("code") == "busy":
        return Busy(what, hint=Text("tunggu sampai selesai, lalu ulangi", "wait until it is done, then do it again"))
    error = AgentFault(what)
    if frame.get("code") == "no_run":
        error.outcome = "not_started"
    if frame.get("code") == "storage":
        error.outcome = "not_eligible"
        error.problems[0] = type(error.problems[0])(
            "", what, Text("kosongkan ruang disk di komputer itu", "make room on its disk")
        )
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
