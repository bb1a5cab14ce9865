"""The evidence lines of the thirteen rows: one record, one sentence, or none where the record has nothing to show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, tzinfo

from controller import sop
from controller.form import wording
from controller.form.model import Notice
from controller.form.timeline import Event, text_of, whole_of
from controller.text import Text, joined, same

LINE_LIMIT = 400
"""Characters of one line; an answer of a program that is longer is cut, the record keeps it."""


def evidence_line(event: Event) -> tuple[int, Text] | None:
    """The step a record speaks for and what it says there; None where it adds nothing to a form."""
    maker = _MAKERS.get(str(event["type"]))
    if maker is None:
        return None
    default_step, make = maker
    step = whole_of(event.get("step")) or default_step
    line = make(event)
    if line is None or not 1 <= step <= len(sop.STEPS):
        return None
    return step, Text(_cut(line.id), _cut(line.en))


def _cut(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= LINE_LIMIT else line[: LINE_LIMIT - 1] + "…"


def _because(line: Text, reason: object) -> Text:
    said = text_of(reason)
    return Text(f"{line.id}: {said.id}", f"{line.en}: {said.en}") if said else line


def _payload(event: Event) -> Text:
    size = wording.size(whole_of(event.get("size_bytes")) or 0)
    file, product = str(event.get("file") or event.get("name", "")), product_of(event.get("meta"))
    return joined([same(file), same(product), size, same(f"SHA-256 {str(event.get('digest', ''))[:16]}…")])


def _connected(event: Event) -> Text | None:
    """What a way has not been proved on is said; of the others there is nothing to say."""
    if event.get("proof") != "wine":
        return None
    way = str(event.get("transport", ""))
    return Text(
        f"dijangkau lewat {way}, yang baru diuji pada Windows tiruan (Wine)",
        f"reached by {way}, which has been tested on stand-ins for Windows (Wine) only",
    )


def product_of(meta: object) -> str:
    """Name and version that were read out of an installer; empty where it has none."""
    if not isinstance(meta, dict):
        return ""
    return " ".join(str(meta[key]) for key in ("package", "product", "version") if meta.get(key))


def _location(event: Event) -> Text:
    value = str(event.get("location", ""))
    place = sop.Location(value).printed if value in set(sop.Location) else same(value)
    by = str(event.get("by") or "inventory")
    if by == "inventory":
        return Text(f"{place.id}, menurut inventaris", f"{place.en}, by the inventory")
    return Text(f"{place.id}, ditentukan oleh {by}", f"{place.en}, decided by {by}")


def notice_of(event: Event) -> Notice:
    """What a record says of the notice of step 3."""
    return Notice(*(str(event.get(name) or "") for name in ("schedule", "channel", "owner")))


def notice_line(notice: Notice, zone: tzinfo) -> Text:
    """The notice of step 3 on the clock of a time zone."""
    when = wording.moment(notice.schedule, zone)
    by, owner = notice.channel, same(notice.owner)
    how = Text("dicatat", "recorded") if by == "recorded" else Text(f"dikirim melalui {by}", f"sent by {by}")
    return joined(
        [
            Text(f"jadwal {when.id}", f"schedule {when.en}"),
            Text(f"pemberitahuan {how.id}", f"notice {how.en}"),
            Text(f"untuk {owner.id}", f"for {owner.en}") if notice.owner else owner,
        ]
    )


def _facts(event: Event) -> Text:
    system = " ".join(str(event[key]) for key in ("distribution", "version", "arch") if event.get(key))
    system = system or str(event.get("os", ""))
    cpu, ram = whole_of(event.get("cpu_count")), whole_of(event.get("ram_bytes"))
    memory = wording.size(ram or 0)
    return joined(
        [
            same(system),
            same(f"{cpu} CPU" if cpu else ""),
            Text(f"RAM {memory.id}", f"{memory.en} RAM") if ram else same(""),
        ]
    )


def _variant(event: Event) -> Text | None:
    if event.get("index") is not None:
        return None
    return _because(Text("tidak ada varian yang cocok", "no variant fits"), event.get("reason"))


def _measured(event: Event, words: dict[str, Text]) -> Text:
    """``title: found (needed …) — verdict``, for requirements and probes alike."""
    title = text_of(event.get("title")) or same(str(event.get("kind", "")))
    verdict = wording.word(words, event.get("verdict"))
    needed, found = text_of(event.get("needed")), text_of(event.get("found"))
    values = joined(
        [
            *([Text(f"perlu {needed.id}", f"needed {needed.en}")] if needed else []),
            *([Text(f"ada {found.id}", f"found {found.en}")] if found else []),
        ]
    )
    line = joined([title, verdict], " — ")
    if values.id:
        line = Text(f"{line.id} ({values.id})", f"{line.en} ({values.en})")
    return _because(line, event.get("reason"))


def _requirement(event: Event) -> Text:
    return _measured(event, wording.VERDICTS)


def _detected(event: Event) -> Text | None:
    title = text_of(event.get("title"))
    if title is None or event.get("state") != "present":
        return None
    return Text(f"{title.id} — sudah sesuai", f"{title.en} — already right")


def _effect(event: Event) -> Text | None:
    """``project`` has joined the intent's title into the effect. What was already right is said by ``detected``."""
    title = text_of(event.get("title"))
    if title is None or event.get("result") == "unchanged":
        return None
    if event.get("verb") == "undo" and event.get("result") == "changed":
        return Text(f"{title.id} — dikembalikan", f"{title.en} — taken back")
    result = wording.word(wording.EFFECTS, event.get("result"))
    return _because(Text(f"{title.id} — {result.id}", f"{title.en} — {result.en}"), event.get("reason"))


