"""The form as it is read: words of one language in the places where paper and terminal put them. No layout here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from controller import sop
from controller.form import labels, wording
from controller.form.json import digest
from controller.form.keys import fingerprint
from controller.form.model import Form, Row, Signature
from controller.form.sign import is_valid
from controller.settings import Letterhead
from controller.text import Language, Text

_NAMED = 3
"""So many things are named in a row of the table; how many more there are is said in a word."""
_NOTE_LIMIT = 160
"""Characters of a note in a row: the table stays on its page. The remarks and the annex have the whole sentence."""


@dataclass(frozen=True)
class Line:
    """One of the thirteen rows, in words."""

    no: int
    activity: str
    actors: tuple[str, ...]
    """Values of ``sop.Actor``."""
    standard: str
    actual: str
    clock: str
    """From when to when, on the office's clock."""
    result: str
    tone: str
    """``good``, ``bad``, ``open`` or ``plain``: what colour may stress, never what it alone says."""
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table of the annex; the last column of a row is a verdict with a tone."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    tones: tuple[str, ...]


@dataclass(frozen=True)
class Box:
    """A place for a signature, empty or signed."""

    caption: str
    role: str
    name: str
    signed_at: str
    fingerprint: str
    is_broken: bool
    """Signed, but not for the form as it stands now."""


@dataclass(frozen=True)
class Sheet:
    """The whole form in words of one language."""

    language: Language
    letterhead: Letterhead
    title: str
    number: str
    fields: tuple[tuple[str, str], ...]
    heads: tuple[str, ...]
    """Of the thirteen rows: number, activity, actor, standard, actual, result."""
    actors: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    total: tuple[str, str, str]
    """The last row: its caption, standard times added up, actual times added up."""
    outcome: str
    tone: str
    remarks: tuple[tuple[str, str], ...]
    """Caption and sentence: decision, branches, the way back."""
    tables: tuple[Table, ...]
    boxes: tuple[Box, ...]
    signed_on: str
    """Place and date above the signatures; empty while nobody has signed."""
    digest: str
    words: dict[str, str]
    """Short captions by name."""


def sheet(
    form: Form, language: Language, *, letterhead: Letterhead | None = None, zone: wording.Zone = wording.WIB
) -> Sheet:
    """Words the form.

    Args:
        form: as projected.
        language: of all words; what the computer answered stays as it was.
        letterhead: the office's; an empty one where None.
        zone: the office's clock.
    """
    head = letterhead or Letterhead()

    def say(text: Text) -> str:
        return text.say(language)

    boxes = _boxes(form, language, zone)
    signed_at = [signature.at for signature in form.signatures]
    day = wording.day(min(signed_at), zone, language) if signed_at else ""
    seconds = [row.seconds for row in form.steps if row.seconds is not None]
    return Sheet(
        language=language,
        letterhead=head,
        title=say(labels.TITLE),
        number=form.number,
        fields=tuple((say(caption), value) for caption, value in _fields(form, language, zone) if value),
        heads=tuple(say(head) for head in labels.ROW_HEADS),
        actors=tuple((actor.value, _capital(say(actor.printed))) for actor in sop.Actor),
        lines=tuple(_line(row, form, language, zone) for row in form.steps),
        total=(
            say(labels.TOTAL),
            say(wording.minutes(sop.standard_minutes(form.location), Text("", ""))),
            say(wording.duration(sum(seconds))) if seconds else "–",
        ),
        outcome=say(wording.word(wording.OUTCOMES, form.outcome)),
        tone=outcome_tone(form.outcome),
        remarks=tuple((say(caption), say(text)) for caption, text in _remarks(form)),
        tables=tuple(table for table in _tables(form, say) if table.rows),
        boxes=boxes,
        signed_on=", ".join(part for part in (head.place, day) if part) if day else "",
        digest=digest(form),
        words={name: say(text) for name, text in labels.WORDS.items()},
    )


def outcome_tone(outcome: str) -> str:
    """Whether an outcome is good news."""
    if outcome in ("installed", "already_installed", "verified", "uninstalled", "eligible", "planned"):
        return "good"
    return "open" if outcome in ("running", "awaiting_decision", "not_started") else "bad"


