"""A run on this computer: the journal it writes, the steps it visits, and the order that stands around every effect.

Detect, capture, *intent on the disk*, apply, verify, *effect on the disk*: ``effect`` is the only place where the
computer is changed on the way forward. What stands in the journal already is not done again.
"""

from __future__ import annotations

import os
import time

from agent import lock, snapshot
from agent.actions import KINDS as ACTIONS
from agent.actions import ActionFailed, action
from agent.files import remove
from agent.host import boot
from agent.journal import JournalError, mono
from agent.kept import load, record_path, save
from agent.ledger import Ledger
from agent.light.contexts import contextmanager
from agent.probes import probe
from agent.protocol import ProtocolError, text
from agent.reserve import FULL
from agent.stopping import Stopped, heard, held

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
STALL_S = 600.0
"""How long a program of an action may go without getting on, where the playbook does not say."""

VERSIONED = ("archive", "deb", "msi", "exe")
"""Actions that find a version; of the others it is only known whether the computer is as they ask."""


class StepFailed(Exception):
    """A step did not succeed: the software is taken back."""

    def __init__(self, step: int, reason: dict[str, str]) -> None:
        super().__init__(reason["en"])
        self.step = step
        self.reason = reason


class Halted(StepFailed):
    """A person stopped the step: it is not tried again."""


