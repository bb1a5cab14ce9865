"""One record: what the store keeps. Shapes of the types: ``docs/records.md``."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]
"""A JSON object with at least ``type``, ``at``, ``run``, ``host``, ``form``, ``source``, ``seq``; ``host`` and ``form``
are empty strings where a record belongs to the whole run. The controller's also have ``writer``: which controller
counted ``seq``."""
OPEN_OUTCOMES = ("running", "awaiting_decision", "awaiting_reboot")
"""Of ``agent.protocol.OUTCOMES`` those with which a computer still has, or waits for, work of ours."""


def now() -> datetime:
    """This moment, aware, in UTC."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and ``Z``: sorts as text as it does in time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def from_agent(frame: Mapping[str, Any], *, run: str, host: str, form: str) -> Record:
    """A frame of the agent's journal as a record: the agent knows its ``seq``, we know whose it is."""
    return {**frame, "run": run, "host": host, "form": form, "source": "agent"}


class Pen:
    """Writes the controller's own records: stamps time and sequence.

    Each pen has a name of its own that goes into its records. So two controllers, or one that was killed and came back,
    never claim the same number, and nobody has to ask the database for the next one.
    """

    def __init__(self, clock: Callable[[], datetime] = now) -> None:
        self.clock = clock
        self.writer = os.urandom(4).hex()
        self._seq = itertools.count(1)  # next() on it is atomic in CPython: threads share a pen

    def record(self, type: str, *, run: str, host: str = "", form: str = "", **fields: object) -> Record:
        """A new record of the controller, stamped now; not stored yet. ``fields`` are the type's own."""
        return {
            "type": type,
            "at": timestamp(self.clock()),
            "run": run,
            "host": host,
            "form": form,
            "source": "controller",
            "writer": self.writer,
            "seq": next(self._seq),
            **fields,
        }


def encode(record: Mapping[str, Any]) -> str:
    """A record as the database keeps it: ASCII, so that no output of a foreign program can be refused by a database."""
    return json.dumps(record, separators=(",", ":"))