def _fields(form: Form, language: Language, zone: wording.Zone) -> list[tuple[Text, str]]:
    software = " ".join(str(form.software[key]) for key in ("name", "version") if form.software.get(key))
    about = form.software.get("about")
    described = str(about.get(language) or "") if isinstance(about, dict) else ""
    system = " ".join(str(form.facts[key]) for key in ("distribution", "version", "arch") if form.facts.get(key))
    name = form.hostname if form.hostname not in ("", form.host) else ""
    return [
        (labels.NUMBER, form.number),
        (labels.HOST, f"{form.host} ({name})" if name else form.host),
        (labels.SOFTWARE, f"{software} — {described}" if described else software),
        (labels.SYSTEM, system),
        (labels.PUBLISHER, ", ".join(str(form.software[k]) for k in ("publisher", "licence") if form.software.get(k))),
        (labels.ADDRESS, form.address),
        (labels.LOCATION, ", ".join(part for part in (form.location.printed.say(language), form.site) if part)),
        (labels.ASSET_TAG, form.asset_tag),
        (labels.OWNER, form.owner),
        (labels.OPENED, wording.moment(form.opened_at, zone, language)),
        (labels.BY, form.by),
        (labels.ENDED, wording.moment(form.ended_at, zone, language)),
        (labels.MODE, "" if form.mode == "install" else wording.word(wording.MODES, form.mode).say(language)),
    ]


def _line(row: Row, form: Form, language: Language, zone: wording.Zone) -> Line:
    times = [wording.clock(at, zone) for at in (row.started_at, row.ended_at) if at]
    result, tone = _result(row, form)
    visited = f" ({len(row.visits)}×)" if len(row.visits) > 1 else ""
    return Line(
        no=row.step.no,
        activity=_capital(row.step.activity.say(language)),
        actors=tuple(actor.value for actor in row.step.actors),
        standard=wording.minutes(row.step.standard_minutes, row.step.standard).say(language) or "–",
        actual=wording.duration(row.seconds).say(language) if row.seconds is not None else "–",
        clock="–".join(dict.fromkeys(times)),
        result=result.say(language) + visited,
        tone=tone,
        notes=tuple(_short(note.say(language)) for note in _notes(row, form) if note.id),
    )


def _short(note: str) -> str:
    return note if len(note) <= _NOTE_LIMIT else note[: _NOTE_LIMIT - 1] + "…"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _result(row: Row, form: Form) -> tuple[Text, str]:
    no = row.step.no
    if no == 8 and row.visits and form.rollback and form.rollback.verdict != "clean":
        return labels.TAKEN_BACK[form.rollback.verdict == "residue"], "bad"
    if no in (12, 13) and row.result == "ok":
        signed = any(_holds(form, signature) for signature in form.signatures)
        return (labels.DONE_SIGNED, "good") if signed else (labels.DONE_UNSIGNED, "open")
    match row.result:
        case "ok":
            return labels.OK[no], "good"
        case "skipped":
            return wording.RESULTS["skipped"], "plain"
        case None:
            if form.ended_at:
                return labels.NOT_REACHED, "plain"
            return (labels.GOING_ON, "open") if row.started_at else (labels.NOT_YET, "plain")
        case other:
            return labels.NOT_OK.get(no, wording.word(wording.RESULTS, other)), "bad"


def _holds(form: Form, signature: Signature) -> bool:
    return is_valid(form.number, signature, digest(form))


def _notes(row: Row, form: Form) -> list[Text]:
    """What a row says beside its result: the reason first, then the evidence in short. The annex has all of it."""
    notes = [row.reason] if row.reason and row.step.no != 9 else []
    maker = _NOTES.get(row.step.no)
    if maker:
        notes += maker(row, form)
    else:
        notes += row.evidence[:_NAMED]
    return list(dict.fromkeys(notes))


def _inspected(_: Row, form: Form) -> list[Text]:
    if not form.payloads:
        return []
    files = _listed([Text(p.file or p.name, p.file or p.name) for p in form.payloads])
    size = wording.size(sum(p.size_bytes or 0 for p in form.payloads))
    return [Text(f"{files.id}; {size.id}; SHA-256 dicatat", f"{files.en}; {size.en}; SHA-256 recorded")]


def _required(_: Row, form: Form) -> list[Text]:
    verdicts = [requirement.verdict for requirement in form.requirements]
    if not verdicts:
        return []
    met, unsure = verdicts.count("met"), verdicts.count("unknown")
    note = Text(f"{met} dari {len(verdicts)} persyaratan terpenuhi", f"{met} of {len(verdicts)} requirements met")
    if unsure:
        note = Text(f"{note.id}, {unsure} tidak dapat dipastikan", f"{note.en}, {unsure} could not be told")
    return [note]


def _changed(row: Row, form: Form) -> list[Text]:
    done = [c.title for c in form.changes if c.step == row.step.no and c.result != "unchanged" and c.verb == "apply"]
    if done:
        return [_listed(list(dict.fromkeys(done)))]
    if row.result == "ok" and form.mode == "install":
        return [Text("sudah sesuai, tidak ada yang diubah", "already right, nothing changed")]
    return []


def _tested(row: Row, form: Form) -> list[Text]:
    asked = [test for test in form.tests if test.step == row.step.no]
    if not asked:
        return []
    last = [test for test in asked if test.visit == asked[-1].visit]
    passed = sum(test.verdict == "passed" for test in last)
    return [Text(f"{passed} dari {len(last)} pengujian lulus", f"{passed} of {len(last)} tests passed")]


