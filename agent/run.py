"""A run on this computer: the journal it writes, the steps it visits, and the order that stands around every effect.

Detect, capture, *intent on the disk*, apply, verify, *effect on the disk*: ``effect`` is the only place where the
computer is changed on the way forward. What stands in the journal already is not done again.
"""

from __future__ import annotations

import os
import time

from agent import snapshot
from agent.actions import KINDS as ACTIONS
from agent.actions import ActionFailed, action
from agent.journal import mono
from agent.kept import load, record_path, save
from agent.ledger import Ledger
from agent.probes import probe
from agent.protocol import ProtocolError, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from agent.actions import Detection
    from agent.host import Host
    from agent.journal import Journal
    from agent.ledger import Effect

AFTER_A_CHANGE = ("reloaded", "restarted")
"""States of a service that are effects of their own, wanted where something before them in the section changed."""


class StepFailed(Exception):
    """A step did not succeed: the software is taken back."""

    def __init__(self, step: int, reason: dict[str, str]) -> None:
        super().__init__(reason["en"])
        self.step = step
        self.reason = reason


class Waiting(BaseException):
    """A person must decide before the run can go on."""


class Run:
    """One plan on one computer, and how far it is."""

    def __init__(
        self, plan: dict[str, Any], host: Host, journal: Journal, *, folder: str, gate: Callable[[], None]
    ) -> None:
        """Set up; nothing happens before ``carry_out``.

        Args:
            plan: as in ``docs/records.md``.
            host: this computer.
            journal: the run's, open for writing; what stands in it is not done again.
            folder: the run's own folder.
            gate: called before the first effect; it may raise to hand the rest to a process that outlives the line.
        """
        self.plan = plan
        self.host = host
        self.journal = journal
        self.folder = folder
        self.gate = gate
        self.ledger = Ledger(journal.records)
        self.variant: dict[str, Any] = {}
        self.facts: dict[str, Any] = {}
        host.payloads = plan["payloads"]

    def visit(self, step: int, work: Callable[[], None], *, again: bool = False) -> None:
        """One visit of a step, begun and ended in the journal; nothing where it has succeeded already.

        Raises:
            StepFailed: as ``work`` does.
        """
        if self.ledger.result(step) == "ok" and not again:
            return
        self.begin_step(step)
        try:
            work()
        except StepFailed as failed:
            self.end_step(step, "failed", failed.reason)
            raise
        except (OSError, ProtocolError):
            raise  # the journal's or the line's: what cannot be written down, or was not heard whole, is not decided
        except Exception as error:
            self.end_step(step, "failed", unexpected(error))
            raise StepFailed(step, unexpected(error)) from error
        self.end_step(step, "ok", None)

    def apply_all(self, step: int, section: str) -> None:
        """Every action of a section in order; in ``run`` also its probes, where they stand."""
        for index, spec in enumerate(self.section(section)):
            if spec["kind"] in ACTIONS:
                self.effect(step, section, index, spec)
            else:
                self.ask(step, section, index, spec)

    def effect(self, step: int, section: str, index: int, spec: dict[str, Any]) -> None:
        """One action: nothing where the computer is as asked already.

        Raises:
            StepFailed: it could not be brought about, or the computer says that it was not.
        """
        kind, visit = action(spec["kind"]), self.ledger.visits(step)
        known = self.ledger.effect(section, index, visit)
        if known and known.result == "failed":
            raise StepFailed(step, known.reason)
        if known and known.result:
            return
        found = self.detect(step, section, index, spec)
        repeats = spec.get("state") in AFTER_A_CHANGE
        in_place = found.present and known is not None and not repeats
        if known is None:
            if found.present and not (repeats and (visit > 1 or self.ledger.changed(section, visit))):
                return
            known = self.intend(step, section, index, spec)
        began = time.monotonic()
        evidence: dict[str, Any] = {}
        try:
            # Died after the intent: what is in place by now is looked at, never done again.
            evidence = {"interrupted": True} if in_place else kind.apply(spec, self.host)
            after = kind.verify(spec, self.host)
            reason = (
                None
                if after.present
                else after.reason or text("hasilnya tidak terlihat di komputer", "its result is not there")
            )
            if reason:
                evidence["found"] = after.found
        except ActionFailed as failed:
            reason, evidence = failed.reason, {**evidence, **failed.evidence}
        except Exception as error:  # noqa: BLE001 - whatever it is, what was begun must be taken back
            reason = unexpected(error)
        self.note(
            "effect",
            durable=True,
            step=step,
            effect=known.number,
            verb="apply",
            section=section,
            index=index,
            kind=spec["kind"],
            title=kind.title(spec),
            result="failed" if reason else "changed",
            evidence=evidence,
            reason=reason,
            seconds=round(time.monotonic() - began, 3),
        )
        if reason:
            raise StepFailed(step, reason)

    def intend(self, step: int, section: str, index: int, spec: dict[str, Any]) -> Effect:
        """Keep what the way back needs, and put the intent on the disk."""
        self.gate()
        import agent.rollback  # noqa: F401 - the way back is at hand before the first effect, whatever becomes of the disk

        self.snapshot_before()
        kind = action(spec["kind"])
        number = len(self.ledger.effects) + 1
        keep = os.path.join(self.folder, "keep", str(number))
        os.makedirs(keep, exist_ok=True)
        try:
            entry = kind.capture(spec, self.host, keep)
        except (ActionFailed, OSError) as error:
            reason = error.reason if isinstance(error, ActionFailed) else text(str(error), str(error))
            raise StepFailed(step, reason) from error
        self.note(
            "intent",
            durable=True,
            step=step,
            effect=number,
            section=section,
            index=index,
            visit=self.ledger.visits(step),
            kind=spec["kind"],
            verb="apply",
            title=kind.title(spec),
            undo=entry,
        )
        return self.ledger.effects[-1]

    def snapshot_before(self) -> None:
        """The state before the first effect, kept in the run's folder; once."""
        if self.ledger.snapshot_before is not None:
            return
        from agent.contents import Contents

        contents = Contents(self.folder)
        state = snapshot.take(self.host, self.variant.get("watch", []), contents=contents)
        contents.save()
        digest = save(
            os.path.join(self.folder, "before.json"),
            {"snapshot": state, "contents": contents.index, "baseline": self.baseline()},
        )
        self.note(
            "snapshot",
            durable=True,
            step=5,
            when="before",
            digest=digest,
            counts=snapshot.counts(state),
            **state["notes"],
        )

    def baseline(self) -> dict[str, Any]:
        """How to prove the version before, should it have to come back: version, probes, and since when they look.

        Where Pasang installed it these are the probes of its own playbook, else those of the new one; of either only
        those that pass now. Empty where the software is not on the computer.
        """
        found = [self.look(spec) for spec in self.section("install")]
        if all(detection.state == "absent" for detection in found):
            return {"version": None, "probes": [], "since": {}}
        kept = load(record_path(self.host.root, self.plan["software"]["name"])) or {}
        since = kept.get("since") or (self.ledger.variant or {}).get("since", {})
        specs = [{**spec, "within_s": 0} for spec in kept.get("probes") or self.section("test")]
        passing = [spec for spec in specs if probe(spec, self.host, since)["verdict"] == "passed"]
        version = kept.get("software", {}).get("version") or ", ".join(d.found for d in found if d.state != "absent")
        return {"version": version or None, "probes": [{**s, "within_s": 10} for s in passing], "since": since}

    def ask_all(self, step: int, section: str) -> None:
        """Every probe of a section, all of them even where one fails.

        Raises:
            StepFailed: at least one did not pass.
        """
        failed: list[dict[str, str]] = []
        for index, spec in enumerate(self.section(section)):
            try:
                self.ask(step, section, index, spec)
            except StepFailed as failure:
                failed.append(failure.reason)
        reason = join(failed)
        if reason:
            raise StepFailed(step, reason)

    def ask(self, step: int, section: str, index: int, spec: dict[str, Any]) -> None:
        """One probe.

        Raises:
            StepFailed: it did not pass; one that could not tell did not pass either.
        """
        row = probe(spec, self.host, (self.ledger.variant or {}).get("since", {}))
        self.note("probe", step=step, section=section, index=index, **row)
        if row["verdict"] != "passed":
            raise StepFailed(step, about(row["title"], row["reason"]))

    def look(self, spec: dict[str, Any]) -> Detection:
        """What an action finds, without a record."""
        detection: Detection = action(spec["kind"]).detect(spec, self.host)
        return detection

    def detect(self, step: int, section: str, index: int, spec: dict[str, Any]) -> Detection:
        """What an action finds, recorded."""
        found = self.look(spec)
        title = action(spec["kind"]).title(spec)
        self.note(
            "detected",
            step=step,
            section=section,
            index=index,
            kind=spec["kind"],
            title=title,
            state=found.state,
            found=found.found,
        )
        return found

    def is_installed(self) -> bool:
        """Whether everything of the install section is in place."""
        return all(self.look(spec).present for spec in self.section("install"))

    def section(self, name: str) -> list[dict[str, Any]]:
        """A section's entries; ``configure``'s are its actions."""
        found = self.variant.get(name) or []
        return found["actions"] if isinstance(found, dict) else found

    def actions(self, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
        """A section's actions with their places."""
        return ((i, s) for i, s in enumerate(self.section(name)) if s["kind"] in ACTIONS)

    def plan_last_step(self) -> int:
        """The step that closes the form: 12 at the user's place, 13 in the data centre."""
        return 13 if self.plan.get("location") == "data_center" else 12

    # -- the journal ---------------------------------------------------------------------------------------------------

    def note(self, type_: str, *, durable: bool = False, **fields: Any) -> None:
        """Write a record and remember it."""
        self.ledger.note(self.journal.append(type_, durable=durable, **fields))

    def begin_step(self, step: int) -> None:
        """Begin a visit, or go on with the one that an earlier process began."""
        if not self.ledger.is_open(step):
            self.note("step_started", step=step, visit=self.ledger.visits(step) + 1)

    def end_step(self, step: int, result: str, reason: dict[str, str] | None) -> None:
        """End the visit."""
        began = next(
            (r["mono"] for r in reversed(self.journal.records) if r["type"] == "step_started" and r["step"] == step),
            None,
        )
        record: dict[str, Any] = {"step": step, "visit": self.ledger.visits(step), "result": result, "reason": reason}
        self.note("step_ended", seconds=round(mono() - began, 3) if began is not None else 0, **record)

    def loop(self, step: int, to: int, reason: dict[str, str], *, limit: int = 1) -> None:
        """Record that the procedure goes back, from which step to which, and why."""
        count = 1 + sum(1 for r in self.journal.records if r["type"] == "loop" and (r["step"], r["to"]) == (step, to))
        self.note("loop", step=step, to=to, count=count, limit=limit, reason=reason)

    def end(
        self, outcome: str, step: int, reason: dict[str, str] | None, *, rollback: dict[str, Any] | None = None
    ) -> None:
        """The last record."""
        began = self.ledger.began
        self.note(
            "run_ended",
            durable=True,
            outcome=outcome,
            step=step,
            reason=reason,
            rollback=rollback,
            seconds=round(mono() - began["mono"], 3) if began else 0,
            cpu_seconds=round(self.ledger.cpu_seconds + time.process_time(), 3),
        )


def unexpected(error: Exception) -> dict[str, str]:
    """The reason for what nobody foresaw."""
    return text(f"kesalahan tak terduga: {error!r}", f"an unexpected error: {error!r}")


def about(title: dict[str, str], reason: dict[str, str] | None) -> dict[str, str]:
    """A reason, with what it is the reason of."""
    return text(f"{title['id']}: {reason['id']}", f"{title['en']}: {reason['en']}") if reason else title


def join(reasons: list[dict[str, str]]) -> dict[str, str] | None:
    """Several reasons as one; None where there are none."""
    if not reasons:
        return None
    return text("; ".join(r["id"] for r in reasons), "; ".join(r["en"] for r in reasons))
