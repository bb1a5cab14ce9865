"""The annex of the form: everything that its rows only count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.form import labels, wording
from controller.form.model import Change, Form
from controller.text import Text

_ANSWER_LIMIT = 300


@dataclass(frozen=True)
class Table:
    """A table of the annex; the last column of a row is a verdict with a tone."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    tones: tuple[str, ...]


def tables_of(form: Form, say: Callable[[Text], str]) -> list[Table]:
    """The annex: everything the rows only count."""

    def table(name: str, rows: list[tuple[tuple[str, ...], str]]) -> Table:
        title, *heads = labels.TABLES[name]
        return Table(say(title), tuple(map(say, heads)), tuple(row for row, _ in rows), tuple(tone for _, tone in rows))

    def because(title: Text, reason: Text | None) -> str:
        return f"{say(title)} ({say(reason)})" if reason else say(title)

    tones = {"met": "good", "passed": "good", "unknown": "open", "changed": "good", "unchanged": "plain"}
    return [
        table(
            "payloads",
            [
                (
                    (p.file or p.name, p.product, say(wording.size(p.size_bytes)) if p.size_bytes else "", p.digest),
                    "plain",
                )
                for p in form.payloads
            ],
        ),
        table(
            "requirements",
            [
                (
                    (because(r.title, r.reason), r.needed, r.found, say(wording.word(wording.VERDICTS, r.verdict))),
                    tones.get(r.verdict, "bad"),
                )
                for r in form.requirements
            ],
        ),
        table(
            "tests",
            [
                (
                    (
                        str(t.step) + (f" ({t.visit}×)" if t.visit > 1 else ""),
                        because(t.title, t.reason if t.verdict != "passed" else None),
                        t.needed,
                        t.found,
                        say(wording.word(wording.VERDICTS, t.verdict)),
                    ),
                    tones.get(t.verdict, "bad"),
                )
                for t in form.tests
            ],
        ),
        table(
            "changes",
            [
                (
                    (
                        str(c.step),
                        because(c.title, c.reason)
                        + (f" — {_answered(c)}" if c.result == "failed" and c.evidence else ""),
                        say(labels.VERBS.get(c.verb, Text(c.verb, c.verb))),
                        say(
                            labels.UNDONE
                            if (c.verb, c.result) == ("undo", "changed")
                            else wording.word(wording.EFFECTS, c.result)
                        ),
                    ),
                    tones.get(c.result, "bad"),
                )
                for c in form.changes
            ],
        ),
        table(
            "residue",
            [
                (
                    (
                        say(wording.word(wording.RESIDUE_KINDS, r.kind)),
                        r.name,
                        say(wording.word(wording.CHANGES, r.change)),
                    ),
                    "bad",
                )
                for r in (form.rollback.residue if form.rollback else ())
            ],
        ),
    ]


def _answered(change: Change) -> str:
    """What the computer answered, on one line; of a long answer its end, where programs say why."""
    answer = " · ".join(line for line in change.evidence.splitlines() if line.strip())
    return answer if len(answer) <= _ANSWER_LIMIT else "…" + answer[1 - _ANSWER_LIMIT :]
