"""What is known of one computer while it is followed: its records, and when it was last heard."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from agent.protocol import OUTCOMES
from controller.errors import AgentFault
from controller.records import from_agent
from controller.run.work import Desk, HostResult, HostWork
from controller.text import Text

SAID_AGAIN = frozenset({"agent_started", "facts", "requirement", "detected"})
"""Records that every new beginning brings, however little comes of it."""


class Listener:
    """Follows one computer: stores what comes, and remembers how far it is."""

    def __init__(self, desk: Desk, work: HostWork) -> None:
        self.desk = desk
        self.work = work
        self.last: Mapping[str, Any] = work.earlier or {}
        self.seen = int(self.last.get("seq", 0))
        """The number of the last record of the agent that we have."""
        self.is_changed = bool(self.last)
        """Whether something may have been changed on the computer."""
        self.tries = 0
        """How often this command has set out for the computer."""
        self.is_contacted = False
        """Whether this command has given the job to the computer."""
        self.alive_at = desk.patience.monotonic()
        """When the line was last known to be of use: something new came, or it stood while nothing did."""
        self.spoke_at = self.alive_at
        """When something was last heard, or sent."""
        self.vain = 0
        """How many contacts in a row have brought nothing new."""
        self.furthest: dict[str, int] = {}
        """By digest: how far we ever came in sending it."""
        self.counters = (0, 0, 0)
        """Bytes sent, bytes received and round trips of the last contact."""

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to ask. One that waits is asked: it may have gone on by itself."""
        return self.last.get("type") == "run_ended"

    @property
    def is_rebooting(self) -> bool:
        """Whether the computer was told to reboot and has not been heard since; if by an earlier command, lately."""
        if (self.last.get("type"), self.last.get("state")) != ("reboot", "begun"):
            return False
        age_s = (datetime.now(UTC) - datetime.fromisoformat(self.last["at"])).total_seconds()
        return self.is_contacted or abs(age_s) < self.desk.patience.reboot_s

    def take(self, frame: dict[str, Any]) -> None:
        """One frame of the agent: each record once, in order.

        Raises:
            AgentFault: it is not a record, or not the next one.
        """
        check_record(frame)
        if frame["seq"] <= self.seen:
            return
        if frame["seq"] != self.seen + 1:
            raise AgentFault(
                Text(f"catatan nomor {self.seen + 1} hilang di jalan", f"record number {self.seen + 1} is missing")
            )
        self.seen = frame["seq"]
        self.alive_at = self.spoke_at = self.desk.patience.monotonic()
        if frame["type"] not in SAID_AGAIN:
            self.vain = 0
        self.last = frame
        self.is_changed = self.is_changed or frame["type"] in ("detached", "intent")
        self.desk.put(from_agent(frame, run=self.work.run, host=self.work.host.name, form=self.work.form))

    def result(self, seconds: float) -> HostResult:
        """What the last record says of the computer."""
        last = self.last
        if last.get("type") == "run_ended":
            return HostResult(
                outcome=str(last["outcome"]),
                form=self.work.form,
                step=last.get("step"),
                reason=last.get("reason"),
                rollback=last.get("rollback"),
                seconds=seconds,
                cpu_seconds=last.get("cpu_seconds"),
            )
        outcome = self.unknown if self.seen else "unreachable"
        reason = last.get("reason") if last.get("type") == "waiting" else None
        return HostResult(outcome=outcome, form=self.work.form, step=last.get("step"), reason=reason, seconds=seconds)

    @property
    def unknown(self) -> str:
        """The outcome where the computer is at work unheard; without a form nobody can come back to it."""
        return self.work.left_as(self.last) if self.desk.keeps_record else "unreachable"


def check_record(frame: Mapping[str, Any]) -> None:
    """What the store relies on: a bad record of one computer must not reach the record of all.

    Raises:
        AgentFault: a field is missing or is not what it must be.
    """
    seq, kind, at = frame.get("seq"), frame.get("type"), frame.get("at")
    good = isinstance(seq, int) and 0 < seq < 2**53 and isinstance(kind, str) and isinstance(at, str)
    if good and isinstance(kind, str) and isinstance(at, str):
        good = re.fullmatch(r"[a-z_]{1,32}", kind) is not None and len(at) <= 32 and is_moment(at)
        good = good and (kind not in ("run_ended", "waiting") or frame.get("outcome") in OUTCOMES)
    if not good:
        raise AgentFault(
            Text(f"agen mengirim catatan yang kacau: {frame!s:.200}", f"a record makes no sense: {frame!s:.200}")
        )


def is_moment(text: str) -> bool:
    """Whether it is a time with its zone, as RFC 3339 writes it."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
