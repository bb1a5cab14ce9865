"""What the parts of a run hand to each other: values, no behaviour."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from controller.depot import Depot
from controller.inventory import Host
from controller.plan import Plan
from controller.records import Record, Store, Writer
from controller.runtime import Runtime
from controller.text import Language, Text, said
from controller.transport import Options

GOOD = frozenset({"installed", "already_installed", "verified", "uninstalled", "not_installed", "eligible"})
"""Outcomes with which a computer is as asked."""
UNKNOWN = frozenset({"running", "awaiting_decision"})
"""Outcomes after which something is still to come."""


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
    without_plan: Text | None = None
    """Why there is no plan any more, for a computer that turns out never to have got it."""

    @property
    def id(self) -> str:
        """The run's name on the computer."""
        return f"{self.run}.{self.software}"


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
        }


@dataclass(frozen=True)
class Patience:
    """How long a computer that says nothing is waited for, and how the time passes meanwhile."""

    reattach_s: float = 90.0
    """So long after the line was last known to be alive it is tried again; then the computer finishes by itself."""
    answer_s: float = 300.0
    """So long may a computer take from the job, or from the last thing sent to it, to its first record."""
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[threading.Event, float], object] = threading.Event.wait
    """Waits so many seconds, less where the event is set."""


class Observer(Protocol):
    """Who watches a run. Called from many threads; it cannot touch the record."""

    def event(self, record: Record) -> None:
        """A record, as it is stored."""

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
        if self.runtime.owns(digest):
            return "agent" if digest == self.runtime.agent else "psutil"
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


def exit_code(results: Sequence[tuple[HostWork, HostResult]]) -> int:
    """0 every computer is as asked, 4 one needs a person, 1 anything else."""
    if any(result.outcome in ("needs_person", "awaiting_decision") for _, result in results):
        return 4
    return 0 if all(is_as_asked(work, result) for work, result in results) else 1


def is_as_asked(work: HostWork, result: HostResult) -> bool:
    """Whether a computer is as asked. What is not there cannot be found good, but need not be removed."""
    return result.outcome in GOOD and not (work.mode == "verify" and result.outcome == "not_installed")
