"""One software on one computer, from the first contact to the last record. A host's error becomes its result."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tenacity import Retrying, retry_if_exception, wait_random_exponential

from controller.errors import HostError, LineLost, RecordError, Unreachable
from controller.run.contact import SILENCE, Progress, converse
from controller.run.endings import end, failed, left, unexpected
from controller.run.listener import Listener, check_record
from controller.run.work import Desk, HostResult, HostWork
from controller.text import Text
from controller.transport import BootChannel, boot

WANTS_PSUTIL = frozenset({"process"})
"""Kinds of probes for which the agent is given psutil."""


class Leave(Exception):
    """The person at the controller goes; the computers finish by themselves."""


def run_host(work: HostWork, desk: Desk, leave: threading.Event) -> HostResult:
    """Carry out, or go on with, the work on one computer. Never raises for the computer's own troubles.

    Args:
        work: what and where.
        desk: what the hosts of a run share.
        leave: set when the person goes; checked between frames.

    Raises:
        RecordError: the record cannot be kept.
    """
    began = desk.patience.monotonic()
    listener = Listener(desk, work)

    def seconds() -> float:
        return desk.patience.monotonic() - began

    try:
        if not listener.is_done:
            attend(listener, leave)
        result = listener.result(seconds())
    except Leave:
        result = listener.result(seconds()) if listener.is_done else left(listener, seconds())
        if not listener.is_done:
            desk.observer.ended(work, result)
            return result  # no end is recorded: the form stays open, and resume goes on with it
    except HostError as error:
        result = failed(listener, error, seconds())
    except RecordError:
        raise
    except Exception as error:  # noqa: BLE001 - one bad computer never stops the others; its row and record say why
        result = failed(listener, unexpected(error), seconds())
    return end(listener, result)


def attend(listener: Listener, leave: threading.Event) -> None:
    """Contact the computer, and again as long as there is hope, until its run has ended or waits.

    Raises:
        HostError: the last contact's, when patience is over.
        Leave: the person goes.
    """
    patience = listener.desk.patience

    def is_hopeful(error: BaseException) -> bool:
        return isinstance(error, LineLost) or (listener.is_contacted and type(error) is Unreachable)

    def pause(seconds: float) -> None:
        patience.pause(leave, seconds)

    for attempt in Retrying(
        retry=retry_if_exception(is_hopeful),
        stop=lambda _: patience.monotonic() - listener.alive_at > patience.reattach_s,
        wait=wait_random_exponential(multiplier=0.5, max=10),
        sleep=pause,
        reraise=True,
    ):
        with attempt:
            contact(listener, leave, again=listener.seen > 0 or attempt.retry_state.attempt_number > 1)


def contact(listener: Listener, leave: threading.Event, *, again: bool) -> None:
    """One connection: to the end of the run there, or to the end of the line."""
    desk, work = listener.desk, listener.work
    if leave.is_set():
        raise Leave
    is_greeted = False
    with boot(work.host.connection, options=desk.options) as channel:
        listener.is_contacted = True
        listener.spoke_at = desk.patience.monotonic()
        try:
            for frame in converse(
                channel, job_of(listener), runtime=desk.runtime, blob=desk.blob, progress=progress_of(listener)
            ):
                if frame is SILENCE:
                    hear_nothing(listener)
                elif "seq" in frame:
                    if not is_greeted:
                        check_record(frame)
                        greet(listener, channel, frame, again=again)
                        is_greeted = True
                    listener.take(frame)
                if leave.is_set():
                    raise Leave
        except LineLost as error:
            desk.record("line_lost", work, reason=error.what.as_json())
            raise
        finally:
            listener.counters = (channel.sent_bytes, channel.received_bytes, channel.round_trips)


def hear_nothing(listener: Listener) -> None:
    """An agent at work may be silent for long; one that never says its first word is given up.

    Raises:
        LineLost: nothing came in time.
    """
    patience = listener.desk.patience
    if listener.seen:
        listener.alive_at = patience.monotonic()
    elif patience.monotonic() - listener.spoke_at > patience.answer_s:
        raise LineLost(
            Text(
                f"agen tidak menjawab dalam {patience.answer_s:.0f} detik",
                f"the agent did not answer within {patience.answer_s:.0f} seconds",
            ),
            hint=Text("periksa beban dan disk komputer itu", "look at that computer's load and disk"),
        )


def job_of(listener: Listener) -> dict[str, Any]:
    """The first frame: the work, and from where we want to hear."""
    work, desk = listener.work, listener.desk
    job: dict[str, Any] = {
        "do": "run",
        "id": work.id,
        "owner": desk.owner,
        "root": work.host.variables.get("pasang_root"),
        "from": listener.seen,
        "plan": None,
    }
    if work.plan is not None:
        job["plan"] = {**work.plan.document, "secrets": list(work.plan.secrets)}
        if wants_psutil(work.plan.document):
            job["psutil"] = desk.runtime.psutil
    if work.decision is not None:
        job["decision"] = dict(work.decision)
    return job


def wants_psutil(document: Mapping[str, Any]) -> bool:
    """Whether a plan asks something for which the agent uses psutil."""
    for variant in document["variants"]:
        if variant.get("requirements", {}).keys() & {"processes", "no_processes"}:
            return True
        probes = [*variant.get("run", ()), *variant.get("test", ()), *variant.get("verify", ())]
        if any(spec["kind"] in WANTS_PSUTIL for spec in probes):
            return True
    return False


def greet(listener: Listener, channel: BootChannel, frame: Mapping[str, Any], *, again: bool) -> None:
    """Record how the computer was reached, and how far its clock is from ours where the frame is a fresh one."""
    theirs = datetime.fromisoformat(frame["at"])
    is_fresh = not again and frame["type"] == "agent_started" and not frame.get("detached")
    offset_s = round((theirs - datetime.now(UTC)).total_seconds(), 3) if is_fresh else None
    connection = listener.work.host.connection
    listener.desk.record(
        "resumed" if again else "connected",
        listener.work,
        **channel.transport.describe(),
        become=connection.become,
        clock_offset_s=offset_s,
    )


def progress_of(listener: Listener) -> Progress:
    """Tells the observer, and records what was sent when it is there."""
    desk, work = listener.desk, listener.work
    begun: dict[str, tuple[str, float]] = {}

    def progress(digest: str, sent_bytes: int, size_bytes: int) -> None:
        moment = desk.patience.monotonic()
        listener.alive_at = listener.spoke_at = moment
        if digest not in begun:
            begun[digest] = desk.name(digest), moment
        name, began = begun[digest]
        desk.observer.pushing(work.host.name, name, sent_bytes, size_bytes)
        if sent_bytes == size_bytes:
            seconds = round(moment - began, 3)
            desk.record("pushed", work, what=name, digest=digest, size_bytes=size_bytes, seconds=seconds)

    return progress
