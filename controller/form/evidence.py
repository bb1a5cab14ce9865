"""The evidence lines of the thirteen rows: one record, one sentence, or none where the record has nothing to show."""

from __future__ import annotations

from collections.abc import Callable

from controller import sop
from controller.form import wording
from controller.form.timeline import Event, text_of, whole_of
from controller.text import Text

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


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _because(line: Text, reason: object) -> Text:
    said = text_of(reason)
    return Text(f"{line.id}: {said.id}", f"{line.en}: {said.en}") if said else line


def _payload(event: Event) -> Text:
    size = wording.size(whole_of(event.get("size_bytes")) or 0)
    digest = str(event.get("digest", ""))
    product = product_of(event.get("meta"))
    return Text(
        _joined(str(event.get("file") or event.get("name", "")), product, size.id, f"SHA-256 {digest[:16]}…"),
        _joined(str(event.get("file") or event.get("name", "")), product, size.en, f"SHA-256 {digest[:16]}…"),
    )


def product_of(meta: object) -> str:
    """Name and version that were read out of an installer; empty where it has none."""
    if not isinstance(meta, dict):
        return ""
    return " ".join(str(meta[key]) for key in ("package", "version") if meta.get(key))


def _location(event: Event) -> Text:
    value = str(event.get("location", ""))
    place = sop.Location(value).printed if value in set(sop.Location) else Text(value, value)
    by = str(event.get("by") or "inventory")
    if by == "inventory":
        return Text(f"{place.id}, menurut inventaris", f"{place.en}, by the inventory")
    return Text(f"{place.id}, ditentukan oleh {by}", f"{place.en}, decided by {by}")


def _notice(event: Event) -> Text:
    schedule = str(event.get("schedule", ""))
    when = Text(wording.moment(schedule, wording.WIB, "id"), wording.moment(schedule, wording.WIB, "en"))
    owner = str(event.get("owner") or "")
    recorded = event.get("channel") == "recorded"
    how_id = "dicatat" if recorded else f"dikirim melalui {event.get('channel')}"
    how_en = "recorded" if recorded else f"sent by {event.get('channel')}"
    return Text(
        _joined(f"jadwal {when.id}", f"pemberitahuan {how_id}", f"untuk {owner}" if owner else ""),
        _joined(f"schedule {when.en}", f"notice {how_en}", f"for {owner}" if owner else ""),
    )


def _facts(event: Event) -> Text:
    system = " ".join(str(event[key]) for key in ("distribution", "version", "arch") if event.get(key))
    system = system or str(event.get("os", ""))
    cpu, ram = whole_of(event.get("cpu_count")), whole_of(event.get("ram_bytes"))
    memory = wording.size(ram) if ram else Text("", "")
    return Text(
        _joined(system, f"{cpu} CPU" if cpu else "", f"RAM {memory.id}" if ram else ""),
        _joined(system, f"{cpu} CPU" if cpu else "", f"{memory.en} RAM" if ram else ""),
    )


def _variant(event: Event) -> Text | None:
    if event.get("index") is not None:
        return None
    return _because(Text("tidak ada varian yang cocok", "no variant fits"), event.get("reason"))


def _measured(event: Event, words: dict[str, Text]) -> Text:
    """``title: found (needed …) — verdict``, for requirements and probes alike."""
    title = text_of(event.get("title")) or Text(str(event.get("kind", "")), str(event.get("kind", "")))
    verdict = wording.word(words, event.get("verdict"))
    needed, found = str(event.get("needed") or ""), str(event.get("found") or "")
    values_id = _joined(f"perlu {needed}" if needed else "", f"ada {found}" if found else "")
    values_en = _joined(f"needed {needed}" if needed else "", f"found {found}" if found else "")
    line = Text(
        f"{title.id} — {verdict.id}" + (f" ({values_id})" if values_id else ""),
        f"{title.en} — {verdict.en}" + (f" ({values_en})" if values_en else ""),
    )
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
    configure = event.get("configure")
    if configure is None:
        line = Text("menunggu keputusan Staf TI", "waiting for a decision of IT staff")
    else:
        line = (
            Text("perlu dikonfigurasi", "to be configured")
            if configure
            else Text("tidak perlu dikonfigurasi", "nothing to configure")
        )
        by = str(event.get("by") or "")
        if by and by != "playbook":
            line = Text(f"{line.id}, diputuskan oleh {by}", f"{line.en}, decided by {by}")
    return _because(line, event.get("reason"))


def _rollback(event: Event) -> Text:
    line = wording.word(wording.ROLLBACKS, event.get("verdict"))
    restored = event.get("restored")
    if restored:
        line = Text(f"{line.id}; versi {restored} dipasang kembali", f"{line.en}; version {restored} put back")
    return _because(line, event.get("reason"))


_MAKERS: dict[str, tuple[int, Callable[[Event], Text | None]]] = {
    "payload_inspected": (1, _payload),
    "location_chosen": (2, _location),
    "notice": (3, _notice),
    "facts": (4, _facts),
    "variant_chosen": (4, _variant),
    "requirement": (4, _requirement),
    "detected": (5, _detected),
    "effect": (5, _effect),
    "removed": (8, _removed),
    "snapshot": (5, _snapshot),
    "probe": (7, lambda event: _measured(event, wording.VERDICTS)),
    "loop": (7, _loop),
    "decision": (9, _decision),
    "decided": (9, _decision),
    "rollback": (8, _rollback),
}
"""By type: the step it speaks for where the record names none, and the sentence."""
