"""Form = f(events). The same events give the same form, in whatever order the two sides were mixed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from controller import sop
from controller.errors import FormError
from controller.form import steps
from controller.form.answers import answers, stopped_programs
from controller.form.evidence import notice_of, product_of
from controller.form.model import (
    Change,
    Decision,
    Form,
    Payload,
    Reboot,
    Requirement,
    Residue,
    Rollback,
    Signature,
    Stop,
    Test,
)
from controller.form.timeline import Event, Timeline, number_of, text_of, timeline, whole_of
from controller.records.record import OPEN_OUTCOMES
from controller.text import Text, same

# fmt: off
_KNOWN_TYPES = frozenset((
    "run_opened", "form_opened", "step_started", "step_ended", "payload_inspected", "location_chosen", "notice",
    "connected", "pushed", "line_lost", "held", "resumed", "decided", "signed", "host_ended", "run_ended",
    "agent_started", "facts", "variant_chosen", "requirement", "detected", "intent", "effect", "probe", "snapshot",
    "loop", "decision", "rollback", "removed", "waiting", "detached", "reboot", "stop_asked", "stopped", "orphan",
))
# fmt: on


def project(events: Iterable[Mapping[str, Any]]) -> Form:
    """The form that these records make.

    Args:
        events: all records of one form, in any mixture of the controller's and the agent's; twice is once.

    Raises:
        FormError: they do not open a form, or open more than one.
    """
    line = timeline(events)
    opened = _opened(line)
    location = _location(line, opened)
    outcome, reason, is_over, ended_at = _outcome(line)
    joined = _with_titles(line.agent)
    everything = (*(e for e in line.controller if e["type"] != "signed"), *joined)
    decision = _decision(line)
    facts = line.last("facts") or {}
    notice = line.last("notice")
    software = opened.get("software")
    return Form(
        number=str(opened.get("number") or opened.get("form", "")),
        run=str(opened["run"]),
        mode=str(opened.get("mode") or "install"),
        software=dict(software) if isinstance(software, Mapping) else {"name": str(software or "")},
        host=str(opened["host"]),
        hostname=str(facts.get("hostname") or ""),
        address=str(opened.get("address") or ""),
        location=location,
        owner=str(opened.get("owner") or ""),
        asset_tag=str(opened.get("asset_tag") or ""),
        site=str(opened.get("site") or ""),
        by=str(opened.get("by") or ""),
        playbook=str(opened.get("playbook") or ""),
        plan_digest=str(opened.get("plan_digest") or ""),
        opened_at=str(opened["at"]),
        ended_at=ended_at,
        steps=steps.rows(everything, location=location, outcome=outcome, is_over=is_over),
        arcs=steps.arcs(everything, decision=decision, location=location),
        notice=notice_of(notice) if notice else None,
        facts=_own_fields(facts),
        payloads=tuple(_payload(event) for event in line.of_type("payload_inspected")),
        requirements=tuple(_requirement(event) for event in line.of_type("requirement")),
        tests=_tests(line.agent),
        changes=_changes(joined),
        decision=decision,
        rollback=_rollback(line),
        reboots=_reboots(line),
        stop=_stop(line),
        stopped=stopped_programs(joined),
        outcome=outcome,
        reason=reason,
        others=tuple(dict(event) for event in everything if event["type"] not in _KNOWN_TYPES),
        signatures=tuple(_signature(event) for event in line.of_type("signed")),
    )


def _opened(line: Timeline) -> Event:
    opened = line.of_type("form_opened")
    numbers = {str(event.get("number") or event.get("form")) for event in opened}
    if len(numbers) != 1:
        raise FormError(
            Text("catatan ini bukan milik satu Form Instalasi", "these records do not belong to one installation form"),
            where=", ".join(sorted(numbers)),
            hint=Text("lihat nomornya dengan `pasang form list`", "see the numbers with `pasang form list`"),
        )
    return opened[0]


def _location(line: Timeline, opened: Event) -> sop.Location:
    chosen = line.last("location_chosen") or {}
    value = str(chosen.get("location") or opened.get("location"))
    return sop.Location(value) if value in set(sop.Location) else sop.Location.USER


def _outcome(line: Timeline) -> tuple[str, Text | None, bool, str | None]:
    """Outcome, its reason, whether it is final, and since when.

    The agent's word counts where the controller has not closed the host: it may have been killed in between.
    """
    ended = [event for event in line.controller if event["type"] == "host_ended"]
    last = ended[-1] if ended else None
    own = line.agent[-1] if line.agent else None
    is_told = own is not None and own["type"] in ("run_ended", "waiting")
    if is_told and (last is None or last.get("outcome") in (*OPEN_OUTCOMES, "unreachable")):
        last = own
    if last is None:
        return "running", None, False, None
    outcome = str(last.get("outcome") or "running")
    is_over = outcome not in OPEN_OUTCOMES
    return outcome, text_of(last.get("reason")), is_over, last["at"] if is_over else None


def _with_titles(agent: tuple[Event, ...]) -> tuple[Event, ...]:
    """Effects with what their intents said of them; an intent whose effect never came stays as one of unknown end."""
    intents: dict[tuple[object, object], Event] = {}
    ended = {(event.get("effect"), event.get("verb")) for event in agent if event["type"] == "effect"}
    joined: list[Event] = []
    for event in agent:
        key = (event.get("effect"), event.get("verb"))
        if event["type"] == "intent":
            intents[key] = event
            if key not in ended:
                joined.append({**event, "type": "effect", "result": "unknown"})
        elif event["type"] == "effect":
            intent = intents.get(key, {})
            told = {name: intent[name] for name in ("title", "kind", "section", "index", "step") if name in intent}
            joined.append({**told, **event})
        else:
            joined.append(event)
    return tuple(joined)


def _changes(joined: tuple[Event, ...]) -> tuple[Change, ...]:
    return tuple(
        Change(
            step=whole_of(event.get("step")) or 5,
            effect=whole_of(event.get("effect")),
            kind=str(event.get("kind") or ""),
            verb=str(event.get("verb") or ("undo" if event["type"] == "removed" else "apply")),
            title=text_of(event.get("title")) or same(str(event.get("kind") or "?")),
            result=str(event.get("result") or ("changed" if event["type"] == "removed" else "unknown")),
            reason=text_of(event.get("reason")),
            seconds=number_of(event.get("seconds")),
            evidence=tuple(answers(event.get("evidence"))),
        )
        for event in joined
        if event["type"] in ("effect", "removed")
    )


def _payload(event: Event) -> Payload:
    return Payload(
        name=str(event.get("name") or ""),
        file=str(event.get("file") or ""),
        digest=str(event.get("digest") or ""),
        size_bytes=whole_of(event.get("size_bytes")),
        format=str(event.get("format") or ""),
        product=product_of(event.get("meta")),
        signature=str(event.get("signature") or "none"),
    )


def _requirement(event: Event) -> Requirement:
    kind = str(event.get("kind") or "")
    return Requirement(
        kind=kind,
        title=text_of(event.get("title")) or same(kind),
        needed=text_of(event.get("needed")) or same(""),
        found=text_of(event.get("found")) or same(""),
        verdict=str(event.get("verdict") or "unknown"),
        reason=text_of(event.get("reason")),
    )


def _tests(agent: tuple[Event, ...]) -> tuple[Test, ...]:
    """Every answer of a probe, with the visit of the step in which it was asked."""
    visit: dict[int, int] = {}
    found = []
    for event in agent:
        step = whole_of(event.get("step")) or 7
        if event["type"] == "step_started":
            visit[step] = whole_of(event.get("visit")) or 1
        elif event["type"] == "probe":
            kind = str(event.get("kind") or "")
            found.append(
                Test(
                    step=step,
                    visit=visit.get(step, 1),
                    kind=kind,
                    title=text_of(event.get("title")) or same(kind),
                    needed=text_of(event.get("needed")) or same(""),
                    found=text_of(event.get("found")) or same(""),
                    verdict=str(event.get("verdict") or "unknown"),
                    attempts=whole_of(event.get("attempts")),
                    seconds=number_of(event.get("seconds")),
                    reason=text_of(event.get("reason")),
                )
            )
    return tuple(found)


def _decision(line: Timeline) -> Decision | None:
    """A person's decision stands over what the agent said while it waited for one, if not over what it did alone."""
    last = line.last("decision")
    decided = line.last("decided")
    is_carried_out = last is not None and last.get("configure") is not None and last.get("by") in ("playbook", "agent")
    if decided is not None and not is_carried_out:
        last = decided
    if last is None:
        return None
    configure, keep = last.get("configure"), last.get("keep")
    return Decision(
        configure=configure if isinstance(configure, bool) else None,
        keep=keep if isinstance(keep, bool) else None,
        by=str(last.get("by") or ""),
        reason=text_of(last.get("reason")),
        at=last["at"],
    )


