"""Questions to the running software, one kind a file. They change nothing.

A kind is a module with three functions; ``spec`` is the plan's PROBE (``docs/records.md``):

``title(spec) -> text``
    What is asked, for the form; here and for ``needed`` the secrets in ``spec`` are hidden.
``needed(spec) -> words``
    What has to be found, as a short line (``agent.words``).
``ask(spec, host, since) -> Answer``
    One question, at most ``timeout_s`` long. ``since`` is where the run began: ``{"at": epoch seconds, "mono": …,
    "logs": {path: where it ended, as ``log.marks`` has it, or its size in bytes}}``. Raises ``CannotTell``, or
    ``OSError`` where the computer refuses to be looked at.

An answer that quotes part of a text leaves that to ``host.secrets``. ``probe`` keeps asking for ``within_s``.
"""

from __future__ import annotations

import sys
import time

from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from agent.host import Host
    from agent.words import Words

KINDS = ("process", "service", "port", "http", "command", "file", "log", "version", "program", "registry")
OF_WINDOWS = ("program", "registry")
"""Kinds whose modules stand with what only Windows has."""
PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Between two questions: first short, since most software is up at once; the last goes on."""


class Answer:
    """``passed``, ``failed`` or ``unknown``, with what was found as a short line."""

    __slots__ = ("final", "found", "reason", "verdict")

    def __init__(
        self, verdict: str, *, found: Words, reason: dict[str, str] | None = None, final: bool = False
    ) -> None:
        self.verdict = verdict
        self.found = found
        self.reason = reason
        self.final = final
        """Asking again cannot help (a service that restarted, a pattern that must not stand in a log)."""


class CannotTell(Exception):
    """There is no answer; ``reason`` says why, and ``final`` whether asking again cannot help."""

    def __init__(self, reason: dict[str, str], *, final: bool = False) -> None:
        super().__init__(reason["en"])
        self.reason = reason
        self.final = final


def judged(found: Words, reason: dict[str, str] | None) -> Answer:
    """What was found passes where there is no reason why not."""
    return Answer("failed" if reason else "passed", found=found, reason=reason)


def asked(kind: ModuleType, spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """One question; *unknown* where nobody can tell."""
    try:
        answer: Answer = kind.ask(spec, host, since)
    except CannotTell as trouble:
        return Answer("unknown", found="?", reason=trouble.reason, final=trouble.final)
    except OSError as error:
        what = ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)
        return Answer(
            "unknown", found="?", reason=text(f"tidak dapat diperiksa: {what}", f"cannot be looked at: {what}")
        )
    return answer


def probe(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> dict[str, Any]:
    """Ask until it passes, is final, or ``within_s`` is over; the fields of a ``probe`` record.

    Raises:
        KeyError: no such kind.
    """
    if spec["kind"] not in KINDS:
        raise KeyError(spec["kind"])
    name = ("agent.windows.probes." if spec["kind"] in OF_WINDOWS else "agent.probes.") + spec["kind"]
    __import__(name)  # as agent.actions does it
    kind = sys.modules[name]
    began = time.monotonic()
    deadline = began + float(spec.get("within_s") or 0)
    attempts = 0
    while True:
        answer = asked(kind, spec, host, since)
        attempts += 1
        if answer.verdict == "passed" or answer.final:
            break
        pause_s = PAUSES_S[min(attempts, len(PAUSES_S)) - 1]
        if time.monotonic() + pause_s > deadline:
            break
        time.sleep(pause_s)
    shown = host.secrets.masked(spec)
    return {
        "kind": spec["kind"],
        "title": kind.title(shown),
        "needed": kind.needed(shown),
        "found": answer.found,
        "verdict": answer.verdict,
        "reason": answer.reason,
        "attempts": attempts,
        "seconds": round(time.monotonic() - began, 3),
    }
