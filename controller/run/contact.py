"""One contact with the agent of one computer: the job goes there, what it asks for follows, its frames come back."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from agent.protocol import CHUNK_BYTES, MARK, VERSION, ProtocolError, decode, encode
from controller.errors import AgentFault, DepotError, HostError, LineLost, NoPython
from controller.inventory import Host
from controller.runtime import Runtime, is_whole
from controller.text import Text
from controller.transport import Channel, Options, boot, bring

Frame = dict[str, Any]
Progress = Callable[[str, int, int], None]
"""Called with the digest, how many bytes are there and the size: first with what was there before."""

SILENCE_S = 1.0
"""After so long without a line the caller is given a turn; the transport notices a dead line by itself."""
LAST_WORDS_S = 2.0
ENDING_S = 30.0
LAST_WORDS_LIMIT = 10_000
FROM_OUTSIDE = frozenset(128 + signal for signal in (1, 2, 9, 15))
"""How a shell calls the end of a program that somebody ended, or the kernel for want of memory."""
SUMS_A_FRAME = 256
CHUNK_LIMIT_BYTES = 64 * CHUNK_BYTES
AGAIN = Text("jalankan pasang resume; bila berulang, laporkan", "run pasang resume; report it if it happens again")
"""What to do where the agent, not the software, went wrong."""
SILENCE: Frame = {"answer": "silence"}


def answer(host: Host, job: Frame, *, runtime: Runtime, options: Options) -> Frame:
    """Ask a computer's agent one thing, over a connection of its own, and return its answer.

    Args:
        host: of the inventory.
        job: as ``converse`` has it; where the agent keeps its things is added here.
        runtime: the agent to run.
        options: of the transport.

    Raises:
        HostError: there is none; of which kind says why.
    """
    root = host.variables.get("pasang_root")

    def ask() -> Frame:
        with boot(host.connection, options=options, root=root) as channel:
            frames = converse(
                channel,
                {"root": root, **job},
                runtime=runtime,
                blob=runtime.path,
                progress=unseen,
                system=host.connection.system,
            )
            said = next(frame for frame in frames if frame is not SILENCE)
            if job["do"] == "clean":  # what cannot go while it runs goes at the end
                for _ in frames:
                    pass
                wait_for_end(channel)
            return said

    try:
        return ask()
    except NoPython as error:
        bring_python(host, error, runtime=runtime, options=options, progress=unseen)
        return ask()


def bring_python(host: Host, error: NoPython, *, runtime: Runtime, options: Options, progress: Progress) -> None:
    """Leave a Python on a computer that has none, where one was added for its kind.

    Args:
        host: of the inventory.
        error: what it said.
        runtime: with what was added.
        options: of the transport.
        progress: told while it is sent.

    Raises:
        NoPython: there is none for it: the same error.
        Unreachable: or one of its children.
    """
    digest = runtime.python.get(error.platform)
    if digest is None or not is_whole(runtime.path(digest)):
        raise error
    root = host.variables.get("pasang_root")
    bring(host.connection, runtime.path(digest), digest, options=options, root=root, progress=progress)


def wait_for_end(channel: Channel) -> None:
    """Wait until the command on the computer has ended, for a while."""
    try:
        for _ in range(LAST_WORDS_LIMIT):
            if not channel.read_line(ENDING_S):
                return
    except (TimeoutError, LineLost):
        return


def unseen(digest: str, sent_bytes: int, size_bytes: int) -> None:
    """Progress that nobody watches."""


def converse(
    channel: Channel,
    job: Frame,
    *,
    runtime: Runtime,
    blob: Callable[[str], Path],
    progress: Progress,
    system: str = "linux",
) -> Iterator[Frame]:
    """Send the job and yield the agent's frames: records, answers other than ``need`` and ``end``, and ``SILENCE``.

    Args:
        channel: to the bootstrap on the computer, nothing written yet.
        job: the first frame (``agent.__main__.contact``); versions and digests are added here.
        runtime: the agent to run.
        blob: where the bytes of a digest are.
        progress: told while something large is sent.
        system: what the computer runs: ``linux``, ``windows``.

    Raises:
        LineLost: the line dropped before the agent said that this was the end.
        Busy: another run holds the computer.
        AgentFault: the agent broke the protocol or could not do its work.
        Unreachable: what the transport says of how it was received.
    """
    agent = runtime.agents[system]
    head = {"protocol": VERSION, "agent": agent.archive, "compiled": agent.compiled, "psutil": {}, "from": 0, **job}
    channel.write(MARK + encode({"stage": len(agent.stage)}) + agent.stage + encode(head))
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
            if b"\\u" in line:
                frame = readable(frame)
        except (ProtocolError, RecursionError) as error:
            raise AgentFault(
                Text(f"agen menjawab kacau: {error}", f"the agent's answer makes no sense: {error}")
            ) from error
        answer = frame.get("answer")
        if answer == "need":
            try:
                for wish in wishes(frame):
                    grant(channel, wish, blob=blob, progress=progress)
            except LineLost:
                raise_last_words(channel)
                raise
        elif answer == "end":
            return
        elif answer == "fault":
            raise fault(frame)
        else:
            yield frame


def readable(value: Any) -> Any:
    """The same without halves of surrogate pairs: bytes in no known encoding, which nobody can print."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {readable(key): readable(item) for key, item in value.items()}
    return [readable(item) for item in value] if isinstance(value, list) else value


