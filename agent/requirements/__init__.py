"""Step 4: what the software needs, held against what the computer has.

Every answer is *met*, *not met* or *could not tell*, with what was needed and what was found. What could not be told is
never taken for met: it is shown as such on the form, and does not by itself stop the installation.
"""

from __future__ import annotations

import os

from agent.platforms import describe, describe_facts, matches
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator

    from agent.host import Host

    Row = Dict[str, Any]
    Text = Dict[str, str]

SEARCHED = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Where commands are looked for: the PATH that ``agent.program`` gives them."""
RESERVED_SHARE = 1 / 16
"""So much less RAM than asked for still counts as enough: firmware, graphics and the kernel keep a part of what is
built in (a PC sold with 2 GiB reports 1.9, with 4 GiB and shared graphics 3.8), and people ask for what is built in."""


def check(
    plan: dict[str, Any], variant: dict[str, Any], host: Host, facts: dict[str, Any], *, already: bool = False
) -> Iterator[Row]:
    """Every requirement of a variant, one after the other: the fields of ``requirement`` records.

    Args:
        plan: the whole; what the actions need besides is taken from its payloads.
        variant: the one chosen.
        host: the computer.
        facts: its facts.
        already: the software is in place: its own port and its room are no obstacles then.
    """
    if variant.get("when"):
        yield platform(variant["when"], facts)
    for kind, wanted in (variant.get("requirements") or {}).items():
        if wanted is None or wanted is False or wanted == []:
            continue
        question = QUESTIONS.get(kind)
        if question is None:
            yield row(kind, text(kind, kind), shown(wanted), "?", "unknown", reason=unknown_kind(kind))
        else:
            yield from question(wanted, host, facts, already)
    if not already:
        if needs_administrator(variant):
            yield from administrator(True, host, facts, already)
        yield from dependencies(variant, host)


def needs_administrator(variant: dict[str, Any]) -> bool:
    """Whether an action can only be root's, though the playbook does not say so: told now, not in the middle."""
    asked = (variant.get("requirements") or {}).get("administrator")
    return not asked and any(spec["kind"] == "deb" for spec in variant.get("install") or [])


def row(kind: str, title: Text, needed: str, found: str, verdict: str, *, reason: Text | None = None) -> Row:
    """One requirement's record. ``verdict``: ``met``, ``not_met`` or ``unknown``."""
    return {"kind": kind, "title": title, "needed": needed, "found": found, "verdict": verdict, "reason": reason}


def judged(kind: str, title: Text, needed: str, found: str, holds: bool, reason: Text) -> Row:
    """One requirement's record where the answer is known; the reason only where it is not met."""
    return row(kind, title, needed, found, "met" if holds else "not_met", reason=None if holds else reason)


def platform(when: dict[str, Any], facts: dict[str, Any]) -> Row:
    """The variant was made for this computer."""
    holds, reason = matches(when, facts)
    title = text("Sistem operasi dan arsitektur", "Operating system and architecture")
    return row("os", title, describe(when), describe_facts(facts), "met" if holds else "not_met", reason=reason)


