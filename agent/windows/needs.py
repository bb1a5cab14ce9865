"""Step 4 on Windows: what is asked there alone, and what is asked everywhere and looked for in other places."""

from __future__ import annotations

import fnmatch
import os

from agent import requirements
from agent.platforms import canonical
from agent.protocol import text
from agent.requirements import judged, listed, row, untold
from agent.versions import satisfies
from agent.words import FREE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from agent.host import Host
    from agent.requirements import Question, Row
    from agent.words import Text

ENVIRONMENT = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment"
ENDINGS = ".COM;.EXE;.BAT;.CMD"
"""What PATHEXT begins with everywhere. Source: learn.microsoft.com, Windows commands, "path"."""
NO_ADMINISTRATOR = text(
    "agen tidak berjalan sebagai administrator; pakailah akun anggota kelompok Administrators",
    "the agent does not run as administrator; use an account of the group Administrators",
)
ROLES = {
    "workstation": text("komputer kerja", "workstation"),
    "server": text("server", "server"),
    "domain_controller": text("pengendali domain", "domain controller"),
}
DOTNET = {"runtime": ".NET", "desktop": ".NET Desktop", "aspnet": "ASP.NET Core"}
ANY_DOMAIN = "any"
NONE = text("tidak ada", "none")
RUNS = {"x86": ("x86",), "x86_64": ("x86_64", "x86"), "aarch64": ("aarch64", "x86_64", "x86")}
"""By processor what it carries out. Source: learn.microsoft.com, "Running 32-bit Applications"."""
X64_ON_ARM_BUILD = 22000
"""From here on. Source: learn.microsoft.com/windows/arm, "How emulation works on Arm"."""
INSTALLERS = ("msi", "exe")


