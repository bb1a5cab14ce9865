"""How the form words what it says: outcomes, results, sizes, times. The same words on the terminal and on paper."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo

from controller.records.record import OPEN_OUTCOMES
from controller.text import Text, joined, same

OUTCOMES = {
    "installed": Text("terpasang", "installed"),
    "already_installed": Text("sudah terpasang sebelumnya", "already installed"),
    "not_eligible": Text("tidak memenuhi persyaratan", "not eligible"),
    "rolled_back": Text("gagal dan dikembalikan ke keadaan semula", "failed and taken back"),
    "needs_person": Text("memerlukan penanganan petugas", "needs a person"),
    "unreachable": Text("komputer tidak terjangkau", "unreachable"),
    "not_started": Text("belum dimulai", "not started"),
    "running": Text("sedang berjalan", "running"),
    "awaiting_decision": Text("menunggu keputusan konfigurasi", "awaiting a decision"),
    "awaiting_reboot": Text("menunggu jam nyala ulang", "awaiting its time to reboot"),
    "verified": Text("terverifikasi", "verified"),
    "verify_failed": Text("verifikasi tidak berhasil", "verification failed"),
    "uninstalled": Text("telah dicopot", "uninstalled"),
    "not_installed": Text("tidak terpasang", "not installed"),
    "eligible": Text("memenuhi persyaratan", "eligible"),
    "planned": Text("telah direncanakan, tidak ada yang diubah", "planned, nothing changed"),
}
GOOD = frozenset(("installed", "already_installed", "verified", "uninstalled", "eligible", "planned"))
OPEN = frozenset((*OPEN_OUTCOMES, "not_started", "not_installed"))
RESULTS = {
    "ok": Text("berhasil", "ok"),
    "not_met": Text("tidak terpenuhi", "not met"),
    "failed": Text("gagal", "failed"),
    "skipped": Text("tidak diperlukan", "not needed"),
}
VERDICTS = {
    "met": Text("terpenuhi", "met"),
    "not_met": Text("tidak terpenuhi", "not met"),
    "unknown": Text("tidak dapat dipastikan", "could not tell"),
    "passed": Text("lulus", "passed"),
    "failed": Text("gagal", "failed"),
}
EFFECTS = {
    "changed": Text("diubah", "changed"),
    "unchanged": Text("sudah sesuai", "already right"),
    "failed": Text("gagal", "failed"),
    "unknown": Text("tidak diketahui selesainya", "end unknown"),
}
ROLLBACKS = {
    "clean": Text("bersih: komputer kembali seperti semula", "clean: the computer is as it was before"),
    "residue": Text("ada sisa yang tertinggal", "something was left behind"),
    "failed": Text("pengembalian gagal, perlu ditangani petugas", "taking back failed, a person is needed"),
}
RESIDUE_KINDS = {
    "package": Text("paket", "package"),
    "service": Text("layanan", "service"),
    "process": Text("proses", "process"),
    "port": Text("port", "port"),
    "user": Text("pengguna", "user"),
    "group": Text("grup", "group"),
    "schedule": Text("jadwal", "schedule"),
    "autostart": Text("mulai otomatis", "start at sign-in"),
    "firewall_rule": Text("aturan firewall", "firewall rule"),
    "variable": Text("variabel lingkungan", "environment variable"),
    "key": Text("kunci registri", "registry key"),
    "file": Text("berkas", "file"),
    "deb": Text("paket", "package"),
    "archive": Text("arsip", "archive"),
    "command": Text("perintah", "command"),
}
"""Of a comparison of states, and of actions whose work is still there."""
CHANGES = {
    "added": Text("bertambah", "added"),
    "removed": Text("hilang", "removed"),
    "changed": Text("berubah", "changed"),
}
ROLES = {
    "user": Text("User", "user"),
    "staf_ti": Text("Staf TI", "IT staff"),
}
MODES = {
    "install": Text("pemasangan", "installation"),
    "check": Text("pemeriksaan persyaratan", "check of the prerequisites"),
    "plan": Text("perencanaan", "dry run"),
    "verify": Text("verifikasi", "verification"),
    "uninstall": Text("pencopotan", "uninstallation"),
}
_MONTHS = tuple(
    Text(*pair)
    for pair in zip(
        ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"),
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
        strict=True,
    )
)


def word(words: Mapping[str, Text], value: object) -> Text:
    """The wording of a value; the value itself where there is none, because unknown things are shown, not hidden."""
    return words.get(str(value)) or same(str(value))


def tone(outcome: str) -> str:
    """What colour may stress of an outcome: ``good``, ``open`` or ``bad``."""
    return "good" if outcome in GOOD else "open" if outcome in OPEN else "bad"


def rollback(verdict: object, *, is_foreign: bool) -> Text:
    """How the way back ended; of software that somebody else installed nobody knows what was there before."""
    if is_foreign and verdict == "clean":
        return Text("bersih, sejauh yang dapat dibuktikan", "clean, as far as it can be proved")
    return word(ROLLBACKS, verdict)


def decision(configure: bool | None, keep: bool | None) -> Text:
    """What was decided in step 9; by an agent alone, whether the software stays."""
    if keep is not None:
        return (
            Text("dipertahankan tanpa konfigurasi", "kept without configuration")
            if keep
            else Text("dikembalikan", "taken back")
        )
    if configure is None:
        return Text("menunggu keputusan Staf TI", "waiting for a decision of IT staff")
    if configure:
        return Text("perlu dikonfigurasi", "to be configured")
    return Text("tidak perlu dikonfigurasi", "nothing to configure")


def decider(by: str) -> Text | None:
    """Who decided; None where it was the playbook, or is not known."""
    if by == "agent":
        return Text("agen di komputer itu sendiri", "the agent on that computer itself")
    return same(by) if by not in ("", "playbook") else None


def boot(id: str) -> str:
    """The beginning of a boot id, enough to tell two apart."""
    return id[:8] or "?"


def number(value: float, decimals: int) -> Text:
    """A number with the decimal mark of each language."""
    plain = f"{value:.{decimals}f}"
    return Text(plain.replace(".", ","), plain)


def size(size_bytes: int) -> Text:
    """A size in decimal units, as makers of disks and the playbooks write it."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    written = number(value, 0 if unit == "B" or value >= 100 else 1)
    return Text(f"{written.id} {unit}", f"{written.en} {unit}")


