"""Set-up programs taken back: which uninstall entries they made, and how each is made to remove itself unasked."""

from __future__ import annotations

import os
import time

from agent import uninstallers
from agent.actions import ActionFailed
from agent.protocol import text
from agent.windows import installers, programs, seen
from agent.windows.quoting import Raw

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

    from agent.host import Host
    from agent.windows.programs import Program

GONE_S = 60.0
"""An uninstaller may go on in a copy of itself; its entry is waited for so long."""
LOOK_S = 0.2


def listed(host: Host, *, but: str | None = None) -> list[list[str]]:
    """The uninstall entries as plain JSON: key, view, version, name; without those that ``but`` names."""
    found = programs.programs()
    left_out = programs.named(found, but) if but else []
    return [[each.key, each.view, each.version, each.name] for each in found if each not in left_out]


def fresh(before: Sequence[Sequence[str]], host: Host) -> list[list[str]]:
    """The entries that are new since, or have another version."""
    former = [list(row[:3]) for row in before]
    return [row for row in listed(host) if row[:3] not in former]


def remove(entry: dict[str, Any], entries: list[list[str]] | None, host: Host, evidence: dict[str, Any]) -> None:
    """Remove what a set-up made, and see that it is gone.

    Of several new entries those are removed that bear the program's name, the only one whatever its name; where the
    playbook names none, those that came with the set-up, or, where it did not get that far, all that came since.

    Raises:
        ActionFailed: something is still there.
    """
    new = {(row[0], row[1]) for row in fresh(entry["programs"], host)}
    found = [each for each in programs.programs() if (each.key, each.view) in new]
    name = entry["detect"].get("program")
    mine = programs.named(found, name) if name else found
    if not mine and len(found) == 1:
        mine = found  # the playbook's name for it is not what the set-up calls it
    if not name and entries is not None:
        made = {(row[0], row[1]) for row in entries}
        mine = [each for each in found if (each.key, each.view) in made]
    evidence["others"] = [each.name or each.key for each in found if each not in mine]
    if entry.get("uninstall"):
        if mine or seen.look(entry["detect"], host).state != "absent":
            argv = [os.path.expandvars(str(word)) for word in entry["uninstall"]]
            call(argv, entry, host, evidence)
            wait(mine)
    else:
        for each in mine:
            one(each, entry, host, evidence)
    still = [each for each in programs.programs() if (each.key, each.view) in {(m.key, m.view) for m in mine}]
    left = seen.look(entry["detect"], host)
    if not still and not left.present:
        return
    names = ", ".join(each.name for each in still) or str(left.found)
    reason = text(f"{names} masih terpasang.", f"{names} is still installed.")
    if not mine and not entry.get("uninstall"):
        reason = text(
            f"{names} masih terpasang, dan pemasangnya tidak meninggalkan cara melepas; tulis uninstall di playbook.",
            f"{names} is still installed, and its set-up left no way to remove it; write uninstall in the playbook.",
        )
    raise ActionFailed(reason, evidence)


def one(program: Program, entry: dict[str, Any], host: Host, evidence: dict[str, Any]) -> None:
    """Remove one program by its own entry.

    Raises:
        ActionFailed: nobody knows how without a question, or it did not go.
    """
    line = silent(program, entry["maker"])
    if line is None:
        reason = text(
            f"{program.name}: cara melepasnya tanpa bertanya tidak diketahui ({program.uninstall or '-'});"
            " tulis uninstall di playbook.",
            f"{program.name}: how it is removed without a question is not known ({program.uninstall or '-'});"
            " write uninstall in the playbook.",
        )
        raise ActionFailed(reason, evidence)
    said = call([line.program, *([Raw(line.rest)] if line.rest else [])], entry, host, evidence)
    if not wait([program]):
        why = text(f"{program.name} tidak terlepas: {said['id']}", f"{program.name} was not removed: {said['en']}")
        raise ActionFailed(why, evidence)
    if entry["maker"] == "nsis":
        sweep(line.program)


def silent(program: Program, maker: str) -> uninstallers.Line | None:
    """The command line that removes a program without a question."""
    if program.quiet:
        line = uninstallers.split(program.quiet, os.environ, os.path.isfile)
        return line if line.program else None
    if not program.uninstall:
        return None
    return uninstallers.silent(uninstallers.split(program.uninstall, os.environ, os.path.isfile), maker=maker)


def call(argv: list[str], entry: dict[str, Any], host: Host, evidence: dict[str, Any]) -> dict[str, str]:
    """Run an uninstaller; why the program would still be there."""
    maker = "msiexec" if os.path.basename(argv[0]).lower() in ("msiexec.exe", "msiexec") else entry["maker"]
    said, done = installers.call(host, argv, maker=maker, timeout_s=entry["timeout_s"], removing=True)
    evidence["calls"].append(done)
    evidence.update({"reboot": done["reboot"]} if "reboot" in done else {})
    return installers.reason_of(said, done)


def wait(gone: list[Program]) -> bool:
    """Whether these entries are gone, after a while where they are not yet."""
    deadline = time.monotonic() + GONE_S
    keys = {(each.key, each.view) for each in gone}
    while any((each.key, each.view) in keys for each in programs.programs()):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_S)
    return True


def sweep(uninstaller: str) -> None:
    """What an uninstaller of NSIS cannot remove when it is told its place: itself, and the folder that it lies in."""
    for remove_, path in ((os.unlink, uninstaller), (os.rmdir, os.path.dirname(uninstaller))):
        try:
            remove_(path)
        except OSError:
            return