def _decided(_: Row, form: Form) -> list[Text]:
    decision = form.decision
    if decision is None:
        return []
    what = labels.CONFIGURE.get(decision.configure, labels.DECISION_OPEN)
    by = decision.by
    who = Text(f", oleh {by}", f", by {by}") if by not in ("", "playbook") else Text("", "")
    why = decision.reason
    return [
        Text(
            what.id + who.id + (f": {why.id}" if why else ""),
            what.en + who.en + (f": {why.en}" if why else ""),
        )
    ]


def _taken_back(_: Row, form: Form) -> list[Text]:
    if form.rollback is None:
        return []
    left = len(form.rollback.residue)
    restored = form.rollback.restored
    return [
        *([Text(f"{left} sisa, lihat lampiran", f"{left} left behind, see the annex")] if left else []),
        *([Text(f"versi {restored} dipasang kembali", f"version {restored} put back")] if restored else []),
    ]


def _signed(row: Row, form: Form) -> list[Text]:
    if row.result != "ok":
        return []
    return [Text(s.name, s.name) for s in form.signatures if _holds(form, s)]


_NOTES: dict[int, Callable[[Row, Form], list[Text]]] = {
    1: _inspected,
    4: _required,
    5: _changed,
    6: lambda row, form: [*_changed(row, form), *_tested(row, form)],
    7: _tested,
    8: _taken_back,
    9: _decided,
    10: _changed,
    11: _tested,
    12: _signed,
    13: _signed,
}


def _listed(titles: Sequence[Text]) -> Text:
    """The first few by name, the others by number."""
    shown, more = titles[:_NAMED], len(titles) - _NAMED
    id, en = "; ".join(title.id for title in shown), "; ".join(title.en for title in shown)
    return Text(f"{id}; dan {more} lainnya", f"{en}; and {more} more") if more > 0 else Text(id, en)


def _way_back(form: Form) -> Text:
    assert form.rollback is not None  # noqa: S101 - for the type checker: asked only where there is one
    said = wording.word(wording.ROLLBACKS, form.rollback.verdict)
    if form.rollback.residue:
        left = _listed(
            [
                Text(
                    f"{wording.word(wording.RESIDUE_KINDS, item.kind).id} {item.name}",
                    f"{wording.word(wording.RESIDUE_KINDS, item.kind).en} {item.name}",
                )
                for item in form.rollback.residue
            ]
        )
        said = Text(f"{said.id}: {left.id}", f"{said.en}: {left.en}")
    if form.rollback.restored:
        version = form.rollback.restored
        said = Text(f"{said.id}; versi {version} dipasang kembali", f"{said.en}; version {version} put back")
    return said


def _remarks(form: Form) -> list[tuple[Text, Text]]:
    """What a reader must not have to look for: why it ended so, who decided, what was gone through again."""
    remarks = []
    if form.reason:
        remarks.append((labels.REASON, form.reason))
    if form.decision is not None and form.decision.by not in ("", "playbook"):
        remarks.append((labels.DECISION, _decided(form.steps[8], form)[0]))
    for arc in form.arcs:
        if arc.to != 10:
            continue  # the way on, and the way back over 8 to 1, are told by the rows and by the outcome
        reason = arc.reasons[-1] if arc.reasons else Text("", "")
        remarks.append(
            (
                labels.ARC,
                Text(
                    f"langkah {arc.step} → {arc.to}, {arc.count} kali: {reason.id}",
                    f"step {arc.step} → {arc.to}, {arc.count} times: {reason.en}",
                ),
            )
        )
    if form.rollback:
        remarks.append((labels.WAY_BACK, _way_back(form)))
    remarks += [(labels.OTHER, Text(str(event["type"]), str(event["type"]))) for event in form.others]
    return remarks


def _tables(form: Form, say: Callable[[Text], str]) -> list[Table]:
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
                        because(c.title, c.reason),
                        say(labels.VERBS.get(c.verb, Text(c.verb, c.verb))),
                        say(wording.word(wording.EFFECTS, c.result)),
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


def _boxes(form: Form, language: Language, zone: wording.Zone) -> tuple[Box, ...]:
    """User, Staf TI and Sub Koordinator side by side; no user signs for the data centre."""
    roles = [a for a in sop.Actor if a is not sop.Actor.USER or form.location is sop.Location.USER]
    boxes = []
    for role in roles:
        own = [signature for signature in form.signatures if signature.role == role.value]
        signature = next((s for s in own if _holds(form, s)), own[-1] if own else None)
        boxes.append(
            Box(
                caption=labels.CAPTIONS[role].say(language),
                role=_capital(role.printed.say(language)),
                name=signature.name if signature else "",
                signed_at=wording.moment(signature.at, zone, language) if signature else "",
                fingerprint=fingerprint(signature.key) if signature else "",
                is_broken=bool(signature and not _holds(form, signature)),
            )
        )
    return tuple(boxes)
