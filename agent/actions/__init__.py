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
``settle(spec, host) -> dict`` (where a kind needs it)
    After an ``apply`` that died in the middle, before the next look: waits for what outlived it, and finishes what it
    left half done; the answer is evidence. Raises ``ActionFailed``.
``verify(spec, host) -> Detection``
    Reads the computer back. The verdict comes from here, never from an exit code.
``undo(entry, host) -> dict``
    Takes the effect back by what ``capture`` kept; the answer is evidence. May be called after an ``apply`` that never
    began, died in the middle, or after an ``undo`` that did. Raises ``ActionFailed`` where it could not.
``residue(entry, host) -> list`` (where a kind needs it)
    What, after ``undo``, is not as ``capture`` found it, and no snapshot would tell: as ``snapshot.difference`` has it.
``absent(spec, host) -> dict | None``
    The entry with which ``undo`` removes what is there although no run of ours put it there; None where the kind
    cannot know how.

An entry with ``"late": true`` is undone after all the others (a service that must read its restored files again).
"""

from __future__ import annotations

import os
import sys

from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType
    from typing import Any

    from agent.host import Host
    from agent.program import Result
    from agent.words import Words

KINDS = ("deb", "archive", "file", "service", "command", "msi", "exe", "registry")
OF_WINDOWS = ("msi", "exe", "registry")
"""Kinds whose modules stand with what only Windows has."""


class ActionFailed(Exception):
    """The effect did not come about. ``reason`` is a text in both languages, ``evidence`` what was seen."""

    def __init__(self, reason: dict[str, str], evidence: dict[str, Any] | None = None) -> None:
        super().__init__(reason["en"])
        self.reason = reason
        self.evidence = evidence or {}


class Detection:
    """What was found: ``present`` (as asked), ``absent``, ``different`` (there, not as asked), or ``unknown``."""

    __slots__ = ("found", "reason", "state")

    def __init__(self, state: str, found: Words = "", reason: dict[str, str] | None = None) -> None:
        self.state = state
        self.found = found
        self.reason = reason

    @property
    def present(self) -> bool:
        """Whether nothing is left to do."""
        return self.state == "present"


def run(
    host: Host,
    argv: Sequence[str],
    *,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    directory: str | None = None,
) -> Result:
    """Run a program that an effect needs, to its end; its exit code is for the caller to judge.

    Raises:
        ActionFailed: it is missing, cannot be started, or was stopped: after ``timeout_s``, or not getting on.
    """
    name = argv[0]
    try:
        result = host.run(argv, timeout_s=timeout_s, environment=environment, directory=directory)
    except FileNotFoundError as error:
        reason = text(f"Program {name} tidak ada di komputer ini.", f"There is no program {name} on this computer.")
        raise ActionFailed(reason, {"argv": argv}) from error
    except OSError as error:
        what = os.strerror(error.errno) if error.errno else str(error)
        reason = text(
            f"Program {name} tidak dapat dijalankan: {what}.", f"The program {name} cannot be started: {what}."
        )
        raise ActionFailed(reason, {"argv": argv}) from error
    if result.stopped is not None:
        reason = how_stopped(result.stopped, result.seconds)
        raise ActionFailed(text(f"{name} {reason['id']}.", f"{name} {reason['en']}."), result.evidence())
    return result


def how_stopped(stopped: dict[str, Any], seconds: float) -> dict[str, str]:
    """Why we stopped a program (``Result.stopped``), and what it seemed to wait for: a sentence without its subject."""
    idle, took = f"{stopped['idle_s']:.0f}", f"{seconds:.0f}"
    reason = text(f"belum selesai setelah {took} detik", f"had not ended after {took} seconds")
    if stopped["why"] == "stall":
        reason = text(f"tidak ada kemajuan selama {idle} detik", f"did not get on for {idle} seconds")
    waits = stopped.get("waits")
    if waits:
        reason = text(f"{reason['id']}, tampaknya {waits['id']}", f"{reason['en']}, it seemed to be {waits['en']}")
    return text(f"{reason['id']}; dihentikan", f"{reason['en']}; it was stopped")


def action(kind: str) -> ModuleType:
    """The module of one kind, imported when it is first needed.

    Raises:
        KeyError: no such kind.
    """
    if kind not in KINDS:
        raise KeyError(kind)
    name = ("agent.windows.actions." if kind in OF_WINDOWS else "agent.actions.") + kind
    __import__(name)  # importlib loads what nothing else here needs
    return sys.modules[name]
