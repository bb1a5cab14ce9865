"""How a computer is left: the result for every way of not getting to the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from controller.errors import AgentFault, Busy, HostError, PasangError, Unreachable
from controller.records import Redactor
from controller.run.contact import AGAIN
from controller.run.listener import Listener
from controller.run.work import HostResult, HostWork
from controller.text import Text


def failed(listener: Listener, error: HostError, seconds: float) -> HostResult:
    """The result for a computer not reached, or not to the end: what is unknown is never called failed."""
    work = listener.work
    outcome, reason, hint = error.outcome, error.what, error.problems[0].hint
    if (listener.seen and isinstance(error, (Unreachable, Busy))) or (listener.tries > 1 and isinstance(error, Busy)):
        outcome = listener.unknown
        if listener.is_rebooting and not isinstance(error, Busy):
            reason, hint = not_back(listener)
    elif listener.is_changed:
        outcome = "needs_person"
    elif outcome == "not_started" and isinstance(error, AgentFault) and work.without_plan is not None:
        reason, hint = work.without_plan, None
    return HostResult(
        outcome=outcome,
        form=work.form,
        step=listener.last.get("step"),
        reason=listener.desk.store.redactor.redact(reason.as_json()),
        hint=hint.as_json() if hint else None,
        seconds=seconds,
        holder=error.holder if isinstance(error, Busy) else None,
    )


def not_back(listener: Listener) -> tuple[Text, Text]:
    """Why, and what to do, where a computer that was told to reboot does not answer any more."""
    minutes = round(listener.desk.patience.reboot_s / 60)
    return (
        Text(
            f"dinyalakan ulang dan belum menjawab lagi dalam {minutes} menit",
            f"it was rebooted and has not answered again within {minutes} minutes",
        ),
        Text(
            "periksa komputer itu; setelah menyala agen melanjutkan sendiri: pasang resume",
            "look at that computer; once it is up the agent goes on by itself: pasang resume",
        ),
    )


def followed(listener: Listener, error: Busy, seconds: float) -> HostResult:
    """The result where another controller follows this very run: it goes on, and that one records how it ends."""
    return replace(failed(listener, error, seconds), outcome=listener.unknown)


def is_followed(work: HostWork, error: Busy) -> bool:
    """Whether who holds the computer does so for this very work."""
    return error.holder.get("run") == work.id and error.holder.get("host") in (None, work.host.name)


def unexpected(error: Exception, redactor: Redactor) -> HostError:
    """What nobody foresaw, as one computer's trouble; cut when its secrets are hidden."""
    if isinstance(error, PasangError):
        return AgentFault(error.what, hint=error.problems[0].hint)
    said = redactor.text(f"{type(error).__name__}: {error}")[:300]
    return AgentFault(
        Text(f"kesalahan yang tidak terduga ({said})", f"something unforeseen ({said})"),
        hint=AGAIN,
    )


def left(listener: Listener, seconds: float) -> HostResult:
    """The result for a computer that the person leaves: at work, or never begun."""
    if not listener.is_contacted and not listener.seen:
        return stopped_before(listener.work)
    reason = Text("ditinggalkan; komputer menyelesaikan sendiri", "left; the computer finishes by itself")
    return HostResult(
        outcome=listener.unknown if listener.desk.keeps_record else "not_started",
        form=listener.work.form,
        step=listener.last.get("step"),
        reason=reason.as_json(),
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
        **({"holder": result.holder} if result.holder else {}),
        seconds=round(result.seconds, 3),
        cpu_seconds=result.cpu_seconds,
        sent_bytes=sent,
        received_bytes=received,
        round_trips=trips,
    )
    desk.observer.ended(work, result)
    return result


def stopped_before(work: HostWork) -> HostResult:
    """The result for a computer whose turn did not come; what an earlier command began there is at work still."""
    if work.earlier is not None:
        reason = Text("belum ditanya; dihentikan sebelumnya", "not asked: stopped before its turn")
        return HostResult(
            work.left_as(work.earlier), form=work.form, step=work.earlier.get("step"), reason=reason.as_json()
        )
    return not_started(work, Text("dihentikan sebelum dimulai", "stopped before it began"))


def stopped_by(order: Mapping[str, object]) -> Text:
    """The reason of a computer that a person stopped before anything was begun there."""
    by = order.get("by")
    return Text(f"dihentikan oleh {by} sebelum dimulai", f"stopped by {by} before it began")


def not_started(work: HostWork, reason: Text) -> HostResult:
    """The result for a computer that was never contacted."""
    return HostResult(outcome="not_started", form=work.form, reason=reason.as_json())
