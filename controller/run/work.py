"""What the parts of a run hand to each other: values, no behaviour."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from controller.depot import Depot
from controller.inventory import Host
from controller.plan import Plan
from controller.records import Record, Store, Writer
from controller.runtime import Runtime
from controller.text import Language, Text, said
from controller.transport import Options

if TYPE_CHECKING:
    from controller.run.leases import Keeper

GOOD = frozenset({"installed", "already_installed", "verified", "uninstalled", "not_installed", "eligible"})
"""Outcomes with which a computer is as asked."""


@dataclass(frozen=True)
class HostWork:
    """One software on one computer."""

    run: str
    host: Host
    software: str
    form: str
    """The form's number; empty for commands that change nothing and keep no form."""
    mode: str
    location: str
    plan: Plan | None = None
    """None where the plan lies on the computer already."""
    decision: Mapping[str, Any] | None = None
    earlier: Mapping[str, Any] | None = None
    """The last record of the agent that we have from earlier commands; None where it never spoke to us."""
    stop: Mapping[str, Any] | None = None
    """A person's order to stop it, as it is recorded; None where there is none."""
    without_plan: Text | None = None
    """Why there is no plan any more, for a computer that turns out never to have got it."""

    @property
    def id(self) -> str:
        """The run's name on the computer."""
        return f"{self.run}.{self.software}"

    def left_as(self, last: Mapping[str, Any] | None) -> str:
        """The outcome of a computer that goes on unheard, by the last record of its agent."""
        if last is None or last.get("type") != "waiting" or self.decision is not None:
            return "running"
        return str(last["outcome"])


@dataclass(frozen=True)
class HostResult:
    """How one software on one computer ended, or was left."""

    outcome: str
    form: str = ""
    step: int | None = None
    reason: Mapping[str, str] | None = None
    rollback: Mapping[str, Any] | None = None
    seconds: float = 0.0
    cpu_seconds: float | None = None
    """Of the agent on the computer; None where it is not known."""
    hint: Mapping[str, str] | None = None
    had_ended: bool = False
    """Before this command: it was found so."""
    holder: Mapping[str, Any] | None = None
    """Where another run holds the computer: its ``owner``, ``run``, ``host``, ``since``, ``why``, ``until``."""

    def summary(self, language: Language) -> dict[str, Any]:
        """The fields of ``--json``'s summary; the reason, and what to do, in the reader's language."""
        parts = [said(text, language) for text in (self.reason, self.hint) if text]
        return {
            "outcome": self.outcome,
            "form": self.form or None,
            "seconds": round(self.seconds, 3),
            "step": self.step,
            "reason": "; ".join(parts) or None,
            "rollback": self.rollback,
            **({"holder": dict(self.holder)} if self.holder else {}),
        }


@dataclass(frozen=True)
class Patience:
    """How long a computer that says nothing is waited for, and how the time passes meanwhile."""

    reattach_s: float = 90.0
    """So long after the line was last known to be alive it is tried again; then the computer finishes by itself."""
    answer_s: float = 300.0
    """So long may a computer take from the job, or from the last thing sent to it, to its first record."""
    reboot_s: float = 900.0
    """So long may a computer that was told to reboot take until it answers again."""
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[threading.Event, float], object] = threading.Event.wait
    """Waits so many seconds, less where the event is set."""


class Observer(Protocol):
    """Who watches a run. Called from many threads; it cannot touch the record."""

    def event(self, record: Record) -> None:
        """A record, as it is stored."""

    def asked(self, host: str) -> None:
        """A computer's agent has its job; nothing is to be done until it says something."""

    def pushing(self, host: str, name: str, sent_bytes: int, size_bytes: int) -> None:
        """A payload on its way."""

    def ended(self, work: HostWork, result: HostResult) -> None:
        """A computer is done with one software."""