def duration(seconds: float) -> Text:
    """A duration of up to hours, as short as it stays true."""
    if seconds < 1:
        return Text("< 1 dtk", "< 1 s")
    if seconds < 10:
        written = number(seconds, 1)
        return Text(f"{written.id} dtk", f"{written.en} s")
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    parts_id = [(hours, "jam"), (minutes, "mnt"), (rest, "dtk")]
    parts_en = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return Text(
        " ".join(f"{count} {unit}" for count, unit in parts_id if count),
        " ".join(f"{count} {unit}" for count, unit in parts_en if count),
    )


def minutes(count: int | None, standard: Text) -> Text:
    """The standard time of a step; what it depends on where there is none."""
    return Text(f"{count} menit", f"{count} min") if count is not None else standard


def local(at: str | None, zone: tzinfo) -> datetime | None:
    """A recorded time on the office's clock; None where it is no time."""
    if not at:
        return None
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.astimezone(zone)


def day(at: str | None, zone: tzinfo) -> Text:
    """A date such as ``22 Nov 2026``; what was recorded where it is no time."""
    moment = local(at, zone)
    if moment is None:
        return same(at or "")
    month = _MONTHS[moment.month - 1]
    return Text(f"{moment.day} {month.id} {moment.year}", f"{moment.day} {month.en} {moment.year}")


def clock(at: str | None, zone: tzinfo) -> str:
    """A time of day such as ``21.30.05``, as Indonesia writes it."""
    moment = local(at, zone)
    return moment.strftime("%H.%M.%S") if moment else (at or "")


def moment(at: str | None, zone: tzinfo) -> Text:
    """Date, time and the zone's abbreviation."""
    shown = local(at, zone)
    if shown is None:
        return same(at or "")
    return joined([day(at, zone), same(clock(at, zone)), same(shown.tzname() or "")], " ")


def minute(at: str | None, zone: tzinfo) -> Text:
    """Date and time to the minute, for columns whose head names the zone."""
    return joined([day(at, zone), same(clock(at, zone)[:5])], " ") if local(at, zone) else same(at or "")