def _reboots(line: Timeline) -> tuple[Reboot, ...]:
    """Each reboot that was wanted, as far as it came; last the one that still waits after the run."""
    found: dict[tuple[object, ...], Reboot] = {}
    for event in line.of_type("reboot"):
        key = tuple(event.get(name) for name in ("step", "section", "index", "visit"))
        state = str(event.get("state") or "due")
        known = found.get(key) or Reboot(whole_of(event.get("step")) or 5, "due", str(event.get("cause") or ""))
        former, boot = str(event.get("former") or event.get("boot") or ""), str(event.get("boot") or "")
        found[key] = replace(known, state=state, former=former)
        if state == "begun":
            found[key] = replace(found[key], began_at=event["at"])
        elif state == "done":
            found[key] = replace(found[key], boot=boot, by=str(event.get("by") or ""), back_at=event["at"])
    ended = line.last("run_ended") or {}
    pending = str(ended.get("pending_reboot") or "")
    waits = (Reboot(whole_of(ended.get("step")) or 5, "pending", pending),) if pending else ()
    return (*found.values(), *waits)


def _stop(line: Timeline) -> Stop | None:
    """The first order to stop; that it came too late is seen by the agent not having heeded it."""
    asked = [event for event in line.controller if event["type"] == "stop_asked"]
    heeded = line.last("stopped")
    if not asked and heeded is None:
        return None
    by = asked[0].get("by") if asked else heeded and heeded.get("by")
    at = asked[0]["at"] if asked else heeded and heeded["at"]
    return Stop(by=str(by or ""), at=str(at), step=whole_of(heeded.get("step")) if heeded else None)


