"""What a journal says has happened so far: the memory with which an interrupted run goes on."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence


class Effect:
    """One entry of the undo log, in the order in which the effects were begun."""

    def __init__(self, intent: dict[str, Any]) -> None:
        self.number: int = intent["effect"]
        self.section: str = intent["section"]
        self.index: int = intent["index"]
        self.visit: int = intent["visit"]
        self.kind: str = intent["kind"]
        self.title: dict[str, str] = intent["title"]
        self.entry: dict[str, Any] = intent["undo"]
        self.result: str | None = None
        """None while it is not known how it ended: we died in the middle of it."""
        self.reason: dict[str, str] = {}
        self.undone: str | None = None
        """``changed`` or ``failed`` once it was taken back; None before."""


class Ledger:
    """The journal, folded. Feed it every record in order."""

    def __init__(self, records: Sequence[dict[str, Any]]) -> None:
        self.began: dict[str, Any] | None = None
        self.variant: dict[str, Any] | None = None
        self.snapshot_before: dict[str, Any] | None = None
        self.decision: dict[str, Any] | None = None
        self.rollback: dict[str, Any] | None = None
        self.failure: dict[str, Any] | None = None
        self.failed_step: dict[str, Any] | None = None
        """The end of a step that failed, while nothing has been done about it yet."""
        self.effects: list[Effect] = []
        self.cpu_seconds = 0.0
        self._visits: dict[int, int] = {}
        self._results: dict[int, str | None] = {}
        for record in records:
            self.note(record)

    def note(self, record: dict[str, Any]) -> None:
        """Take in the next record."""
        kind = record["type"]
        if kind in ("step_started", "step_ended", "loop"):
            self.failed_step = record if record.get("result") == "failed" else None
        if kind == "step_started":
            self._visits[record["step"]] = record["visit"]
            self._results[record["step"]] = None
        elif kind == "step_ended":
            self._results[record["step"]] = record["result"]
        elif kind == "intent" and record["verb"] == "apply":
            self.effects.append(Effect(record))
        elif kind == "effect":
            self._note_effect(record)
        elif kind == "loop" and record["to"] == 8:
            self.failure = record
        elif kind == "agent_started" and self.began is None:
            self.began = record
        elif kind == "variant_chosen":
            self.variant = record
        elif kind == "snapshot" and record["when"] == "before":
            self.snapshot_before = record
        elif kind == "decision":
            self.decision = record
        elif kind == "rollback":
            self.rollback = record
        elif kind == "detached":
            self.cpu_seconds += record["cpu_seconds"]

    def _note_effect(self, record: dict[str, Any]) -> None:
        if record["effect"] > len(self.effects):
            return  # a removal by hand undoes the effects of earlier runs
        effect = self.effects[record["effect"] - 1]
        if record["verb"] == "apply":
            effect.result = record["result"]
            effect.reason = record["reason"] or {}
        else:
            effect.undone = record["result"]

    def visits(self, step: int) -> int:
        """How often the step was begun."""
        return self._visits.get(step, 0)

    def result(self, step: int) -> str | None:
        """How the step's last visit ended; None where it has not, or never began."""
        return self._results.get(step)

    def is_open(self, step: int) -> bool:
        """Whether a visit of the step was begun and has not ended."""
        return self.visits(step) > 0 and self._results.get(step) is None

    def effect(self, section: str, index: int, visit: int) -> Effect | None:
        """The effect of one action in one visit of its section, where it was begun."""
        for effect in self.effects:
            if (effect.section, effect.index, effect.visit) == (section, index, visit):
                return effect
        return None

    def changed(self, section: str, visit: int) -> bool:
        """Whether something of the section has changed the computer in this visit."""
        return any(e.section == section and e.visit == visit and e.result == "changed" for e in self.effects)
