"""Step 4: what the software needs, held against what the computer has.

Every answer is *met*, *not met* or *could not tell*, with what was needed and what was found. What could not be told is
never taken for met: it is shown as such on the form, and stops the installation only where the playbook is ``strict``.
"""

from __future__ import annotations

import os

from agent.light import json
from agent.platforms import describe, describe_facts, matches
from agent.protocol import text
from agent.words import FREE, VERSION_BEFORE, both, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator

    from agent.host import Host
    from agent.host.sockets import Socket
    from agent.words import Text, Words

    Row = Dict[str, Any]
    Question = Callable[[Any, Host, Dict[str, Any], bool], Iterator[Row]]

SEARCHED = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Where commands are looked for: the PATH that ``agent.program`` gives them."""
OF_ROOT = ("deb", "msi", "exe", "registry")
"""Actions that only an administrator can carry out."""
STRICT = "strict"
"""No question, but what the answers mean: see ``stands_in_the_way``."""
NO_ADMINISTRATOR = text(
    "agen tidak berjalan sebagai administrator; isilah ansible_become: true di inventaris",
    "the agent does not run as administrator; set ansible_become: true in the inventory",
)
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
    questions = questions_of(host)
    for kind, wanted in (variant.get("requirements") or {}).items():
        if kind == STRICT or wanted is None or wanted is False or wanted == []:
            continue
        question = questions.get(kind)
        if question is None:
            yield row(
                kind, text(kind, kind), shown(host.secrets.masked(wanted)), "?", "unknown", reason=unknown_kind(kind)
            )
        elif kind == "ports_free" and not already:
            yield from ports(wanted, host, lambda found: is_former(found, plan, variant, host))
        else:
            yield from question(wanted, host, facts, already)
    asked = (variant.get("requirements") or {}).get("administrator")
    done = already and (host.is_administrator or is_in_place(variant, host))
    if not asked and not done and is_roots(variant, host):
        yield from questions["administrator"](True, host, facts, already)
    if not already:
        if host.os == "windows":
            from agent.windows.needs import processors

            yield from processors(variant, host, facts)
        if may_reboot(variant):
            yield reboot(host)
        yield from dependencies(variant, host)


def questions_of(host: Host) -> dict[str, Question]:
    """Every question that can be asked of this platform."""
    if host.os != "windows":
        return QUESTIONS
    from agent.windows.needs import QUESTIONS as own

    return {**QUESTIONS, **own}


def stands_in_the_way(row: Row, variant: dict[str, Any]) -> bool:
    """Whether an answer keeps the software from being installed; where the variant is strict, no answer does too."""
    strict = bool((variant.get("requirements") or {}).get(STRICT))
    return row["verdict"] == "not_met" or (strict and row["verdict"] == "unknown")


def no_administrator(host: Host) -> Text:
    """That we may not change the whole computer, and what to do about it."""
    if host.os != "windows":
        return NO_ADMINISTRATOR
    from agent.windows.needs import NO_ADMINISTRATOR as own

    return own


def is_roots(variant: dict[str, Any], host: Host) -> bool:
    """Whether an action can only be root's, though the playbook does not say so: told now, not in the middle."""
    if any(spec["kind"] in OF_ROOT for spec in variant.get("install") or []):
        return True
    if host.is_administrator:
        return False
    from agent.managers import manager_of

    names = [spec["name"] for spec in changes(variant) if spec["kind"] == "service" and not spec.get("define")]
    return any(manager_of(name, host).name in ("systemd", "scm") for name in names)


def is_in_place(variant: dict[str, Any], host: Host) -> bool:
    """Whether also what comes after the installation is as asked, so that there is only to be looked."""
    from agent.actions import action

    return all(action(spec["kind"]).detect(spec, host).present for spec in changes(variant))


def changes(variant: dict[str, Any]) -> list[dict[str, Any]]:
    """The actions of steps 6 and 10: a user's rights are known only by whose these are."""
    from agent.actions import KINDS

    configure = variant.get("configure") or {}
    after = [] if configure.get("decision") == "never" else configure.get("actions") or []
    return [spec for spec in [*(variant.get("run") or []), *after] if spec["kind"] in KINDS]


def may_reboot(variant: dict[str, Any]) -> bool:
    """Whether something of the variant may want the computer rebooted."""
    sections = [variant.get("install"), variant.get("run"), (variant.get("configure") or {}).get("actions"), [variant]]
    return any(spec.get("reboot") in ("if_needed", "always") for section in sections for spec in section or [])


def reboot(host: Host) -> Row:
    """The agent can reboot the computer and go on; where it cannot, a person will have to, which is no obstacle."""
    from agent.host import boot

    title = text("Komputer dapat dinyalakan ulang oleh agen", "The agent can reboot the computer")
    holds = boot.is_possible(host)
    reason = text(
        "bila perlu dinyalakan ulang, seseorang harus melakukannya", "if it needs a reboot, somebody will have to do it"
    )
    needed = "administrator" if host.os == "windows" else "systemd, root"
    found = needed if holds else "-"
    return row("reboot", title, needed, found, "met" if holds else "unknown", reason=None if holds else reason)


