"""The form as it is read: words of one language in the places where paper and terminal put them. No layout here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from controller import sop
from controller.form import labels, wording
from controller.form.annex import Table, tables_of
from controller.form.json import digest
from controller.form.keys import fingerprint
from controller.form.model import Form, Row
from controller.form.notes import holds, notes_of, remarks_of
from controller.settings import WIB, Letterhead
from controller.text import Language, Text

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


def sheet(form: Form, language: Language, *, letterhead: Letterhead | None = None, zone: tzinfo = WIB) -> Sheet:
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
    day = say(wording.day(min(signed_at), zone)) if signed_at else ""
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
        tone=wording.tone(form.outcome),
        remarks=tuple((say(caption), say(text)) for caption, text in remarks_of(form, zone)),
        tables=tuple(tables_of(form, language, zone)),
        boxes=boxes,
        signed_on=", ".join(part for part in (head.place, day) if part) if day else "",
        digest=digest(form),
        words={name: say(text) for name, text in labels.WORDS.items()},
    )


def _fields(form: Form, language: Language, zone: tzinfo) -> list[tuple[Text, str]]:
    software = " ".join(str(form.software[key]) for key in ("name", "version") if form.software.get(key))
    about = form.software.get("about")
    described = str(about.get(language) or "") if isinstance(about, dict) else ""
    known = ("title", "arch") if form.facts.get("title") else ("distribution", "version", "arch")
    system = " ".join(str(form.facts[key]) for key in known if form.facts.get(key))
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
        (labels.OPENED, wording.moment(form.opened_at, zone).say(language)),
        (labels.BY, form.by),
        (labels.ENDED, wording.moment(form.ended_at, zone).say(language)),
        (labels.MODE, "" if form.mode == "install" else wording.word(wording.MODES, form.mode).say(language)),
    ]


def _line(row: Row, form: Form, language: Language, zone: tzinfo) -> Line:
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
        notes=tuple(_short(note.say(language)) for note in notes_of(row, form, zone) if note.id),
    )


def _short(note: str) -> str:
    return note if len(note) <= _NOTE_LIMIT else note[: _NOTE_LIMIT - 1] + "…"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _result(row: Row, form: Form) -> tuple[Text, str]:
    no = row.step.no
    if no == 8 and row.visits and form.rollback:
        if form.rollback.is_foreign:
            return labels.REMOVED, "good"
        if form.rollback.verdict != "clean":
            return labels.TAKEN_BACK[form.rollback.verdict == "residue"], "bad"
    if no in (12, 13) and row.result == "ok":
        signed = any(holds(form, signature) for signature in form.signatures)
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


def _boxes(form: Form, language: Language, zone: tzinfo) -> tuple[Box, ...]:
    """User, Staf TI and Sub Koordinator side by side; no user signs for the data centre."""
    roles = [a for a in sop.Actor if a is not sop.Actor.USER or form.location is sop.Location.USER]
    boxes = []
    for role in roles:
        own = [signature for signature in form.signatures if signature.role == role.value]
        signature = next((s for s in own if holds(form, s)), own[-1] if own else None)
        boxes.append(
            Box(
                caption=labels.CAPTIONS[role].say(language),
                role=_capital(role.printed.say(language)),
                name=signature.name if signature else "",
                signed_at=wording.moment(signature.at, zone).say(language) if signature else "",
                fingerprint=fingerprint(signature.key) if signature else "",
                is_broken=bool(signature and not holds(form, signature)),
            )
        )
    return tuple(boxes)
