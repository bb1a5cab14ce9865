"""Questions to the running software, one kind a file. They change nothing.

A kind is a module with two functions; ``spec`` is the plan's PROBE (``docs/records.md``):

``title(spec) -> text``
    What is asked, for the form.
``ask(spec, host, since) -> Answer``
    One question, at most ``timeout_s`` long. ``since`` is where the run began: ``{"at": epoch seconds, "mono": …,
    "logs": {path: where it ended, as ``log.marks`` has it, or its size in bytes}}``.

``probe`` keeps asking for ``within_s``.
"""

from __future__ import annotations

import importlib
import time

from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from agent.host import Host

KINDS = ("process", "service", "port", "http", "command", "file", "log", "version")
PAUSES_S = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Between two questions: first short, since most software is up at once; the last goes on."""


class Answer:
    """``passed``, ``failed`` or ``unknown``, with what was needed and what was found (short strings)."""

    __slots__ = ("final", "found", "needed", "reason", "verdict")

    def __init__(
        self,
        verdict: str,
        *,
        needed: str = "",
        found: str = "",
        reason: dict[str, str] | None = None,
        final: bool = False,
    ) -> None:
        self.verdict = verdict
        self.needed = needed
        self.found = found
        self.reason = reason
        self.final = final
        """Asking again cannot help (a service that restarted, a pattern that must not stand in a log)."""


def asked(kind: ModuleType, spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """One question; where the computer refuses to be looked at, nobody can tell."""
    try:
        answer: Answer = kind.ask(spec, host, since)
    except OSError as error:
        return Answer("unknown", reason=text(f"tidak dapat diperiksa: {error}", f"cannot be looked at: {error}"))
    return answer


def probe(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> dict[str, Any]:
    """Ask until it passes, is final, or ``within_s`` is over; the fields of a ``probe`` record.

    Raises:
        KeyError: no such kind.
    """
    if spec["kind"] not in KINDS:
        raise KeyError(spec["kind"])
    kind = importlib.import_module("agent.probes." + spec["kind"])
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
    return {
        "kind": spec["kind"],
        "title": kind.title(spec),
        "needed": answer.needed,
        "found": answer.found,
        "verdict": answer.verdict,
        "reason": answer.reason,
        "attempts": attempts,
        "seconds": round(time.monotonic() - began, 3),
    }
