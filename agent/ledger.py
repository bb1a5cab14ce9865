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


class Reboot:
    """One reboot that is wanted, and how far it is."""

    def __init__(self, due: dict[str, Any]) -> None:
        self.boot: str = due["boot"]
        """In which boot it turned out to be wanted."""
        self.tries = 0
        """How often the computer was told."""
        self.is_done = False

    def note(self, record: dict[str, Any]) -> None:
        """Take in what was recorded of it after ``due``."""
        if record["state"] == "begun":
            self.tries += 1
        self.is_done = self.is_done or record["state"] == "done"


class Ledger:
    """The journal, folded. Feed it every record in order."""

    def __init__(self, records: Sequence[dict[str, Any]]) -> None:
        self.variant: dict[str, Any] | None = None
        self.snapshot_before: dict[str, Any] | None = None
        self.decision: dict[str, Any] | None = None
        self.rollback: dict[str, Any] | None = None
        self.failure: dict[str, Any] | None = None
        self.stopped: dict[str, Any] | None = None
        """A person's order to stop, once it was heard."""
        self.failed_step: dict[str, Any] | None = None
        """The end of a step that failed, while nothing has been done about it yet."""
        self.effects: list[Effect] = []
        self.cpu_seconds = 0.0
        self.boots: list[str] = []
        """The boots of the computer that the run has seen, in order."""
        self.lived_s = 0.0
        """How long it has taken so far: by the boot clock, without the time between two boots."""
        self._mono: float | None = None
        self._began: dict[int, float] = {}
        self._reboots: dict[tuple[str, int | None, int], Reboot] = {}
        self._visits: dict[int, int] = {}
        self._results: dict[int, str | None] = {}
        for record in records:
            self.note(record)

    def note(self, record: dict[str, Any]) -> None:
        """Take in the next record."""
        kind = record["type"]
        self._note_time(record)
        if kind in ("step_started", "step_ended", "loop"):
            self.failed_step = record if record.get("result") == "failed" else None
        if kind == "step_started":
            self._visits[record["step"]] = record["visit"]
            self._results[record["step"]] = None
            self._began[record["step"]] = self.lived_s
        elif kind == "step_ended":
            self._results[record["step"]] = record["result"]
        elif kind == "intent" and record["verb"] == "apply":
            self.effects.append(Effect(record))
        elif kind == "effect":
            self._note_effect(record)
        elif kind == "reboot":
            self._note_reboot(record)
        elif kind == "loop" and record["to"] == 8:
            self.failure = record
        elif kind == "variant_chosen":
            self.variant = record
        elif kind == "snapshot" and record["when"] == "before":
            self.snapshot_before = record
        elif kind == "decision" and record["step"] == 9:
            self.decision = record
        elif kind == "stopped":
            self.stopped = record
        elif kind == "rollback":
            self.rollback = record
        elif kind == "detached":
            self.cpu_seconds += record["cpu_seconds"]

    def _note_time(self, record: dict[str, Any]) -> None:
        boot = record.get("boot") if record["type"] == "agent_started" else None
        if boot and boot not in self.boots[-1:]:
            self.boots.append(boot)
            self._mono = None  # the boot clock has begun anew
        mono = record.get("mono", 0.0)
        self.lived_s += max(0.0, mono - (mono if self._mono is None else self._mono))
        self._mono = mono

    def _note_reboot(self, record: dict[str, Any]) -> None:
        key = (record["section"], record["index"], record["visit"])
        if record["state"] == "due":
            self._reboots[key] = Reboot(record)
        else:
            self._reboots[key].note(record)

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

    @property
    def open_step(self) -> int | None:
        """The last step that was begun and has not ended."""
        return max((step for step in self._visits if self.is_open(step)), default=None)

    def effect(self, section: str, index: int, visit: int) -> Effect | None:
        """The effect of one action in one visit of its section, where it was begun."""
        for effect in self.effects:
            if (effect.section, effect.index, effect.visit) == (section, index, visit):
                return effect
        return None

    def reboot(self, section: str, index: int | None, visit: int) -> Reboot | None:
        """The reboot that an action (or, without index, a section) wants in one visit; None where it does not."""
        return self._reboots.get((section, index, visit))

    @property
    def falls(self) -> int:
        """How often the computer has gone down in the middle, without being asked to."""
        return max(0, len(self.boots) - 1 - len(self._reboots))

    def seconds(self, step: int, mono: float) -> float:
        """How long the visit of a step has taken until a moment of the boot clock."""
        return round(self.seconds_of_all(mono) - self._began.get(step, self.lived_s), 3)

    def seconds_of_all(self, mono: float) -> float:
        """How long the run has taken until a moment of the boot clock."""
        return round(self.lived_s + max(0.0, mono - (mono if self._mono is None else self._mono)), 3)

    def changed(self, section: str, visit: int) -> bool:
        """Whether something of the section has changed the computer in this visit."""
        return any(e.section == section and e.visit == visit and e.result == "changed" for e in self.effects)