def disk_free(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Room on every filesystem concerned."""
    from agent.requirements.room import space

    yield from space(listed(wanted), host, already=already)


def inodes(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Files that can still be made on a filesystem."""
    from agent.requirements.room import files

    for entry in listed(wanted):
        yield files(entry, already=already)


def ram_total(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Memory built in, less what never reaches the system."""
    from agent.requirements.room import amount

    needed, found = int(wanted["at_least_bytes"]), facts.get("ram_bytes")
    title = text("RAM terpasang", "RAM installed")
    if not found:
        yield row("ram_total", title, amount(needed, up=True), "?", "unknown", reason=not_told("RAM", "RAM"))
        return
    shown_found = amount(int(found), like=needed)
    reason = text(
        f"RAM hanya {shown_found}, diperlukan {amount(needed, up=True)}",
        f"only {shown_found} of RAM, {amount(needed, up=True)} needed",
    )
    yield judged(
        "ram_total", title, amount(needed, up=True), shown_found, found >= needed * (1 - RESERVED_SHARE), reason
    )


def ram_available(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Memory that programs could have now, exactly."""
    from agent.requirements.room import amount, ram_available_bytes

    needed, found = int(wanted["at_least_bytes"]), ram_available_bytes()
    title = text("RAM yang masih tersedia", "RAM still available")
    if found is None:
        yield row(
            "ram_available",
            title,
            amount(needed, up=True),
            "?",
            "unknown",
            reason=not_told("RAM yang tersedia", "available RAM"),
        )
        return
    shown_found = amount(found, like=needed)
    reason = text(
        f"RAM tersedia hanya {shown_found}; tutuplah program lain",
        f"only {shown_found} of RAM available; close other programs",
    )
    yield judged("ram_available", title, amount(needed, up=True), shown_found, already or found >= needed, reason)


def cpu_count(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Processors the system works with."""
    needed, found = int(wanted["at_least"]), facts.get("cpu_count")
    title = text("Jumlah prosesor", "Processors")
    if not found:
        yield row(
            "cpu_count",
            title,
            f"≥ {needed}",
            "?",
            "unknown",
            reason=not_told("jumlah prosesor", "the number of processors"),
        )
        return
    reason = text(f"hanya {found} prosesor, diperlukan {needed}", f"only {found} processors, {needed} needed")
    yield judged("cpu_count", title, f"≥ {needed}", str(found), int(found) >= needed, reason)


def ports_free(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Ports at which nothing else waits; once the software is in place, they are its own."""
    from agent.probes.port import described, sockets_at

    for entry in listed(wanted):
        spec = entry if isinstance(entry, dict) else {"port": int(entry)}
        port = f"{spec['port']}/{spec.get('protocol') or 'tcp'}"
        title = text(f"Port {port} bebas", f"Port {port} is free")
        found = sockets_at(spec, host)
        if found is None:
            yield row("ports_free", title, port, "?", "unknown", reason=not_told("daftar port", "the list of ports"))
            continue
        holder = described(found, host) if found else "free"
        reason = text(f"port {port} sudah dipakai: {holder}", f"port {port} is in use: {holder}")
        yield judged("ports_free", title, "free", holder, already or not found, reason)


def commands(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Programs that can be started."""
    for name in listed(wanted):
        found = where_is(name)
        title = text(f"Perintah {name} tersedia", f"Command {name} is there")
        reason = text(
            f"perintah {name} tidak ditemukan; pasanglah lebih dulu", f"there is no command {name}; install it first"
        )
        yield judged("commands", title, name, found or "-", found is not None, reason)


def where_is(name: str) -> str | None:
    """The program's file that would be started; None where there is none."""
    folders = [""] if "/" in name else SEARCHED
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None


def running(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Programs that must be running."""
    for name, count in counted(listed(wanted)).items():
        title = text(f"Proses {name} berjalan", f"Process {name} runs")
        if count is None:
            yield row(
                "processes", title, "≥ 1", "?", "unknown", reason=not_told("daftar proses", "the list of processes")
            )
            continue
        reason = text(f"{name} tidak berjalan; jalankanlah lebih dulu", f"{name} does not run; start it first")
        yield judged("processes", title, "≥ 1", str(count), count > 0, reason)


def not_running(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Programs that must not be running."""
    for name, count in counted(listed(wanted)).items():
        title = text(f"Proses {name} tidak berjalan", f"Process {name} does not run")
        if count is None:
            yield row(
                "no_processes", title, "0", "?", "unknown", reason=not_told("daftar proses", "the list of processes")
            )
            continue
        reason = text(f"{name} sedang berjalan; tutuplah lebih dulu", f"{name} is running; close it first")
        yield judged("no_processes", title, "0", str(count), count == 0, reason)


def counted(names: list[str]) -> dict[str, int | None]:
    """How often each of these runs; None where processes cannot be listed."""
    from agent.host.processes import CannotTell, own_family, processes

    try:
        family = own_family()
        known = [process.names for process in processes() if process.pid not in family]
    except CannotTell:
        return dict.fromkeys(names)
    return {name: sum(name in one for one in known) for name in names}


def no_pending_reboot(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Nothing waits for the computer to be started anew."""
    from agent.requirements.busy import pending_reboot

    title = text("Tidak ada penyalaan ulang yang tertunda", "No reboot is pending")
    if host.os != "linux":
        yield row(
            "no_pending_reboot",
            title,
            "-",
            "?",
            "unknown",
            reason=not_told("penyalaan ulang tertunda", "a pending reboot"),
        )
        return
    pending = pending_reboot(str(facts.get("kernel") or ""))
    reason = text(
        f"komputer menunggu dinyalakan ulang ({pending}); nyalakan ulang lebih dulu",
        f"the computer waits for a reboot ({pending}); reboot it first",
    )
    yield judged("no_pending_reboot", title, "-", pending or "-", pending is None, reason)


def package_manager_free(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """No other installation is under way."""
    from agent.requirements.busy import CannotTell, package_manager_holder

    title = text("Pengelola paket tidak sedang dipakai", "The package manager is not in use")
    try:
        holder = package_manager_holder()
    except CannotTell as error:
        reason = text(
            f"kunci pengelola paket tidak dapat diperiksa: {error}",
            f"the package manager's locks cannot be looked at: {error}",
        )
        yield row("package_manager_free", title, "free", "?", "unknown", reason=reason)
        return
    reason = text(
        f"pengelola paket sedang dipakai {holder}; tunggu sampai selesai",
        f"the package manager is in use by {holder}; wait for it",
    )
    yield judged("package_manager_free", title, "free", holder or "free", holder is None, reason)


def administrator(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """We may change the whole computer."""
    title = text("Hak administrator", "Administrator's rights")
    reason = text(
        "agen tidak berjalan sebagai administrator; isilah ansible_become: true di inventaris",
        "the agent does not run as administrator; set ansible_become: true in the inventory",
    )
    yield judged(
        "administrator", title, "root", "root" if host.is_administrator else "-", host.is_administrator, reason
    )


def dependencies(variant: dict[str, Any], host: Host) -> Iterator[Row]:
    """What the packages to be installed need is there or comes with them; apt sees to that itself."""
    specs = [spec for spec in variant.get("install") or [] if spec["kind"] == "deb"]
    payloads = [name for spec in specs for name in spec.get("payloads") or []]
    if not payloads or any(spec.get("packages") for spec in specs):
        return
    from agent.actions import ActionFailed
    from agent.actions.deb import missing_dependencies

    names = ", ".join(payloads)
    title = text(f"Kebutuhan paket {names}", f"What the packages {names} need")
    try:
        missing = missing_dependencies({"kind": "deb", "payloads": payloads}, host)
    except (ActionFailed, OSError) as error:
        reason = error.reason if isinstance(error, ActionFailed) else text(str(error), str(error))
        yield row("dependencies", title, "-", "?", "unknown", reason=reason)
        return
    needed = "; ".join(f"{one['package']}: {one['needs']}" for one in missing)
    found = "; ".join(one["found"] or "-" for one in missing)
    reason = text(
        f"kebutuhan paket belum ada di komputer ini: {needed}; tambahkan ke payloads",
        f"what the packages need is not on this computer: {needed}; add it to payloads",
    )
    yield judged("dependencies", title, needed or names, found or "ok", not missing, reason)


def listed(value: Any) -> list[Any]:
    """A value or a list as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def shown(value: Any) -> str:
    """A requirement we do not know, as it stands in the plan."""
    import json

    return json.dumps(value, ensure_ascii=False)[:80]


def not_told(id: str, en: str) -> Text:
    """Why an answer is missing."""
    return text(f"{id} tidak dapat diketahui di komputer ini", f"{en} cannot be told on this computer")


def unknown_kind(kind: str) -> Text:
    """Why a requirement of a newer controller is not answered."""
    return text(f"agen ini tidak mengenal persyaratan {kind}", f"this agent does not know the requirement {kind}")


QUESTIONS: dict[str, Callable[[Any, Host, dict[str, Any], bool], Iterator[Row]]] = {
    "disk_free": disk_free,
    "inodes": inodes,
    "ram_total": ram_total,
    "ram_available": ram_available,
    "cpu_count": cpu_count,
    "ports_free": ports_free,
    "commands": commands,
    "processes": running,
    "no_processes": not_running,
    "no_pending_reboot": no_pending_reboot,
    "package_manager_free": package_manager_free,
    "administrator": administrator,
}
