"""One software on one computer, from the first contact to the last record. A host's error becomes its result."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from controller.errors import HostError, LineLost
from controller.records import from_agent
from controller.run.contact import converse
from controller.run.work import Desk, HostResult, HostWork
from controller.text import Text
from controller.transport import BootChannel, boot

REATTACH_S = 90.0
"""How long a line that dropped is tried again before the computer is left to finish by itself."""
WANTS_PSUTIL = frozenset({"process"})
"""Kinds of probes for which the agent is given psutil."""


class Leave(Exception):
    """The person at the controller goes; the computers finish by themselves."""


class Listener:
    """Follows one computer: stores what comes, and remembers how far it is."""

    def __init__(self, desk: Desk, work: HostWork, *, seen: int = 0) -> None:
        self.desk = desk
        self.work = work
        self.seen = seen
        """The number of the last record of the agent that we have."""
        self.last: Mapping[str, Any] = {}
        self.connected = False
        self.counters = (0, 0, 0)
        """Bytes sent, bytes received and round trips of the last contact."""

    def take(self, frame: dict[str, Any]) -> None:
        """One frame of the agent: each record once, in order."""
        seq = frame.get("seq")
        if not isinstance(seq, int) or seq <= self.seen:
            return
        self.seen = seq
        self.last = frame
        self.desk.put(from_agent(frame, run=self.work.run, host=self.work.host.name, form=self.work.form))

    def result(self, seconds: float) -> HostResult:
        """What the last record says of the computer."""
        last = self.last
        if last.get("type") == "run_ended":
            return HostResult(
                outcome=str(last["outcome"]),
                form=self.work.form,
                step=last.get("step"),
                reason=last.get("reason"),
                rollback=last.get("rollback"),
                seconds=seconds,
                cpu_seconds=last.get("cpu_seconds"),
            )
        outcome = "awaiting_decision" if last.get("type") == "waiting" else "running" if self.seen else "unreachable"
        return HostResult(outcome=outcome, form=self.work.form, step=last.get("step"), seconds=seconds)


def run_host(work: HostWork, desk: Desk, leave: threading.Event, *, seen: int = 0) -> HostResult:
    """Carry out, or go on with, the work on one computer. Never raises for the computer's own troubles.

    Args:
        work: what and where.
        desk: what the hosts of a run share.
        leave: set when the person goes; checked between frames.
        seen: how many records of the agent we have from earlier contacts.

    Raises:
        RecordError: the record cannot be kept.
    """
    began = time.monotonic()
    listener = Listener(desk, work, seen=seen)
    try:
        for attempt in Retrying(
            retry=retry_if_exception_type(LineLost),
            stop=stop_after_delay(REATTACH_S),
            wait=wait_random_exponential(multiplier=0.5, max=10),
            reraise=True,
        ):
            with attempt:
                contact(listener, leave, again=attempt.retry_state.attempt_number > 1)
    except Leave:
        result = listener.result(time.monotonic() - began)
        return end(listener, result) if result.outcome not in ("running", "unreachable") else result
    except HostError as error:
        return end(listener, failed(listener, error, time.monotonic() - began))
    return end(listener, listener.result(time.monotonic() - began))


def contact(listener: Listener, leave: threading.Event, *, again: bool) -> None:
    """One connection: to the end of the run there, or to the end of the line."""
    desk, work = listener.desk, listener.work
    if leave.is_set():
        raise Leave
    with boot(work.host.connection, options=desk.options) as channel:
        try:
            for frame in converse(
                channel, job_of(listener), runtime=desk.runtime, blob=desk.blob, progress=progress_of(desk, work)
            ):
                if "seq" in frame:
                    if not listener.connected:
                        greet(listener, channel, frame, again=again)
                    listener.take(frame)
                if leave.is_set():
                    raise Leave
        except LineLost as error:
            desk.record("line_lost", work, reason=error.what.as_json())
            raise
        finally:
            listener.counters = (channel.sent_bytes, channel.received_bytes, channel.round_trips)


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
    """Record how the computer was reached, and how far its clock is from ours."""
    listener.connected = True
    theirs = datetime.fromisoformat(str(frame["at"]))
    offset_s = round((theirs - datetime.now(UTC)).total_seconds(), 3) if not again else None
    connection = listener.work.host.connection
    listener.desk.record(
        "resumed" if again else "connected",
        listener.work,
        **channel.transport.describe(),
        become=connection.become,
        clock_offset_s=offset_s,
    )


def progress_of(desk: Desk, work: HostWork) -> Any:
    """Tells the observer, and records what was sent when it is there."""
    began = time.monotonic()

    def progress(digest: str, sent_bytes: int, size_bytes: int) -> None:
        name = desk.names.get(digest, "agent")
        desk.observer.pushing(work.host.name, name, sent_bytes, size_bytes)
        if sent_bytes == size_bytes:
            seconds = round(time.monotonic() - began, 3)
            desk.record("pushed", work, what=name, digest=digest, size_bytes=size_bytes, seconds=seconds)

    return progress


def failed(listener: Listener, error: HostError, seconds: float) -> HostResult:
    """The result for a computer that could not be reached, or not to the end."""
    outcome = error.outcome
    if isinstance(error, LineLost) and listener.seen:
        outcome = "running"
    hint = error.problems[0].hint
    return HostResult(
        outcome=outcome,
        form=listener.work.form,
        step=listener.last.get("step"),
        reason=error.what.as_json(),
        hint=hint.as_json() if hint else None,
        seconds=seconds,
    )


def end(listener: Listener, result: HostResult) -> HostResult:
    """Record how the computer was left."""
    desk, work = listener.desk, listener.work
    sent, received, trips = listener.counters
    desk.record(
        "host_ended",
        work,
        outcome=result.outcome,
        step=result.step,
        reason=result.reason,
        rollback=result.rollback,
        seconds=round(result.seconds, 3),
        cpu_seconds=result.cpu_seconds,
        sent_bytes=sent,
        received_bytes=received,
        round_trips=trips,
    )
    desk.observer.ended(work, result)
    return result


def not_started(work: HostWork, reason: Text) -> HostResult:
    """The result for a computer that was never contacted."""
    return HostResult(outcome="not_started", form=work.form, reason=reason.as_json())