def disk_free(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Room on every volume concerned."""
    from agent.requirements.room import space
    from agent.windows.volumes import device_of, status_of

    yield from space(listed(wanted), host, already=already, device_of=device_of, status_of=status_of)


def inodes(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Files that can still be made: as many as there is room for. Source: NTFS keeps them in a file of its own."""
    for entry in listed(wanted):
        title = text(f"Inode kosong di {entry['path']}", f"Free inodes on {entry['path']}")
        yield row("inodes", title, f"≥ {entry['at_least']}", "∞", "met")


def ram_available(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Memory that programs could have now, exactly."""
    from agent.windows.facts import memory

    yield requirements.available(int(wanted["at_least_bytes"]), int(memory().available) or None, already)


def commands(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Programs that can be started."""
    from agent.windows import registry

    own = {name.upper(): str(value.data) for name, value in registry.values(ENVIRONMENT).items()}
    folders = [os.path.expandvars(folder) for folder in own.get("PATH", "").split(";")]
    folders += os.environ.get("PATH", "").split(";")
    endings = (own.get("PATHEXT") or os.environ.get("PATHEXT") or ENDINGS).split(";")
    for name in listed(wanted):
        yield requirements.of_command(name, where_is(name, folders, endings))


def where_is(name: str, folders: Sequence[str], endings: Sequence[str]) -> str | None:
    """The program's file that would be started; None where there is none.

    Args:
        name: with its ending or without.
        folders: where it is looked for, in order.
        endings: those that make a file a program, in order.
    """
    known = [ending for ending in endings if ending]
    has_one = name.lower().endswith(tuple(ending.lower() for ending in known))
    places = [""] if "\\" in name or "/" in name else [folder.strip('"') for folder in folders if folder]
    for folder in places:
        for ending in [""] if has_one else known:
            path = os.path.join(folder, name + ending.lower())
            if os.path.isfile(path):
                return path
    return None


def no_pending_reboot(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Nothing waits for the computer to be started anew."""
    from agent.windows.pending import reboot

    try:
        yield requirements.of_reboot(reboot())
    except OSError:
        title = text("Tidak ada penyalaan ulang yang tertunda", "No reboot is pending")
        yield untold("no_pending_reboot", title, "-", "penyalaan ulang tertunda", "a pending reboot")


def package_manager_free(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Windows Installer carries out no other installation, for it would refuse ours."""
    from agent.windows.pending import is_installer_at_work

    title = text("Windows Installer tidak sedang bekerja", "Windows Installer is not at work")
    try:
        busy = is_installer_at_work()
    except OSError as error:
        reason = text(
            f"tidak dapat diketahui apakah Windows Installer sedang bekerja: {error}",
            f"cannot be told whether Windows Installer is at work: {error}",
        )
        yield row("package_manager_free", title, FREE, "?", "unknown", reason=reason)
        return
    reason = text(
        "pemasangan lain sedang berjalan (msiexec); tunggu sampai selesai",
        "another installation is under way (msiexec); wait for it",
    )
    yield judged("package_manager_free", title, FREE, "msiexec" if busy else FREE, not busy, reason)


def administrator(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """We may change the whole computer."""
    title, holds = text("Hak administrator", "Administrator's rights"), host.is_administrator
    yield judged("administrator", title, "administrator", "administrator" if holds else "-", holds, NO_ADMINISTRATOR)


def edition(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Windows' edition, by its own word for it (``Professional``, ``ServerStandard``); ``*`` stands for any letters."""
    title, needed, found = text("Edisi Windows", "Edition of Windows"), " | ".join(listed(wanted)), facts.get("edition")
    if not found:
        yield untold("edition", title, needed, "edisi Windows", "the edition of Windows")
        return
    holds = any(fnmatch.fnmatchcase(str(found).lower(), str(one).lower()) for one in listed(wanted))
    reason = text(f"edisinya {found}; diperlukan {needed}", f"its edition is {found}; {needed} is needed")
    yield judged("edition", title, needed, str(found), holds, reason)


def build(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """Windows' build, with the number of its monthly update (``19045.4046``)."""
    found = ".".join(str(facts[word]) for word in ("build", "ubr") if facts.get(word))
    yield of_versions("build", text("Build Windows", "Build of Windows"), wanted, [found] if found else None)


def role(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """What the computer is for: a controller of a domain is a server too."""
    title, found = text("Jenis Windows", "Kind of Windows"), str(facts.get("role") or "")
    if not found:
        yield untold("role", title, ROLES[wanted], "jenis Windows", "the kind of Windows")
        return
    holds = wanted == found or (wanted == "server" and found == "domain_controller")
    asked, there = ROLES[wanted], ROLES.get(found) or text(found, found)
    reason = text(f"ini {there['id']}; diperlukan {asked['id']}", f"this is a {there['en']}; a {asked['en']} is needed")
    yield judged("role", title, asked, there, holds, reason)


def domain(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """The computer is a member of a domain: of one by name, or of ``any``."""
    title, found = text("Anggota domain", "Member of a domain"), str(facts.get("domain") or "")
    holds = bool(found) and (wanted == ANY_DOMAIN or is_domain(found, str(wanted)))
    reason = text(
        f"komputer ini {'anggota ' + found if found else 'bukan anggota domain'}; diperlukan {wanted}",
        f"this computer is {'a member of ' + found if found else 'in no domain'}; needed: {wanted}",
    )
    yield judged("domain", title, str(wanted), found or NONE, holds, reason)


def is_domain(found: str, wanted: str) -> bool:
    """Whether a domain is the one asked for, by its whole name or the first part of it."""
    found, wanted = found.lower().strip("."), wanted.lower().strip(".")
    return found == wanted or found.partition(".")[0] == wanted


def processors(variant: dict[str, Any], host: Host, facts: dict[str, Any]) -> Iterator[Row]:
    """The installers that are made for another processor; ``when`` need not name one."""
    arch = str(facts.get("arch") or "")
    runs = RUNS.get(arch, ())
    if arch == "aarch64" and int(facts.get("build") or 0) < X64_ON_ARM_BUILD:
        runs = ("aarch64", "x86")
    for spec in variant.get("install") or []:
        payload = host.payloads.get(spec.get("payload") or "") if spec["kind"] in INSTALLERS else None
        made_for = str((payload or {}).get("meta", {}).get("architecture") or "")
        if not runs or made_for not in RUNS or made_for in runs:
            continue
        file = payload["file"] if payload else ""
        title = text(f"{file} untuk prosesor ini", f"{file} is for this processor")
        reason = text(f"{file} dibuat untuk {made_for}, komputer ini {arch}; pakai berkas untuk {arch}",
                      f"{file} is made for {made_for}, this computer is {arch}; use a file for {arch}")  # fmt: skip
        yield row("processor", title, made_for, arch, "not_met", reason=reason)


def dotnet_framework(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """.NET Framework, of which Windows has one version of 4 and may have 3.5 beside it."""
    from agent.windows.runtimes import framework_versions

    yield of_versions("dotnet_framework", text(".NET Framework", ".NET Framework"), wanted, framework_versions())


def dotnet(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """.NET (5 and later, and .NET Core): any number of versions beside each other."""
    from agent.windows.runtimes import dotnet_versions

    for entry in listed(wanted):
        name, arch = entry.get("name") or "runtime", canonical("arch", entry.get("arch") or facts.get("arch"))
        title = text(f"{DOTNET[name]} ({arch})", f"{DOTNET[name]} ({arch})")
        yield of_versions("dotnet", title, entry["version"], dotnet_versions(name, arch))


def vc_runtime(wanted: Any, host: Host, facts: dict[str, Any], already: bool) -> Iterator[Row]:
    """The runtime of Visual C++ 2015 and later."""
    from agent.windows.runtimes import visual_c_version

    for entry in listed(wanted):
        arch = canonical("arch", entry.get("arch") or facts.get("arch"))
        title, found = text(f"Visual C++ ({arch})", f"Visual C++ ({arch})"), visual_c_version(arch)
        yield of_versions("vc_runtime", title, entry["version"], [found] if found else [])


def of_versions(kind: str, title: Text, wanted: str, found: Sequence[str] | None) -> Row:
    """What follows from the versions that are there; None where that cannot be told."""
    if found is None:
        return untold(kind, title, wanted, title["id"], title["en"])
    answers = [satisfies(version, wanted) for version in found]
    shown = ", ".join(found) or NONE
    if True not in answers and None in answers:
        return untold(kind, title, wanted, f"versi {title['id']}", f"the version of {title['en']}")
    there = ", ".join(found)
    reason = text(
        f"{title['id']}: {there or 'tidak ada'}; diperlukan {wanted}",
        f"{title['en']}: {there or 'none'}; needed: {wanted}",
    )
    return judged(kind, title, wanted, shown, True in answers, reason)


QUESTIONS: dict[str, Question] = {
    "disk_free": disk_free,
    "inodes": inodes,
    "ram_available": ram_available,
    "commands": commands,
    "no_pending_reboot": no_pending_reboot,
    "package_manager_free": package_manager_free,
    "administrator": administrator,
    "edition": edition,
    "build": build,
    "role": role,
    "domain": domain,
    "dotnet_framework": dotnet_framework,
    "dotnet": dotnet,
    "vc_runtime": vc_runtime,
}
