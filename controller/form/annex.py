"""The annex of the form: everything that its rows only count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo

from controller.form import labels, wording
from controller.form.model import SPEAKS_FOR_ITSELF, Change, Form
from controller.text import Language, Text, joined, same

_ANSWER_LIMIT = 300
_COMMAND_LIMIT = 160
_TONES = {"met": "good", "passed": "good", "unknown": "open", "changed": "good", "unchanged": "plain"}
"""Of verdicts and results; what is not here is bad."""

_Row = tuple[str, tuple[Text, ...]]
"""The tone of a row's last cell, and its cells."""


@dataclass(frozen=True)
class Table:
    """A table of the annex; the last column of a row is a verdict with a tone."""

    name: str
    """As in ``labels.TABLES``."""
    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    tones: tuple[str, ...]


def tables_of(form: Form, language: Language, zone: tzinfo) -> list[Table]:
    """The annex, without the tables that have no rows."""
    return [_table(name, rows, language) for name, rows_of in _TABLES.items() if (rows := rows_of(form, zone))]


def _table(name: str, rows: list[_Row], language: Language) -> Table:
    title, *heads = labels.TABLES[name]
    return Table(
        name=name,
        title=title.say(language),
        heads=tuple(head.say(language) for head in heads),
        rows=tuple(tuple(cell.say(language) for cell in cells) for _, cells in rows),
        tones=tuple(tone for tone, _ in rows),
    )


def _payloads(form: Form, _: tzinfo) -> list[_Row]:
    return [
        (
            "plain",
            (
                same(payload.file or payload.name),
                same(payload.product),
                wording.size(payload.size_bytes) if payload.size_bytes else same(""),
                same(payload.digest),
            ),
        )
        for payload in form.payloads
    ]


def _requirements(form: Form, _: tzinfo) -> list[_Row]:
    return [
        (
            _TONES.get(asked.verdict, "bad"),
            (
                _because(asked.title, asked.reason),
                asked.needed,
                asked.found,
                wording.word(wording.VERDICTS, asked.verdict),
            ),
        )
        for asked in form.requirements
    ]


def _tests(form: Form, _: tzinfo) -> list[_Row]:
    return [
        (
            _TONES.get(test.verdict, "bad"),
            (
                same(f"{test.step} ({test.visit}×)" if test.visit > 1 else str(test.step)),
                _because(test.title, test.reason if test.verdict != "passed" else None),
                test.needed,
                test.found,
                wording.word(wording.VERDICTS, test.verdict),
            ),
        )
        for test in form.tests
    ]


def _changes(form: Form, _: tzinfo) -> list[_Row]:
    return [
        (
            _TONES.get(change.result, "bad"),
            (
                same(str(change.step)),
                joined([_because(change.title, change.reason), _answered(change)], " — "),
                wording.word(labels.VERBS, change.verb),
                labels.UNDONE
                if (change.verb, change.result) == ("undo", "changed")
                else wording.word(wording.EFFECTS, change.result),
            ),
        )
        for change in form.changes
    ]


def _stopped(form: Form, zone: tzinfo) -> list[_Row]:
    """A row a program, and one for each of its processes."""
    rows: list[_Row] = []
    for program in form.stopped:
        why = wording.word(labels.WHY_STOPPED, program.why)
        left = Text(
            f"tidak dapat diakhiri: {', '.join(program.left)}", f"could not be ended: {', '.join(program.left)}"
        )
        said = joined([why, *([program.waits] if program.waits else []), *([left] if program.left else [])])
        rows.append(("bad", (same(str(program.step)), same(""), same(_short(program.command)), same(""), said)))
        for part in program.parts:
            number = f"{part.pid} ({part.parent})"
            command = f"{part.unit}: {part.command}" if part.unit else part.command
            since = same(wording.clock(part.began, zone))
            waits = same(f"{part.state} {part.waits_in}".strip())
            rows.append(("plain", (same(""), same(number), same(_short(command)), since, waits)))
    return rows


def _short(command: str) -> str:
    return command if len(command) <= _COMMAND_LIMIT else command[: _COMMAND_LIMIT - 1] + "…"


def _residue(form: Form, _: tzinfo) -> list[_Row]:
    return [
        (
            "bad",
            (
                wording.word(wording.RESIDUE_KINDS, left.kind),
                same(left.name),
                wording.word(wording.CHANGES, left.change),
            ),
        )
        for left in (form.rollback.residue if form.rollback else ())
    ]


_TABLES: dict[str, Callable[[Form, tzinfo], list[_Row]]] = {
    "payloads": _payloads,
    "requirements": _requirements,
    "tests": _tests,
    "changes": _changes,
    "stopped": _stopped,
    "residue": _residue,
}
"""In the order of the annex."""


def _because(title: Text, reason: Text | None) -> Text:
    return Text(f"{title.id} ({reason.id})", f"{title.en} ({reason.en})") if reason else title


def _answered(change: Change) -> Text:
    """What the computer answered to what failed, on one line; of a long answer its end, where programs say why."""
    if change.result != "failed":
        return same("")
    lines = []
    for name, value in change.evidence:
        label = same("") if name in SPEAKS_FOR_ITSELF else wording.word(labels.EVIDENCE, name)
        lines.append(joined([label, value], ": "))
    answers = joined(lines, "\n")
    return Text(_end(answers.id), _end(answers.en))


def _end(answers: str) -> str:
    line = " · ".join(line for line in answers.splitlines() if line.strip())
    return line if len(line) <= _ANSWER_LIMIT else "…" + line[1 - _ANSWER_LIMIT :]
