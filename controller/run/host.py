"""One software on one computer, from the first contact to the last record. A host's error becomes its result."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from controller.errors import AccessRefused, Busy, HostError, LineLost, NoPython, RecordError, Unreachable
from controller.records import spellings
from controller.run.contact import SILENCE, Progress, bring_python, converse
from controller.run.endings import end, failed, followed, is_followed, left, not_started, stopped_by, unexpected
from controller.run.listener import Listener, check_record
from controller.run.work import Desk, HostResult, HostWork
from controller.text import Text
from controller.transport import BootChannel, boot

VAIN_LIMIT = 50
"""So many contacts in a row may bring nothing new before the computer is left to itself."""
LONGEST_WAIT_S = 10.0
WANTS_PSUTIL = frozenset({"process"})
"""Kinds of probes for which the agent is given psutil."""


class Leave(Exception):
    """The person at the controller goes; the computers finish by themselves."""


def run_host(work: HostWork, desk: Desk, leave: threading.Event, *, waits: bool = False) -> HostResult:
    """Carry out, or go on with, the work on one computer. Never raises for the computer's own troubles.

    Args:
        work: what and where.
        desk: what the hosts of a run share.
        leave: set when the person goes; checked between frames.
        waits: somebody else's work on the computer is waited for.

    Raises:
        Busy: it is held, nothing was begun there, and it ``waits``.
        RecordError: the record cannot be kept.
    """
    began = desk.patience.monotonic()
    listener = Listener(desk, work)

    def seconds() -> float:
        return desk.patience.monotonic() - began

    order = desk.store.stop_of(work.form) if desk.keeps_record and not (listener.seen or work.stop) else None
    if order is not None:  # while its turn had not come yet
        return end(listener, not_started(work, stopped_by(order)))
    try:
        if not listener.is_done:
            attend(listener, leave)
        result = listener.result(seconds())
    except Leave:
        result = listener.result(seconds()) if listener.is_done else left(listener, seconds())
        if not listener.is_done:
            desk.observer.ended(work, result)
            return result  # no end is recorded: the form stays open, and resume goes on with it
    except Busy as error:
        if waits and listener.tries == 1:
            raise
        if is_followed(work, error):
            result = followed(listener, error, seconds())
            desk.observer.ended(work, result)
            return result
        result = failed(listener, error, seconds())
    except HostError as error:
        result = failed(listener, error, seconds())
    except RecordError:
        raise
    except Exception as error:  # noqa: BLE001 - one bad computer never stops the others; its row and record say why
        result = failed(listener, unexpected(error, listener.desk.store.redactor), seconds())
    return end(listener, result)


def attend(listener: Listener, leave: threading.Event) -> None:
    """Contact the computer, and again as long as there is hope, until its run has ended or waits.

    Raises:
        HostError: the last contact's, when patience is over.
        Leave: the person goes.
    """
    patience = listener.desk.patience

    def is_hopeful(error: HostError) -> bool:
        if listener.is_rebooting:  # while it comes up or goes down it lets nobody in: pam_nologin(8)
            return isinstance(error, LineLost) or type(error) in (Unreachable, AccessRefused)
        return isinstance(error, LineLost) or (listener.is_contacted and type(error) is Unreachable)

    def is_over() -> bool:
        silent_s = patience.monotonic() - listener.alive_at
        if listener.is_rebooting:
            return silent_s > patience.reboot_s
        return listener.vain > VAIN_LIMIT or silent_s > patience.reattach_s

    desk = listener.desk
    missing: NoPython | None = None
    is_brought = False
    for attempt in itertools.count():
        try:
            if missing is not None and not is_brought:
                told = progress_of(listener, leave)
                bring_python(listener.work.host, missing, runtime=desk.runtime, options=desk.options, progress=told)
                is_brought = True
            contact(listener, leave, again=listener.seen > 0 or attempt > 0)
        except NoPython as error:
            if missing is not None:
                raise
            missing = error
            listener.tries -= 1  # the work itself has not been asked for
        except HostError as error:
            if not is_hopeful(error):
                raise
            # Longer and longer, but at once again after a contact that brought something.
            wait_s = random.uniform(0, min(LONGEST_WAIT_S, 0.25 * 2**listener.vain))  # noqa: S311 - it keeps no secret
            listener.vain += 1
            if is_over():
                raise
            patience.pause(leave, wait_s)
        else:
            return


def contact(listener: Listener, leave: threading.Event, *, again: bool) -> None:
    """One connection: to the end of the run there, or to the end of the line."""
    desk, work = listener.desk, listener.work
    if leave.is_set():
        raise Leave
    listener.tries += 1
    try:
        desk.hold(work)
    except Busy as error:
        if work.stop is None or not is_followed(work, error):
            raise  # who follows a run is not in the way of an order to stop it
    is_greeted = False
    root = work.host.variables.get("pasang_root")
    told = progress_of(listener, leave)
    with boot(work.host.connection, options=desk.options, root=root, progress=told) as channel:
        listener.is_contacted = True
        listener.spoke_at = desk.patience.monotonic()
        desk.observer.asked(work.host.name)
        try:
            for frame in converse(
                channel,
                job_of(listener),
                runtime=desk.runtime,
                blob=desk.blob,
                progress=told,
                system=work.host.connection.system,
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
        RecordError: meanwhile the record was lost.
    """
    patience = listener.desk.patience
    listener.desk.check()
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
        "do": "run" if work.stop is None else "stop",
        "id": work.id,
        "owner": desk.owner,
        "host": work.host.name,
        "root": work.host.variables.get("pasang_root"),
        "from": listener.seen,
        "silence_s": desk.options.dead_after_s,
        "plan": None,
    }
    if work.plan is not None:
        job["plan"] = {**work.plan.document, "secrets": spellings(work.plan.secrets)}
        job["lasts_s"] = work.plan.lasts_s()
        if wants_psutil(work.plan.document):
            job["psutil"] = desk.runtime.psutil
    if work.stop is not None:
        return {**job, "stop": {key: work.stop.get(key) for key in ("by", "at")}}
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
        proof=channel.transport.proof,
        become=connection.become and connection.kind != "winrm",
        clock_offset_s=offset_s,
    )


def progress_of(listener: Listener, leave: threading.Event) -> Progress:
    """Tells the observer, and records what was sent when it is there.

    What it returns raises ``Leave`` where the person goes.
    """
    desk, work = listener.desk, listener.work
    begun: dict[str, tuple[str, int, float]] = {}
    """By digest: what it is called, what was there before this contact, and when it was asked for."""
    pushed: set[str] = set()

    def progress(digest: str, there_bytes: int, size_bytes: int) -> None:
        moment = desk.patience.monotonic()
        listener.alive_at = listener.spoke_at = moment
        if there_bytes > listener.furthest.get(digest, 0):
            listener.furthest[digest] = there_bytes
            listener.vain = 0
        name, before_bytes, began = begun.setdefault(digest, (desk.name(digest), there_bytes, moment))
        desk.observer.pushing(work.host.name, name, there_bytes, size_bytes)
        if there_bytes == size_bytes and digest not in pushed:  # what is mended afterwards is told no more
            pushed.add(digest)
            desk.record(
                "pushed",
                work,
                what=name,
                digest=digest,
                size_bytes=size_bytes,
                before_bytes=before_bytes,
                seconds=round(moment - began, 3),
            )
        if leave.is_set():
            raise Leave

    return progress