def _removed(event: Event) -> Text | None:
    title = text_of(event.get("title"))
    return Text(f"{title.id} — dikerjakan", f"{title.en} — done") if title else None


def _snapshot(event: Event) -> Text:
    counts = event.get("counts")
    counted = counts if isinstance(counts, dict) else {}
    before = event.get("when") == "before"
    size_id = ", ".join(f"{counted[key]} {name}" for key, (name, _) in _COUNTED.items() if key in counted)
    size_en = ", ".join(f"{counted[key]} {name}" for key, (_, name) in _COUNTED.items() if key in counted)
    return Text(
        f"keadaan {'sebelum' if before else 'sesudah'} dicatat" + (f" ({size_id})" if size_id else ""),
        f"state {'before' if before else 'after'} recorded" + (f" ({size_en})" if size_en else ""),
    )


_COUNTED = {
    "packages": ("paket", "packages"),
    "services": ("layanan", "services"),
    "files": ("berkas", "files"),
}


def _loop(event: Event) -> Text:
    count, limit = whole_of(event.get("count")), whole_of(event.get("limit"))
    times = f" ({count}/{limit})" if count and limit else ""
    line = Text(f"kembali ke langkah {event.get('to')}{times}", f"on to step {event.get('to')}{times}")
    return _because(line, event.get("reason"))


def _decision(event: Event) -> Text:
    line = wording.decision(event.get("configure"), event.get("keep"))
    by = wording.decider(str(event.get("by") or "")) if event.get("configure") is not None else None
    if by:
        line = Text(f"{line.id}, diputuskan oleh {by.id}", f"{line.en}, decided by {by.en}")
    return _because(line, event.get("reason"))


def _reboot(event: Event) -> Text | None:
    """What is on the disk around a reboot: that it is due, that it is proved, or why it did not happen."""
    at = wording.moment(str(event["at"]), UTC)
    match event.get("state"):
        case "due":
            return _because(Text("perlu dinyalakan ulang", "a reboot is due"), event.get("cause"))
        case "begun":
            return Text(f"dinyalakan ulang {at.id}", f"rebooted {at.en}")
        case "failed":
            return _because(Text("tidak menyala ulang", "it did not reboot"), event.get("reason"))
        case "done":
            boots = f"boot {event.get('former')} → {event.get('boot')}"
            return Text(f"kembali {at.id}; {boots}", f"back {at.en}; {boots}")
    return None


def _rollback(event: Event) -> Text:
    line = wording.word(wording.ROLLBACKS, event.get("verdict"))
    restored = event.get("restored")
    if restored:
        line = Text(f"{line.id}; versi {restored} dipasang kembali", f"{line.en}; version {restored} put back")
    return _because(line, event.get("reason"))


_MAKERS: dict[str, tuple[int, Callable[[Event], Text | None]]] = {
    "payload_inspected": (1, _payload),
    "location_chosen": (2, _location),
    "notice": (3, lambda event: notice_line(notice_of(event), UTC)),  # the record has no office, and no other clock
    "connected": (4, _connected),
    "facts": (4, _facts),
    "variant_chosen": (4, _variant),
    "requirement": (4, _requirement),
    "detected": (5, _detected),
    "effect": (5, _effect),
    "removed": (8, _removed),
    "snapshot": (5, _snapshot),
    "probe": (7, lambda event: _measured(event, wording.VERDICTS)),
    "reboot": (5, _reboot),
    "loop": (7, _loop),
    "decision": (9, _decision),
    "decided": (9, _decision),
    "rollback": (8, _rollback),
}
"""By type: the step it speaks for where the record names none, and the sentence."""
