"""What a computer answered to an effect, out of the evidence of a record: in short, and programs that were stopped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from controller.form.model import Part, StoppedProgram
from controller.form.timeline import Event, number_of, text_of, whole_of
from controller.text import Text, same


def answers(evidence: object) -> list[tuple[str, Text]]:
    """By name: the command, its exit code, the end of its output; of several, in order. Processes are told apart."""
    if not isinstance(evidence, Mapping):
        return []
    found: list[tuple[str, Text]] = []
    for name, value in evidence.items():
        if value in (None, "", [], {}) or is_stopped(name, value):
            continue
        nested = [value] if isinstance(value, Mapping) else value
        if isinstance(value, Mapping) and set(value) == {"id", "en"}:
            found.append((str(name), text_of(value) or same("")))
        elif isinstance(nested, list) and all(isinstance(item, Mapping) for item in nested):
            found.extend(answer for item in nested for answer in answers(item))
        elif name == "argv" and isinstance(value, list):
            found.append((name, same("$ " + " ".join(map(str, value)))))
        else:
            found.append((str(name), same(str(value).rstrip())))
    return found


def is_stopped(name: object, value: object) -> bool:
    """Whether a part of evidence says how we stopped a program."""
    return name == "stopped" and isinstance(value, Mapping) and "why" in value


def stopped_programs(events: Iterable[Event]) -> tuple[StoppedProgram, ...]:
    """Programs that we stopped, each once and in order: of effects, their undo, and of an order that came in a test."""
    found: dict[StoppedProgram, None] = {}
    for event in events:
        for argv, how in _stopped(event.get("evidence")):
            found[_program(whole_of(event.get("step")) or 5, argv, how)] = None
    return tuple(found)


def _stopped(evidence: object) -> Iterator[tuple[object, Mapping[str, Any]]]:
    """The command and how it was stopped, wherever in some evidence."""
    if isinstance(evidence, Mapping):
        for name, value in evidence.items():
            if is_stopped(name, value):
                yield evidence.get("argv"), value
            else:
                yield from _stopped(value)
    elif isinstance(evidence, list):
        for item in evidence:
            yield from _stopped(item)


def _program(step: int, argv: object, how: Mapping[str, Any]) -> StoppedProgram:
    listed, prompts = how.get("processes"), how.get("prompts")
    return StoppedProgram(
        step=step,
        command=" ".join(map(str, argv)) if isinstance(argv, list) else "",
        why=str(how.get("why")),
        idle_seconds=number_of(how.get("idle_s")),
        waits=text_of(how.get("waits")),
        asks=tuple(
            str(item["asks"])
            for item in (prompts if isinstance(prompts, list) else [])
            if isinstance(item, Mapping) and item.get("asks")
        ),
        left=tuple(map(str, how.get("left") or ())),
        parts=tuple(
            Part(
                pid=whole_of(row.get("pid")),
                parent=whole_of(row.get("parent")),
                command=str(row.get("command") or ""),
                state=str(row.get("state") or ""),
                waits_in=str(row.get("call") or row.get("wchan") or ""),
                unit=str(row.get("unit") or ""),
                began=str(row.get("began") or "") or None,
            )
            for row in (listed if isinstance(listed, list) else [])
            if isinstance(row, Mapping)
        ),
    )
