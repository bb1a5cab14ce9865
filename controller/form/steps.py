"""The thirteen rows out of the records: visits, times, results, and the branches that were taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controller import sop
from controller.form.evidence import evidence_line
from controller.form.model import FINISHED, Arc, Decision, Row, Visit
from controller.form.timeline import Event, number_of, parsed, text_of, whole_of
from controller.text import Text

_ENDS_WELL = (*FINISHED, "verified", "uninstalled", "not_installed", "eligible", "planned")
"""Outcomes after which a step that was not gone through was not needed, rather than not reached."""


def rows(events: Sequence[Event], *, location: sop.Location, outcome: str, is_over: bool) -> tuple[Row, ...]:
    """The thirteen rows.

    Args:
        events: the controller's and then the agent's, effects with the titles of their intents.
        location: where the software is put.
        outcome: of the form as it stands.
        is_over: whether nothing more will happen on the computer.
    """
    visits = _visits(events)
    evidence: dict[int, dict[Text, None]] = {}
    for event in events:
        found = evidence_line(event)
        if found:
            evidence.setdefault(found[0], {})[found[1]] = None
    made = []
    for step in sop.STEPS:
        own = tuple(visits.get(step.no, ()))
        result, reason = (own[-1].result, own[-1].reason) if own else (None, None)
        if not own and is_over:
            result = _unvisited(step.no, location, outcome)
        measured = [visit.seconds for visit in own if visit.seconds is not None]
        made.append(
            Row(
                step=step,
                started_at=own[0].started_at if own else None,
                ended_at=own[-1].ended_at if own else None,
                seconds=round(sum(measured), 3) if measured else None,
                result=result,
                reason=reason,
                evidence=tuple(evidence.get(step.no, ())),
                visits=own,
            )
        )
    return tuple(made)


def _unvisited(no: int, location: sop.Location, outcome: str) -> str | None:
    """What a finished form says of a step that was not gone through."""
    if outcome in FINISHED and no == sop.closing_step(location):
        return "ok"  # its activity is that the software can be used; who says so signs, and that stands beside it
    if not sop.applies(no, location) or no == 8 or outcome in _ENDS_WELL:
        return "skipped"
    return None


def _visits(events: Iterable[Event]) -> dict[int, list[Visit]]:
    """By step, in order. A step begun again by a resumed agent in the same visit began the first time."""
    visits: dict[int, dict[int, Visit]] = {}
    for event in events:
        no = whole_of(event.get("step"))
        if event["type"] not in ("step_started", "step_ended") or no is None:
            continue
        of_step = visits.setdefault(no, {})
        current = max(of_step, default=1)
        visit = whole_of(event.get("visit")) or current
        known = of_step.get(visit, Visit(visit, None, None, None, None, None))
        if event["type"] == "step_started":
            of_step[visit] = known if known.started_at else _begun(known, event)
        else:
            of_step[visit] = _ended(known, event)
    return {no: [of_step[visit] for visit in sorted(of_step)] for no, of_step in visits.items()}


def _begun(visit: Visit, event: Event) -> Visit:
    return Visit(visit.no, event["at"], visit.ended_at, visit.seconds, visit.result, visit.reason)


def _ended(visit: Visit, event: Event) -> Visit:
    seconds = number_of(event.get("seconds"))
    started, ended = parsed(visit.started_at), parsed(event["at"])
    if seconds is None and started and ended:
        seconds = round((ended - started).total_seconds(), 3)
    result = str(event["result"]) if event.get("result") else "ok"
    return Visit(visit.no, visit.started_at or event["at"], event["at"], seconds, result, text_of(event.get("reason")))


def arcs(events: Iterable[Event], *, decision: Decision | None, location: sop.Location) -> tuple[Arc, ...]:
    """The branches taken, by step: those recorded as a loop, and those that follow from what was recorded."""
    taken: dict[tuple[int, int], Arc] = {}
    seen = set()
    incomplete: Event | None = None
    for event in events:
        no = whole_of(event.get("step"))
        if event["type"] == "loop" and no is not None:
            to = whole_of(event.get("to")) or 0
            _take(taken, no, to, event)
        elif event["type"] == "step_ended" and no is not None:
            seen.add(no)
            if no == 4 and event.get("result") == "not_met":
                incomplete = event
    if incomplete is not None and (4, 1) not in taken:
        _take(taken, 4, 1, incomplete)
    if location is sop.Location.DATA_CENTER and 2 in seen:
        taken[2, 4] = Arc(2, 4, 1, None, (sop.step(2).arcs[0].when,))
    if decision is not None and decision.configure is False and decision.keep is not False:
        closing = sop.closing_step(location)
        taken[9, closing] = Arc(9, closing, 1, None, (decision.reason,) if decision.reason else ())
    return tuple(taken[key] for key in sorted(taken))


def _take(taken: dict[tuple[int, int], Arc], no: int, to: int, event: Event) -> None:
    before = taken.get((no, to))
    reason = text_of(event.get("reason"))
    reasons = (*(before.reasons if before else ()), *((reason,) if reason else ()))
    count = (before.count if before else 0) + 1
    limit = whole_of(event.get("limit")) or (before.limit if before else None)
    taken[no, to] = Arc(no, to, count, limit, tuple(dict.fromkeys(reasons)))
