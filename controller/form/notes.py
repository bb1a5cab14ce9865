"""What a row of the form says beside its result, and what stands above the rows. The annex has all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controller.form import labels, wording
from controller.form.json import digest
from controller.form.model import Form, Row, Signature
from controller.form.sign import is_valid
from controller.text import Text

_NAMED = 3
"""So many things are named in a row of the table; how many more there are is said in a word."""


def notes_of(row: Row, form: Form) -> list[Text]:
    """What a row says beside its result: the reason first, then the evidence in short."""
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
    return [Text(s.name, s.name) for s in form.signatures if holds(form, s)]


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


def remarks_of(form: Form) -> list[tuple[Text, Text]]:
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


def holds(form: Form, signature: Signature) -> bool:
    """Whether a signature holds for the form as it stands."""
    return is_valid(form.number, signature, digest(form))