def row(kind: str, title: Text, needed: Words, found: Words, verdict: str, *, reason: Text | None = None) -> Row:
    """One requirement's record. ``verdict``: ``met``, ``not_met`` or ``unknown``."""
    return {"kind": kind, "title": title, "needed": needed, "found": found, "verdict": verdict, "reason": reason}


def judged(kind: str, title: Text, needed: Words, found: Words, holds: bool, reason: Text) -> Row:
    """One requirement's record where the answer is known; the reason only where it is not met."""
    return row(kind, title, needed, found, "met" if holds else "not_met", reason=None if holds else reason)


def untold(kind: str, title: Text, needed: Words, id: str, en: str) -> Row:
    """One requirement's record where the answer is missing; ``id`` and ``en`` name what cannot be told."""
    reason = text(f"{id} tidak dapat diketahui di komputer ini", f"{en} cannot be told on this computer")
    return row(kind, title, needed, "?", "unknown", reason=reason)


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
        yield untold("ram_total", title, amount(needed, up=True), "RAM", "RAM")
        return
    asked, there = both(amount(needed, up=True)), both(amount(int(found), like=needed))
    reason = text(
        f"RAM hanya {there['id']}, diperlukan {asked['id']}", f"only {there['en']} of RAM, {asked['en']} needed"
    )
    yield judged("ram_total", title, line(asked), line(there), found >= needed * (1 - RESERVED_SHARE), reason)


