"""Whether software is there, by what a playbook says can be seen of it: the ``detect`` of ``exe``."""

from __future__ import annotations

import os

from agent.actions import Detection
from agent.protocol import text
from agent.windows import fileversion, programs
from agent.windows.probes import program, registry
from agent.words import both, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host


def look(detect: dict[str, Any], host: Host) -> Detection:
    """Look for the one thing that is named."""
    if detect.get("program"):
        return of_program(detect)
    if detect.get("file"):
        return of_file(detect)
    if detect.get("service"):
        known = host.services.read(detect["service"]).known
        return Detection("present" if known else "absent", detect["service"] if known else "-")
    return of_registry(detect["registry"], host)


def of_program(detect: dict[str, Any]) -> Detection:
    """By the uninstall entry."""
    found = programs.named(programs.programs(), detect["program"])
    wanted = detect.get("version")
    right = [each for each in found if wanted is None or program.is_version(each.version, wanted)]
    names = ", ".join(program.shown(each) for each in right or found)
    return Detection("present" if right else "different" if found else "absent", names or "-")


def of_file(detect: dict[str, Any]) -> Detection:
    """By a file, and the version that it bears."""
    path = os.path.expandvars(detect["file"])
    if not os.path.isfile(path):
        return Detection("absent", "-")
    wanted = detect.get("version")
    if wanted is None:
        return Detection("present", path)
    found = fileversion.of_file(path)
    shown = f"{path} {found or '?'}"
    if found is not None and program.is_version(found, wanted):
        return Detection("present", shown)
    return Detection("different", shown)


def of_registry(asked: dict[str, Any], host: Host) -> Detection:
    """By a value of the registry."""
    try:
        answer = registry.ask(asked, host, {})
    except OSError as error:
        what = error.strerror or str(error)
        return Detection("unknown", "?", text(f"registri: {what}", f"registry: {what}"))
    state = "present" if answer.verdict == "passed" else "absent" if answer.found == "-" else "different"
    return Detection(state, line(both(answer.found)))
