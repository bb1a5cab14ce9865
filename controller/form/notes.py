"""What a row of the form says beside its result, and what stands above the rows. The annex has all of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo

from controller.form import labels, wording
from controller.form.evidence import notice_line
from controller.form.model import Form, Reboot, Residue, Row, Signature, Stop
from controller.form.sign import valid_signatures
from controller.text import Text, joined, same

_NAMED = 3
"""So many things are named in a row of the table; how many more there are is said in a word."""


def notes_of(row: Row, form: Form, zone: tzinfo) -> list[Text]:
    """What a row says beside its result: the reason first, then the evidence in short; times on the office's clock."""
    notes = [row.reason] if row.reason and row.step.no != 9 else []
    maker = _NOTES.get(row.step.no)
    if maker:
        notes += maker(row, form)
    elif row.step.no == 3 and form.notice:
        notes.append(notice_line(form.notice, zone))
    else:
        notes += row.evidence[:_NAMED]
    return list(dict.fromkeys(notes))


def _inspected(_: Row, form: Form) -> list[Text]:
    if not form.payloads:
        return []
    files = _listed([same(p.file or p.name) for p in form.payloads])
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


def _nothing_to_run(row: Row, form: Form) -> list[Text]:
    """Step 6 without a word of the agent: what is in place is told by records, so the playbook has no ``run``."""
    if row.result == "ok" and form.mode == "install":
        return [Text("playbook tidak menjalankan apa pun", "the playbook has nothing to run")]
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
    what = wording.decision(decision.configure, decision.keep)
    by = wording.decider(decision.by)
    who = Text(f", oleh {by.id}", f", by {by.en}") if by else Text("", "")
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
    return [same(s.name) for s in form.signatures if holds(form, s)]


_NOTES: dict[int, Callable[[Row, Form], list[Text]]] = {
    1: _inspected,
    4: _required,
    5: _changed,
    6: lambda row, form: [*_changed(row, form), *_tested(row, form)] if row.evidence else _nothing_to_run(row, form),
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
    named = joined(shown, "; ")
    return Text(f"{named.id}; dan {more} lainnya", f"{named.en}; and {more} more") if more > 0 else named


def residue_line(item: Residue) -> Text:
    """Something left behind: its kind and its name."""
    return joined([wording.word(wording.RESIDUE_KINDS, item.kind), same(item.name)], " ")


def _stopped(stop: Stop, zone: tzinfo) -> Text:
    when = wording.moment(stop.at, zone)
    said = Text(f"diminta oleh {stop.by}, {when.id}", f"asked for by {stop.by}, {when.en}")
    if stop.step is None:
        return Text(f"{said.id}; tidak ada lagi yang dihentikan", f"{said.en}; there was nothing left to stop")
    return Text(f"{said.id}; di langkah {stop.step}", f"{said.en}; in step {stop.step}")


def _way_back(form: Form) -> Text:
    assert form.rollback is not None  # noqa: S101 - for the type checker: asked only where there is one
    said = wording.rollback(form.rollback.verdict, is_foreign=form.rollback.is_foreign)
    if form.rollback.residue:
        left = _listed([residue_line(item) for item in form.rollback.residue])
        said = Text(f"{said.id}: {left.id}", f"{said.en}: {left.en}")
    if form.rollback.restored:
        version = form.rollback.restored
        said = Text(f"{said.id}; versi {version} dipasang kembali", f"{said.en}; version {version} put back")
    return said


def _reboot(reboot: Reboot, zone: tzinfo) -> Text:
    """A reboot: what for, from when to when, and the boot ids that prove it; or how far it came."""
    step, cause = reboot.step, f" ({reboot.cause})" if reboot.cause else ""
    if reboot.state == "pending":
        return Text(
            f"komputer ini masih menunggu dinyalakan ulang: {reboot.cause}",
            f"this computer still waits for a reboot: {reboot.cause}",
        )
    began, back = wording.minute(reboot.began_at, zone), wording.minute(reboot.back_at, zone)
    if reboot.state == "done":
        boots = f"boot {wording.boot(reboot.former)} → {wording.boot(reboot.boot)}"
        if reboot.by != "agent":
            return Text(
                f"langkah {step}{cause}: bukan oleh agen; kembali {back.id}; {boots}",
                f"step {step}{cause}: not by the agent; back {back.en}; {boots}",
            )
        return Text(
            f"langkah {step}{cause}: {began.id}, kembali {back.id}; {boots}",
            f"step {step}{cause}: {began.en}, back {back.en}; {boots}",
        )
    if reboot.state == "begun":
        return Text(
            f"langkah {step}{cause}: {began.id}, belum kembali", f"step {step}{cause}: {began.en}, not back yet"
        )
    return Text(f"langkah {step}{cause}: belum terjadi", f"step {step}{cause}: it has not happened yet")


def remarks_of(form: Form, zone: tzinfo) -> list[tuple[Text, Text]]:
    """What a reader must not have to look for: why it ended so, who decided, what was gone through again.

    Args:
        form: as projected.
        zone: the office's clock.
    """
    remarks = []
    if form.reason:
        remarks.append((labels.REMARK if form.outcome in wording.GOOD else labels.REASON, form.reason))
    if form.stop:
        remarks.append((labels.STOPPED, _stopped(form.stop, zone)))
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
    remarks += [(labels.REBOOT, _reboot(reboot, zone)) for reboot in form.reboots]
    if form.rollback:
        remarks.append((labels.WAY_BACK, _way_back(form)))
    remarks += [(labels.OTHER, same(str(event["type"]))) for event in form.others]
    return remarks


def holds(form: Form, signature: Signature) -> bool:
    """Whether a signature holds for the form as it stands."""
    return signature in valid_signatures(form)
