"""The records of a form in one order and by one clock, however they were mixed on their way here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from controller.records.record import timestamp
from controller.text import Text

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Timeline:
    """The records of each side in its own order; ``at`` is by the controller's clock on both."""

    controller: tuple[Event, ...]
    agent: tuple[Event, ...]

    def of_type(self, *types: str) -> list[Event]:
        """Records of these types: the controller's, then the agent's."""
        return [event for event in (*self.controller, *self.agent) if event["type"] in types]

    def last(self, *types: str) -> Event | None:
        """The last of ``of_type``; an agent's before a controller's, because the agent knows its computer."""
        found = self.of_type(*types)
        return found[-1] if found else None


def timeline(events: Iterable[Event]) -> Timeline:
    """Sorts records and puts the agent's times right.

    The agent's are in the order of its journal, whatever its clock did; the controller's in the order of their times,
    for several controllers may have written them. A record that came twice counts once.
    """
    controller: dict[tuple[str, str, int], Event] = {}
    agent: dict[int, Event] = {}
    for event in events:
        if event["source"] == "agent":
            agent.setdefault(event["seq"], event)
        else:
            controller.setdefault((event["at"], event.get("writer", ""), event["seq"]), event)
    own = tuple(event for _, event in sorted(controller.items(), key=lambda item: item[0]))
    offsets = _offsets(own)
    return Timeline(own, tuple(_by_our_clock(event, offsets) for _, event in sorted(agent.items())))


def parsed(at: object) -> datetime | None:
    """A recorded time; None where it is none."""
    try:
        moment = datetime.fromisoformat(str(at))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def text_of(value: object) -> Text | None:
    """A sentence of a record; None where there is none."""
    if isinstance(value, Mapping):
        id, en = value.get("id"), value.get("en")
        return Text(str(id or en or ""), str(en or id or ""))
    return Text(str(value), str(value)) if value else None


def number_of(value: object) -> float | None:
    """A number of a record; None where there is none."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def whole_of(value: object) -> int | None:
    """A whole number of a record; None where there is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _offsets(controller: tuple[Event, ...]) -> list[tuple[datetime, timedelta]]:
    """At which time the computer's clock was how far ahead of ours, in order of time."""
    found = []
    for event in controller:
        at, offset = parsed(event["at"]), number_of(event.get("clock_offset_s"))
        if event["type"] == "connected" and at and offset is not None:
            found.append((at, timedelta(seconds=offset)))
    return found


def _by_our_clock(event: Event, offsets: list[tuple[datetime, timedelta]]) -> Event:
    """The record with its time by the last measurement before it; by the first where none came before."""
    at = parsed(event["at"])
    if at is None or not offsets:
        return event
    for measured_at, offset in reversed(offsets):
        if at - offset >= measured_at:
            return {**event, "at": timestamp(at - offset)}
    return {**event, "at": timestamp(at - offsets[0][1])}