def raise_last_words(channel: Channel) -> None:
    """Raise what the agent said before it stopped reading, e.g. of a full disk; return where it said nothing."""
    try:
        for _ in range(LAST_WORDS_LIMIT):
            frame = decode(channel.read_line(LAST_WORDS_S))  # at the end it is no frame
            if frame.get("answer") == "fault":
                raise fault(frame)
    except (TimeoutError, LineLost, ProtocolError):
        return


@dataclass(frozen=True)
class Wish:
    """One thing that a ``need`` asks for."""

    digest: str
    offset_bytes: int = 0
    size_bytes: int | None = None
    """How much from there on; None: to the end."""
    chunk_bytes: int | None = None
    """Not the bytes are wanted, but the digest of each chunk of so many."""


def wishes(frame: Frame) -> list[Wish]:
    """What a ``need`` asks for.

    Raises:
        AgentFault: it asks for nothing that could be sent.
    """

    def number(blob: Frame, key: str, least: int = 0, most: int = 2**63) -> int | None:
        return min(most, max(least, int(blob[key]))) if key in blob else None

    try:
        return [
            Wish(
                digest=str(blob["blob"]),
                offset_bytes=number(blob, "offset") or 0,
                size_bytes=number(blob, "size"),
                chunk_bytes=number(blob, "chunk_bytes", CHUNK_BYTES, CHUNK_LIMIT_BYTES),
            )
            for blob in frame["blobs"]
        ]
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise AgentFault(
            Text(f"agen meminta hal yang kacau: {frame!s:.200}", f"the agent asks for nonsense: {frame!s:.200}")
        ) from error


def grant(channel: Channel, wish: Wish, *, blob: Callable[[str], Path], progress: Progress) -> None:
    """Send what is asked for.

    Raises:
        AgentFault: it is not here, or cannot be read.
    """
    try:
        path = blob(wish.digest)
        size_bytes = path.stat().st_size
        file = path.open("rb")
    except (DepotError, OSError) as error:
        what = error.what if isinstance(error, DepotError) else Text(f"{error}", f"{error}")
        raise AgentFault(
            Text(f"yang diminta agen tidak ada di sini: {what.id}", f"what the agent asks for is not here: {what.en}"),
            hint=Text("periksa gudang: pasang depot verify", "look at the depot: pasang depot verify"),
        ) from error
    with file:
        if wish.chunk_bytes is not None:
            send_sums(channel, file, wish.digest, wish.chunk_bytes)
        else:
            send(channel, file, wish, size_bytes, progress)


def send_sums(channel: Channel, file: BinaryIO, digest: str, chunk_bytes: int) -> None:
    """Send the digest of every chunk, some at a time, so that nobody takes the line for silent."""
    while True:
        chunks = itertools.islice(iter(lambda: file.read(chunk_bytes), b""), SUMS_A_FRAME)
        sums = [hashlib.sha256(chunk).hexdigest() for chunk in chunks]
        if not sums:
            return
        channel.write(encode({"blob": digest, "sums": sums}))


def send(channel: Channel, file: BinaryIO, wish: Wish, size_bytes: int, progress: Progress) -> None:
    """Send a blob, or a piece of it, from the byte on that is asked for, and never beyond its end."""
    at = min(wish.offset_bytes, size_bytes)
    end = size_bytes if wish.size_bytes is None else min(size_bytes, at + wish.size_bytes)
    file.seek(at)
    head = encode({"blob": wish.digest, "offset": at, "size": end - at})
    progress(wish.digest, at, size_bytes)
    if at == end:
        channel.write(head)
    while at < end and (data := file.read(min(channel.chunk_bytes, end - at))):
        channel.write(head + data)  # together: where each is a question of its own, it is one less
        head = b""
        at += len(data)
        progress(wish.digest, at, size_bytes)


def fault(frame: Frame) -> HostError:
    """The error for what the agent says it could not do."""
    reason = frame.get("reason")
    said = reason if isinstance(reason, dict) else {}
    what = Text(str(said.get("id", "agen gagal")), str(said.get("en", "the agent failed")))
    code = frame.get("code")
    if code == "busy" and isinstance(frame.get("holder"), dict):
        from controller.run.held import of_computer  # most computers are free

        return of_computer(frame["holder"]).error()
    hint = {
        "storage": Text(
            "kosongkan ruang disk di komputer itu, atau perbaiki hak tulis folder itu",
            "make room on its disk, or make that folder writable",
        ),
        "agent_stopped": AGAIN,
    }.get(str(code))
    error = AgentFault(what, hint=hint)
    error.about = {"storage": "disk", "rights": "rights"}.get(str(code), error.about)
    ends = {"no_run": "not_started", "twice": "not_started", "storage": "not_eligible", "rights": "not_eligible"}
    error.outcome = ends.get(str(code), error.outcome)
    return error


def stopped(channel: Channel) -> HostError:
    """The error for an agent that ended without saying so; one that was ended from outside is asked again."""
    last = channel.errors().strip().splitlines()[-1:] or [""]
    status = channel.exit_status()
    if status in FROM_OUTSIDE:
        return LineLost(
            Text(f"agen dihentikan dari luar (kode {status})", f"the agent was ended from outside (code {status})")
        )
    if status in (None, 0) and not last[0]:
        return LineLost(Text("sambungan terputus", "the line dropped"))
    return AgentFault(
        Text(f"agen berhenti (kode {status}): {last[0]}", f"the agent stopped (code {status}): {last[0]}"),
        hint=AGAIN,
    )