def _rollback(line: Timeline) -> Rollback | None:
    """The agent's proof; the controller's summary of it where the journal did not reach us."""
    found = line.last("rollback")
    if found is None:
        ended = line.last("host_ended")
        found = ended.get("rollback") if ended else None
    if not isinstance(found, Mapping):
        return None
    listed = found.get("residue")
    return Rollback(
        verdict=str(found.get("verdict") or "failed"),
        residue=tuple(
            Residue(str(item.get("kind") or ""), str(item.get("name") or ""), str(item.get("change") or ""))
            for item in (listed if isinstance(listed, list) else [])
            if isinstance(item, Mapping)
        ),
        restored=str(found["restored"]) if found.get("restored") else None,
        reason=text_of(found.get("reason")),
    )


def _signature(event: Event) -> Signature:
    return Signature(
        role=str(event.get("as") or ""),
        name=str(event.get("name") or ""),
        at=str(event["at"]),
        key=str(event.get("key") or ""),
        digest=str(event.get("digest") or ""),
        signature=str(event.get("signature") or ""),
        earlier=str(event.get("earlier") or ""),
    )


def _own_fields(event: Event) -> dict[str, Any]:
    """What a record says beside what every record has."""
    common = ("type", "at", "run", "host", "form", "source", "writer", "seq", "mono", "step", "v")
    return {name: event[name] for name in sorted(event) if name not in common}