class Waiting(BaseException):
    """Something must come before the run can go on: a decision, or a reboot that is not ours to do now."""

    def __init__(self, outcome: str, step: int, reason: dict[str, str] | None, **fields: Any) -> None:
        super().__init__(outcome)
        self.fields = {"outcome": outcome, "step": step, "reason": reason, **fields}


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
        self.ready: dict[str, Any] = {}
        """How the computer was found to be ready, in a life of the agent that is the first in a boot."""
        host.payloads = plan["payloads"]
        host.secrets = journal.secrets

    def visit(self, step: int, work: Callable[[], None], *, again: bool = False) -> None:
        """One visit of a step, begun and ended in the journal; nothing where it has succeeded already.

        Raises:
            StepFailed: as ``work`` does.
        """
        if self.ledger.result(step) == "ok" and not again:
            return
        self.begin_step(step)
        with self.attempted(step):
            work()
        self.end_step(step, "ok", None)

    @contextmanager
    def attempted(self, step: int) -> Iterator[None]:
        """Work of a step that has begun: whatever goes wrong in it, the step has failed.

        Raises:
            StepFailed: it has.
        """
        try:
            with self.stoppable(step):
                yield
        except StepFailed as failed:
            if self.ledger.is_open(step):
                self.end_step(step, "failed", failed.reason)
            raise
        except (JournalError, ConnectionError, ProtocolError):
            raise  # the journal's or the line's: what cannot be written down, or was not heard whole, is not decided
        except Exception as error:
            self.end_step(step, "failed", unexpected(error))
            raise StepFailed(step, unexpected(error)) from error

    @contextmanager
    def stoppable(self, step: int) -> Iterator[None]:
        """Work of a step that a person may stop at any moment; then the step has failed.

        Raises:
            Halted: a person did.
        """
        try:
            with heard():
                yield
        except Stopped as stopped:
            reason = self.heed(step, stopped)
            self.end_step(step, "failed", reason)
            raise Halted(step, reason) from stopped

    def heed(self, step: int, stopped: Stopped) -> dict[str, str]:
        """Record who stopped the run, and what was under way; the reason for which the step fails."""
        by = stopped.order.get("by") or "?"
        waits = stopped.evidence.get("stopped", {}).get("waits")
        if self.ledger.stopped is None:
            self.note(
                "stopped", durable=True, step=step, by=by, asked_at=stopped.order.get("at"), evidence=stopped.evidence
            )
        reason = text(f"dihentikan oleh {by}", f"stopped by {by}")
        return text(f"{reason['id']} saat {waits['id']}", f"{reason['en']} while {waits['en']}") if waits else reason

    @contextmanager
    def watched(self, stall_s: float | None) -> Iterator[None]:
        """Programs started in here may go so long without getting on, then they are stopped; None: ``STALL_S``."""
        self.host.stall_s = stall_s or STALL_S
        try:
            yield
        finally:
            self.host.stall_s = None

    def apply_all(self, step: int, section: str) -> None:
        """Every action of a section in order; in ``run`` also its probes, where they stand."""
        for index, spec in enumerate(self.section(section)):
            if spec["kind"] in ACTIONS:
                with self.watched(spec.get("stall_s")):
                    self.effect(step, section, index, spec)
                self.reboot(step, section, index, spec.get("reboot"))
            else:
                self.ask(step, section, index, spec)

    def reboot(self, step: int, section: str, index: int | None, wanted: str | None) -> None:
        """Reboot the computer where an action, or without ``index`` the variant, wants that now.

        Raises:
            Waiting: it cannot be yet.
            StepFailed: it could not be for too long.
        """
        if wanted in (None, "never"):
            return
        from agent import reboot

        reboot.after(self, step, section, index, str(wanted))

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
        if lock.program_of(self.host.root):
            from agent import orphans

            stuck = orphans.wait(self, step)
            if stuck:
                raise StepFailed(step, stuck)
        older = section == "run" and self.is_older(spec)
        if older:
            spec = {**spec, "state": "restarted"}
        settled = self.settle(spec) if known else {}
        found = self.detect(step, section, index, spec)
        repeats = spec.get("state") in AFTER_A_CHANGE
        in_place = found.present and known is not None and not repeats
        if known is None:
            if found.present and not older and not (repeats and (visit > 1 or self.ledger.changed(section, visit))):
                return
            known = self.intend(step, section, index, spec)
        began = time.monotonic()
        evidence: dict[str, Any] = {}
        halted: Halted | None = None
        try:
            # Died after the intent: what is in place by now is looked at, never done again.
            evidence = {**settled, **({"interrupted": True} if in_place else kind.apply(spec, self.host))}
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
        except Stopped as stopped:
            halted = Halted(step, self.heed(step, stopped))
            reason, evidence = halted.reason, {**evidence, **stopped.evidence}
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
            title=self.title(spec),
            result="failed" if reason else "changed",
            evidence=evidence,
            reason=reason,
            seconds=round(time.monotonic() - began, 3),
        )
        if halted:
            raise halted
        if reason:
            raise StepFailed(step, reason)

    def settle(self, spec: dict[str, Any]) -> dict[str, Any]:
        """What an ``apply`` that died in the middle left: finished, as far as its kind can, before it is looked at."""
        kind = action(spec["kind"])
        try:
            return dict(kind.settle(spec, self.host)) if hasattr(kind, "settle") else {}
        except ActionFailed:
            return {}  # it stands in the way of apply as well, which says so

    def is_older(self, spec: dict[str, Any]) -> bool:
        """Whether a service that is to run has been up since before this run changed the software.

        What runs then is not what was installed: started again, it is what steps 6 and 7 are about.
        """
        changes = (r["mono"] for r in self.journal.records if r["type"] == "intent" and r["section"] == "install")
        began = next(changes, None)
        if began is None or spec["kind"] != "service" or spec.get("state") != "running":
            return False
        return bool(self.host.services.read(spec["name"]).active_for_s > mono() - began)

    def intend(self, step: int, section: str, index: int, spec: dict[str, Any]) -> Effect:
        """Keep what the way back needs, and put the intent on the disk."""
        self.gate()
        import agent.rollback  # noqa: F401 - the way back is at hand before the first effect, whatever becomes of the disk

        self.snapshot_before()
        kind = action(spec["kind"])
        number = len(self.ledger.effects) + 1
        keep = os.path.join(self.folder, "keep", str(number))
        try:
            os.makedirs(keep, exist_ok=True)
            entry = kind.capture(spec, self.host, keep)
        except (ActionFailed, OSError) as error:
            remove(keep)  # half of what was to be kept is of no use, and takes the room that the way back may need
            reason = error.reason if isinstance(error, ActionFailed) else unexpected(error)
            raise StepFailed(step, reason) from error
        if spec.get("stall_s"):
            entry["stall_s"] = spec["stall_s"]  # its undo may take as long
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
            title=self.title(spec),
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
        kinds = [spec["kind"] for spec in self.section("install")]
        rows = [row.found for kind, row in zip(kinds, found) if kind in VERSIONED and row.state != "absent"]
        named = (os.path.basename(row) for row in rows if isinstance(row, str))
        version = kept.get("software", {}).get("version") or ", ".join(named)
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
        title = self.title(spec)
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

    def title(self, spec: dict[str, Any]) -> dict[str, str]:
        """What an action does, for the form."""
        title: dict[str, str] = action(spec["kind"]).title(self.host.secrets.masked(spec))
        return title

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
        """Write a record and remember it; both, whoever wants us to stop."""
        with held():
            self.ledger.note(self.journal.append(type_, durable=durable, **fields))

    def begin_step(self, step: int) -> None:
        """Begin a visit, or go on with the one that an earlier process began."""
        if not self.ledger.is_open(step):
            self.note("step_started", step=step, visit=self.ledger.visits(step) + 1)

    def end_step(self, step: int, result: str, reason: dict[str, str] | None) -> None:
        """End the visit."""
        record: dict[str, Any] = {"step": step, "visit": self.ledger.visits(step), "result": result, "reason": reason}
        self.note("step_ended", seconds=self.ledger.seconds(step, mono()), **record)

    def loop(self, step: int, to: int, reason: dict[str, str], *, limit: int = 1) -> None:
        """Record that the procedure goes back, from which step to which, and why."""
        count = 1 + sum(1 for r in self.journal.records if r["type"] == "loop" and (r["step"], r["to"]) == (step, to))
        self.note("loop", step=step, to=to, count=count, limit=limit, reason=reason)

    def end(
        self, outcome: str, step: int, reason: dict[str, str] | None, *, rollback: dict[str, Any] | None = None
    ) -> None:
        """The last record. Nothing of ours is in the computer's own folders when somebody reads it."""
        boot.forget(self.folder)
        pending = self.pending_reboot() if self.ledger.effects or self.plan["mode"] == "uninstall" else None
        self.note(
            "run_ended",
            durable=True,
            outcome=outcome,
            step=step,
            reason=reason,
            rollback=rollback,
            seconds=self.ledger.seconds_of_all(mono()),
            cpu_seconds=round(self.ledger.cpu_seconds + time.process_time(), 3),
            **({"pending_reboot": pending} if pending else {}),
        )

    def pending_reboot(self) -> str | None:
        """What waits for a reboot of this computer; None where nothing does, or nobody can tell."""
        return self.asked_reboot() or self.known_reboot()

    def asked_reboot(self) -> str | None:
        """The installer of ours that said, in this boot, that it wants the computer rebooted; None where none did."""
        for record in reversed(self.journal.records):
            asked = (record.get("evidence") or {}).get("reboot") if record["type"] == "effect" else None
            if asked and asked["boot"] == self.host.boot_id():
                return f"{record['kind']}: {asked['kind']}"
        return None

    def known_reboot(self) -> str | None:
        """What the operating system itself says that a reboot is wanted for."""
        try:
            return self.host.pending_reboot()
        except OSError:
            return None


def unexpected(error: Exception) -> dict[str, str]:
    """The reason for what nobody foresaw; a full disk has words of its own."""
    if isinstance(error, OSError) and error.errno in FULL:
        return text(f"disk komputer penuh: {error}", f"the computer's disk is full: {error}")
    return text(f"kesalahan tak terduga: {error!r}", f"an unexpected error: {error!r}")


def about(title: dict[str, str], reason: dict[str, str] | None) -> dict[str, str]:
    """A reason, with what it is the reason of."""
    return text(f"{title['id']}: {reason['id']}", f"{title['en']}: {reason['en']}") if reason else title


def join(reasons: list[dict[str, str]]) -> dict[str, str] | None:
    """Several reasons as one; None where there are none."""
    if not reasons:
        return None
    return text("; ".join(r["id"] for r in reasons), "; ".join(r["en"] for r in reasons))
