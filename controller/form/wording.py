"""How the form words what it says: outcomes, results, sizes, times. The same words on the terminal and on paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controller.text import Language, Text

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
    "verified": Text("terverifikasi", "verified"),
    "verify_failed": Text("verifikasi tidak berhasil", "verification failed"),
    "uninstalled": Text("telah dicopot", "uninstalled"),
    "not_installed": Text("tidak terpasang", "not installed"),
    "eligible": Text("memenuhi persyaratan", "eligible"),
    "planned": Text("telah direncanakan, tidak ada yang diubah", "planned, nothing changed"),
}
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
    "port": Text("porta", "port"),
    "user": Text("pengguna", "user"),
    "group": Text("grup", "group"),
    "schedule": Text("jadwal", "schedule"),
    "file": Text("berkas", "file"),
}
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
_MONTHS = {
    "id": ("Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}


@dataclass(frozen=True)
class Zone:
    """The time by which an office reads its clock. Indonesia has three, none with summer time."""

    name: str
    hours: int


WIB = Zone("WIB", 7)
"""Western Indonesia."""


def word(words: Mapping[str, Text], value: object) -> Text:
    """The wording of a value; the value itself where there is none, because unknown things are shown, not hidden."""
    known = words.get(str(value))
    return known if known else Text(str(value), str(value))


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


def local(at: str | None, zone: Zone) -> datetime | None:
    """A recorded time on the office's clock, without its zone; None where it is no time."""
    if not at:
        return None
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return (moment.astimezone(UTC) + timedelta(hours=zone.hours)).replace(tzinfo=None)


def day(at: str | None, zone: Zone, language: Language) -> str:
    """A date such as ``22 Nov 2026``; what was recorded where it is no time."""
    moment = local(at, zone)
    if moment is None:
        return at or ""
    return f"{moment.day} {_MONTHS[language][moment.month - 1]} {moment.year}"


def clock(at: str | None, zone: Zone) -> str:
    """A time of day such as ``21.30.05``, as Indonesia writes it."""
    moment = local(at, zone)
    return moment.strftime("%H.%M.%S") if moment else (at or "")


def moment(at: str | None, zone: Zone, language: Language) -> str:
    """Date, time and zone."""
    if local(at, zone) is None:
        return at or ""
    return f"{day(at, zone, language)} {clock(at, zone)} {zone.name}"