def ram_available(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Memory that programs could have now, exactly."""
    from agent.requirements.room import ram_available_bytes

    yield available(int(wanted["at_least_bytes"]), ram_available_bytes(), already)


def available(needed: int, found: int | None, already: bool) -> Row:
    """What follows from how much memory is available."""
    from agent.requirements.room import amount

    title = text("RAM yang masih tersedia", "RAM still available")
    if found is None:
        return untold("ram_available", title, amount(needed, up=True), "RAM yang tersedia", "available RAM")
    there = both(amount(found, like=needed))
    reason = text(
        f"RAM tersedia hanya {there['id']}; tutuplah program lain",
        f"only {there['en']} of RAM available; close other programs",
    )
    return judged("ram_available", title, amount(needed, up=True), line(there), already or found >= needed, reason)


def cpu_count(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Processors the system works with."""
    needed, found = int(wanted["at_least"]), facts.get("cpu_count")
    title = text("Jumlah prosesor", "Processors")
    if not found:
        yield untold("cpu_count", title, f"≥ {needed}", "jumlah prosesor", "the number of processors")
        return
    reason = text(f"hanya {found} prosesor, diperlukan {needed}", f"only {found} processors, {needed} needed")
    yield judged("cpu_count", title, f"≥ {needed}", str(found), int(found) >= needed, reason)


def ports_free(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Ports at which nothing else waits; once the software is in place, they are its own."""
    yield from ports(wanted, host, already=already)


def ports(
    wanted: Any, host: Host, is_former: Callable[[list[Socket]], bool] | None = None, *, already: bool = False
) -> Iterator[Row]:
    """As ``ports_free``; ``is_former`` says of sockets whether they are of the version before, which makes way."""
    from agent.probes.port import described, sockets_at

    for entry in listed(wanted):
        spec = entry if isinstance(entry, dict) else {"port": int(entry)}
        port = f"{spec['port']}/{spec.get('protocol') or 'tcp'}"
        title = text(f"Port {port} bebas", f"Port {port} is free")
        found = sockets_at(spec, host)
        if found is None:
            yield untold("ports_free", title, FREE, "daftar port", "the list of ports")
            continue
        holder = described(found, host) if found else ""
        reason = text(f"port {port} sudah dipakai: {holder}", f"port {port} is in use: {holder}")
        is_own = bool(found and is_former and is_former(found))
        shown = line(holder, VERSION_BEFORE) if is_own else holder or FREE
        yield judged("ports_free", title, FREE, shown, already or is_own or not found, reason)


def is_former(found: list[Socket], plan: dict[str, Any], variant: dict[str, Any], host: Host) -> bool:
    """Whether sockets are of the version before of what is to be installed."""
    from agent.requirements.former import holds

    return holds(found, plan, variant, host)


def commands(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Programs that can be started."""
    for name in listed(wanted):
        yield of_command(name, where_is(name))


def of_command(name: str, found: str | None) -> Row:
    """What follows from where a program's file is."""
    title = text(f"Perintah {name} tersedia", f"Command {name} is there")
    reason = text(
        f"perintah {name} tidak ditemukan; pasanglah lebih dulu", f"there is no command {name}; install it first"
    )
    return judged("commands", title, name, found or "-", found is not None, reason)


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
        reason = text(f"{name} tidak berjalan; jalankanlah lebih dulu", f"{name} does not run; start it first")
        yield of_processes("processes", title, "≥ 1", count, count != 0, reason)


def not_running(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Programs that must not be running."""
    for name, count in counted(listed(wanted)).items():
        title = text(f"Proses {name} tidak berjalan", f"Process {name} does not run")
        reason = text(f"{name} sedang berjalan; tutuplah lebih dulu", f"{name} is running; close it first")
        yield of_processes("no_processes", title, "0", count, count == 0, reason)


def of_processes(kind: str, title: Text, needed: str, count: int | None, holds: bool, reason: Text) -> Row:
    """What follows from how many of a program run."""
    if count is None:
        return untold(kind, title, needed, "daftar proses", "the list of processes")
    return judged(kind, title, needed, str(count), holds, reason)


def counted(names: list[str]) -> dict[str, int | None]:
    """How often each of these runs; None where processes cannot be listed."""
    from agent.host import processes as running

    try:
        family = running.own_family()
        known = [process.names for process in running.processes() if process.pid not in family]
    except running.Unreadable:
        return dict.fromkeys(names)
    return {name: sum(name in one for one in known) for name in names}


def no_pending_reboot(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Nothing waits for the computer to be started anew."""
    from agent.requirements.busy import pending_reboot

    title = text("Tidak ada penyalaan ulang yang tertunda", "No reboot is pending")
    if host.os != "linux":
        yield untold("no_pending_reboot", title, "-", "penyalaan ulang tertunda", "a pending reboot")
        return
    yield of_reboot(pending_reboot(str(facts.get("kernel") or "")))


def of_reboot(pending: str | None) -> Row:
    """What follows from what waits for a reboot."""
    title = text("Tidak ada penyalaan ulang yang tertunda", "No reboot is pending")
    reason = text(
        f"komputer menunggu dinyalakan ulang ({pending}); nyalakan ulang lebih dulu",
        f"the computer waits for a reboot ({pending}); reboot it first",
    )
    return judged("no_pending_reboot", title, "-", pending or "-", pending is None, reason)


def package_manager_free(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """No other installation is under way."""
    from agent.host.locks import CannotTell
    from agent.requirements.busy import package_manager_holder

    title = text("Pengelola paket tidak sedang dipakai", "The package manager is not in use")
    try:
        holder = package_manager_holder(host.secrets)
    except CannotTell as error:
        reason = text(
            f"kunci pengelola paket tidak dapat diperiksa: {error}",
            f"the package manager's locks cannot be looked at: {error}",
        )
        yield row("package_manager_free", title, FREE, "?", "unknown", reason=reason)
        return
    reason = text(
        f"pengelola paket sedang dipakai {holder}; tunggu sampai selesai",
        f"the package manager is in use by {holder}; wait for it",
    )
    yield judged("package_manager_free", title, FREE, holder or FREE, holder is None, reason)


def administrator(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """We may change the whole computer."""
    title, holds = text("Hak administrator", "Administrator's rights"), host.is_administrator
    yield judged("administrator", title, "root", "root" if holds else "-", holds, NO_ADMINISTRATOR)


def dependencies(variant: dict[str, Any], host: Host) -> Iterator[Row]:
    """What the packages to be installed need is there or comes with them; apt sees to that itself."""
    specs = [spec for spec in variant.get("install") or [] if spec["kind"] == "deb"]
    payloads = [name for spec in specs for name in spec.get("payloads") or []]
    if not payloads or any(spec.get("packages") for spec in specs):
        return
    from agent.actions import ActionFailed
    from agent.actions.deb import lacking, missing_dependencies

    names = ", ".join(payloads)
    title = text(f"Kebutuhan paket {names}", f"What the packages {names} need")
    try:
        missing = missing_dependencies({"kind": "deb", "payloads": payloads}, host)
    except (ActionFailed, OSError) as error:
        reason = error.reason if isinstance(error, ActionFailed) else text(str(error), str(error))
        yield row("dependencies", title, "-", "?", "unknown", reason=reason)
        return
    needed = "; ".join(f"{one['package']}: {one.get('needs') or one['made_for']}" for one in missing)
    found = "; ".join(one["found"] or "-" for one in missing)
    reason = lacking(missing)
    yield judged("dependencies", title, needed or names, found or text("lengkap", "all there"), not missing, reason)


def listed(value: Any) -> list[Any]:
    """A value or a list as a list."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def shown(value: Any) -> str:
    """A requirement we do not know, as it stands in the plan, where that has no secrets."""
    return json.dumps(value, ensure_ascii=False)[:80]


def unknown_kind(kind: str) -> Text:
    """Why a requirement of a newer controller is not answered."""
    return text(f"agen ini tidak mengenal persyaratan {kind}", f"this agent does not know the requirement {kind}")


QUESTIONS: dict[str, Question] = {
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
