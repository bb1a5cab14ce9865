"""What the parts of a run hand to each other: values, no behaviour."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from controller.depot import Depot
from controller.inventory import Host
from controller.plan import Plan
from controller.records import Record, Store, Writer
from controller.runtime import Runtime
from controller.text import Language, said
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
    names: Mapping[str, str] = field(default_factory=dict)
    """Payload digests by their file name: for progress."""

    def record(self, type_: str, work: HostWork, **fields: object) -> None:
        """A record of the controller about one computer: stored, and shown."""
        self.put(self.store.record(type_, run=work.run, host=work.host.name, form=work.form, **fields))

    def put(self, record: Record) -> None:
        """Store and show a record, without secrets."""
        clean = self.store.redactor.redact(record)
        if self.keeps_record:
            self.writer.put(clean)
        self.observer.event(clean)

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


def exit_code(results: Sequence[HostResult]) -> int:
    """0 every computer is as asked, 4 one needs a person, 1 anything else."""
    if any(result.outcome in ("needs_person", "awaiting_decision") for result in results):
        return 4
    return 0 if all(result.outcome in GOOD for result in results) else 1
