"""Effects on the computer, one kind a file, all with the same verbs.

A kind is a module with these functions; ``spec`` is the plan's ACTION, normalised and filled in (``docs/records.md``):

``title(spec) -> text``
    What it does, for the form.
``detect(spec, host) -> Detection``
    Reads the computer: is what is asked already so? Changes nothing.
``capture(spec, host, keep) -> dict``
    Reads and keeps all that ``undo`` needs, *before* the effect. ``keep`` is a folder of this effect's own for copies
    (an old package, a file's former content). The answer is plain JSON and stands in the journal before the effect.
``apply(spec, host) -> dict``
    The effect; the answer is its evidence. Raises ``ActionFailed``. May be called again after having died in the
    middle of it: it must then finish the work, not double it.
``verify(spec, host) -> Detection``
    Reads the computer back. The verdict comes from here, never from an exit code.
``undo(entry, host) -> dict``
    Takes the effect back by what ``capture`` kept; the answer is evidence. May be called after an ``apply`` that never
    began, died in the middle, or after an ``undo`` that did. Raises ``ActionFailed`` where it could not.
``absent(spec, host) -> dict | None``
    The entry with which ``undo`` removes what is there although no run of ours put it there; None where the kind
    cannot know how.

An entry with ``"late": true`` is undone after all the others (a service that must read its restored files again).
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

KINDS = ("deb", "archive", "file", "service", "command")


class ActionFailed(Exception):
    """The effect did not come about. ``reason`` is a text in both languages, ``evidence`` what was seen."""

    def __init__(self, reason: dict[str, str], evidence: dict[str, Any] | None = None) -> None:
        super().__init__(reason["en"])
        self.reason = reason
        self.evidence = evidence or {}


class Detection:
    """What was found: ``present`` (as asked), ``absent``, ``different`` (there, not as asked), or ``unknown``."""

    __slots__ = ("found", "reason", "state")

    def __init__(self, state: str, found: str = "", reason: dict[str, str] | None = None) -> None:
        self.state = state
        self.found = found
        self.reason = reason

    @property
    def present(self) -> bool:
        """Whether nothing is left to do."""
        return self.state == "present"


def action(kind: str) -> ModuleType:
    """The module of one kind, imported when it is first needed.

    Raises:
        KeyError: no such kind.
    """
    if kind not in KINDS:
        raise KeyError(kind)
    return importlib.import_module("agent.actions." + kind)
