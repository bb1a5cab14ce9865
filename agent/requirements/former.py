"""Whether a port is held by the version before of the very software that is about to be installed.

An upgrade finds its own port in use: by the service that the playbook starts again later, by a program of a package
that it replaces, or by what an earlier run of the same software brought.
"""

from __future__ import annotations

import os

from agent.actions import ActionFailed
from agent.kept import load, record_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from agent.host import Host
    from agent.host.sockets import Socket

MANAGER = 1
"""Holds the ports of socket units, until what they are for is started and afterwards."""
SERVICE = ".service"
DELETED = " (deleted)"
"""Behind a program's path where the file is gone: a package was changed under it. Source: proc(5), ``exe``."""


def holds(found: list[Socket], plan: dict[str, Any], variant: dict[str, Any], host: Host) -> bool:
    """Whether every process that holds one of these sockets is the software's; False where that cannot be told."""
    from agent.host import processes

    specs = [spec for name in ("install", "run", "configure") for spec in _section(variant, name)]
    services = {spec["name"] for spec in specs if spec["kind"] == "service"}
    kept = load(record_path(host.root, str((plan.get("software") or {}).get("name", "")))) or {"runs": []}
    added = {(row["kind"], row["name"]) for run in kept["runs"] for row in run["changes"] if row["change"] == "added"}
    try:
        for socket in found:
            held_by = processes.holders({socket.inode})
            if not held_by:
                return False
            for pid in held_by:
                if host.os == "windows":
                    ours = _is_of_service(pid, services | _named(added, "service"), host)
                elif pid == MANAGER and len(held_by) == 1:
                    ours = _waits_for(socket.port, services, added, specs, host)
                elif pid == MANAGER:  # it keeps what it has handed to a service
                    continue
                else:
                    ours = _is_ours(pid, services, added, specs, host)
                if not ours:
                    return False
    except (processes.Unreadable, OSError, ActionFailed):
        return False
    return bool(found)


def _section(variant: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = variant.get(name) or []
    return (found.get("actions") or []) if isinstance(found, dict) else found


def _named(added: Collection[tuple[str, str]], kind: str) -> set[str]:
    return {name for each, name in added if each == kind}


def _is_of_service(pid: int, names: Collection[str], host: Host) -> bool:
    """Whether a process is the main one of a service."""
    return any(host.services.read(name).main_pid == pid for name in names)


def _is_ours(
    pid: int,
    services: Collection[str],
    added: Collection[tuple[str, str]],
    specs: list[dict[str, Any]],
    host: Host,
) -> bool:
    """Whether a process belongs to the software, by its unit, its unit's file, or its program's file."""
    from agent.host import systemd

    unit = _unit_of(pid)
    if unit:
        for name in services:
            if unit == (name if name.endswith(SERVICE) else name + SERVICE):
                return True
            main = host.services.read(name).main_pid  # it may be known by another name: an alias
            if main and _unit_of(main) == unit:
                return True
        if ("service", unit) in added or _is_of_package(systemd.file_of(unit), specs, host):
            return True  # its program may be an interpreter, which is of another package
    elif services and _is_of_service(pid, services, host):  # without a service manager, one of our own keeping
        return True
    program = os.readlink(f"/proc/{pid}/exe")
    program = program[: -len(DELETED)] if program.endswith(DELETED) else program
    return ("file", program) in added or _is_of_package(program, specs, host)


def _waits_for(
    port: int, services: Collection[str], added: Collection[tuple[str, str]], specs: list[dict[str, Any]], host: Host
) -> bool:
    """Whether the service manager holds a port for the software: by its socket unit, what that starts, or its file."""
    from agent.host import bus, systemd

    try:
        units = systemd.waiting_at(port) if systemd.is_within_reach() else []
    except bus.BusError:
        return False
    return bool(units) and all(
        any(name in services or name.partition(SERVICE)[0] in services for name in (unit, *starts))
        or ("file", file) in added
        or _is_of_package(file, specs, host)
        for unit, file, starts in units
    )


def _unit_of(pid: int) -> str:
    """The service that systemd runs a process for; empty where it is none."""
    from agent.host.trees import named_group

    parts = [part for part in named_group(pid).split("/") if part.endswith(SERVICE)]
    return parts[-1] if parts else ""


def _is_of_package(program: str, specs: list[dict[str, Any]], host: Host) -> bool:
    """Whether a program's file belongs to an installed package that is about to be changed, by dpkg's list of it."""
    debs = [spec for spec in specs if spec["kind"] == "deb"]
    if not debs:
        return False
    from agent.actions.deb import wanted
    from agent.debian import database
    from agent.debian.repack import diverted

    names = {program, program[len("/usr") :] if program.startswith("/usr/") else program}  # a merged /usr
    for spec in debs:
        for name, _, architecture in wanted(spec, host):
            row = database.row(host.packages(), name, architecture)
            if row is None:
                continue
            moved = diverted(name)
            if any(moved.get(path, path) in names for path in database.listed(name, row.architecture)):
                return True
    return False