@dataclass(frozen=True)
class Desk:
    """Everything that the hosts of a run share."""

    store: Store
    writer: Writer
    depot: Depot
    runtime: Runtime
    options: Options
    observer: Observer
    owner: str
    keeps_record: bool = True
    """False for commands that change nothing: they are shown and leave nothing behind."""
    patience: Patience = field(default_factory=Patience)
    keeper: Keeper | None = None
    """Of leases; None for commands that work on no computer."""

    def hold(self, work: HostWork) -> None:
        """Hold a computer before it is contacted, with all on record that came before.

        Raises:
            Busy: somebody else works on it.
            RecordError: the record cannot be kept.
        """
        if self.keeper is not None:
            self.keeper.take(work)
            self.check()

    def let_go(self, host: Host) -> None:
        """Give a computer back.

        Raises:
            RecordError: the record cannot be kept.
        """
        if self.keeper is not None:
            self.keeper.give_back(host)

    def check(self) -> None:
        """Nothing, as long as the record can be kept.

        Raises:
            RecordError: it cannot.
        """
        if self.keeps_record:
            self.writer.check()

    def record(self, type_: str, work: HostWork, **fields: object) -> None:
        """A record of the controller about one computer: stored, and shown."""
        self.put(self.store.record(type_, run=work.run, host=work.host.name, form=work.form, **fields))

    def put(self, record: Record) -> None:
        """Store and show a record, without secrets."""
        clean = self.store.redactor.redact(record)
        if self.keeps_record:
            self.writer.put(clean)
        self.observer.event(clean)

    def name(self, digest: str) -> str:
        """What is sent under a digest, as people know it."""
        if digest in self.runtime.python.values():
            return "Python"
        if self.runtime.owns(digest):
            return "agent" if self.runtime.is_agent(digest) else "psutil"
        item = self.depot.find(digest)
        return item.file if item else digest[:12]

    def blob(self, digest: str) -> Path:
        """The bytes of an installer, or of the runtime."""
        return self.runtime.path(digest) if self.runtime.owns(digest) else self.depot.get(digest).path


def new_run_id() -> str:
    """A name that sorts by time and that two controllers do not give twice."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime()) + "-" + os.urandom(2).hex()


def count(results: Sequence[HostResult]) -> dict[str, int]:
    """How many ended how; the numbers add up to the computers asked for."""
    counts: dict[str, int] = {}
    for result in results:
        counts[result.outcome] = counts.get(result.outcome, 0) + 1
    return dict(sorted(counts.items()))


def summed(results: Sequence[tuple[HostWork, HostResult]], language: Language) -> dict[str, Any]:
    """Of ``--json``'s summary what is told of computers.

    Returns:
        ``results`` has a row for each software on each computer, as many as ``counts`` adds up to; in ``hosts`` a
        computer has one, with several playbooks that of the last it got to.
    """
    rows: list[dict[str, Any]] = []
    hosts: dict[str, dict[str, Any]] = {}
    for work, result in results:
        digest = work.plan.digest if work.plan is not None else None
        row = {**result.summary(language), "plan_digest": digest}
        rows.append({"host": work.host.name, "software": work.software, **row})
        if work.host.name not in hosts or result.outcome != "not_started":
            hosts[work.host.name] = row
    return {"hosts": hosts, "results": rows, "counts": count([result for _, result in results])}


def exit_code(results: Sequence[tuple[HostWork, HostResult]]) -> int:
    """0 every computer is as asked, 4 one needs a person, 1 anything else."""
    if any(result.outcome in ("needs_person", "awaiting_decision") for _, result in results):
        return 4
    return 0 if all(is_as_asked(work, result) for work, result in results) else 1


def is_as_asked(work: HostWork, result: HostResult) -> bool:
    """Whether a computer is as asked. What is not there cannot be found good, but need not be removed.

    Asked to stop, it is where nothing is at work there any more, and nothing was left behind.
    """
    if work.stop is not None:
        is_clean = result.outcome == "rolled_back" and (result.rollback or {}).get("verdict") == "clean"
        return result.had_ended or is_clean or result.outcome in ("not_started", "verify_failed")
    return result.outcome in GOOD and not (work.mode == "verify" and result.outcome == "not_installed")
