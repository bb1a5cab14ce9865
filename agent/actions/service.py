"""``service``: running or stopped, started with the computer or not; on request a service of our own (``define``).

``reloaded`` and ``restarted`` are effects of their own, wanted where something before them changed. Whether something
did is known to the procedure, not to the computer: ``detect`` calls them present when the service runs, and ``apply``
always reloads or restarts. Their undo is ``late``: it lets the service read its files again when those are as before.

``stable_for_s`` is part of what is asked: the same main process, never restarted, for so long. It is counted from when
the service became active, so one that has been up for longer is not waited for.
"""

from __future__ import annotations

import time

from agent import files
from agent.actions import ActionFailed, Detection
from agent.managers import LOOK_AGAIN_S, UP, manager_of, starts_as, stayed_up, watched
from agent.probes.service import found_of
from agent.protocol import text
from agent.words import both, comma, line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host.linux import LinuxHost as Host
    from agent.managers import Service
    from agent.words import Words

AGAIN = ("reloaded", "restarted")
SETTLE_S = 2.0
"""How long a service that is on its way (activating, deactivating) is waited for before it is judged."""


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What it does, for the form."""
    name = spec["name"]
    return {
        "running": text(f"Menjalankan layanan {name}", f"Start the service {name}"),
        "stopped": text(f"Menghentikan layanan {name}", f"Stop the service {name}"),
        "reloaded": text(f"Memuat ulang layanan {name}", f"Reload the service {name}"),
        "restarted": text(f"Menjalankan ulang layanan {name}", f"Restart the service {name}"),
    }.get(spec.get("state") or "", text(f"Mengatur layanan {name}", f"Set up the service {name}"))


def detect(spec: dict[str, Any], host: Host) -> Detection:
    """Compare definition, state, start with the computer, and for how long it has been up."""
    name, state = spec["name"], spec.get("state")
    service = settled(name, host)
    if service.masked and state != "stopped":
        reason = text(f"Layanan {name} ditutup (masked).", f"Service {name} is masked.")
        return Detection("different", text("ditutup (masked)", "masked"), reason)
    if not service.known:
        return Detection("present" if state == "stopped" and not spec.get("enabled") else "absent", "-")
    found = found_of(service)
    if spec.get("define") and host.services.definition(name) != host.services.render(name, spec["define"]):
        return Detection("different", text("definisi lain", "other definition"))
    if spec.get("enabled") is not None and not starts_as(service, spec["enabled"]):
        if service.enabled is not None:
            return Detection("different", found)
        if spec["enabled"]:
            reason = text(
                f"Layanan {name} tidak dapat diatur untuk dijalankan saat komputer menyala.",
                f"Service {name} cannot be set to start with the computer.",
            )
            return Detection("different", found, reason)
    if state == "stopped":
        return Detection("different" if service.active in (*UP, "activating") else "present", found)
    if state is None:
        return Detection("present", found)
    if service.active not in UP:
        return Detection("different", found, not_running(name, service, host))
    if spec.get("define") and is_stale(name, service, host):
        return Detection("different", text("berjalan dengan definisi lama", "runs by an older definition"))
    return stable(spec, service, host)


def is_stale(name: str, service: Service, host: Host) -> bool:
    """Whether it has been running since before its definition was written.

    The kernel tells a start to the hundredth of a second only: less than that is the same moment.
    """
    return host.services.defined_ago_s(name) + 0.05 < service.active_for_s


def settled(name: str, host: Host) -> Service:
    """The service as it is, after a moment where it is on its way."""
    deadline = time.monotonic() + SETTLE_S
    service = host.services.read(name)
    while service.active in ("activating", "deactivating") and not service.restarts and time.monotonic() < deadline:
        time.sleep(LOOK_AGAIN_S)
        service = host.services.read(name)
    return service


def stable(spec: dict[str, Any], service: Service, host: Host) -> Detection:
    """A service that is up: wait until it has been for long enough, watching its main process."""
    name, wanted_s = spec["name"], float(spec.get("stable_for_s") or 0)
    if service.active_for_s >= wanted_s:
        return Detection("present", found_of(service))
    now = watched(name, service, wanted_s, host.services)
    if stayed_up(service, now) and now.active_for_s >= wanted_s:
        return Detection("present", found_of(now))
    last = last_words(name, host)
    found = both(found_of(now) if now.active in UP else line(found_of(now), ending(name, host)))
    reason = text(
        f"Layanan {name} tidak bertahan {comma(f'{wanted_s:g}')} detik: {found['id']}{last}",
        f"Service {name} did not stay up for {wanted_s:g} s: {found['en']}{last}",
    )
    return Detection("different", line(found), reason)


def capture(spec: dict[str, Any], host: Host, keep: str) -> dict[str, Any]:
    """Whether it ran and was enabled, and the unit that ours will replace."""
    name = spec["name"]
    service = host.services.read(name)
    entry: dict[str, Any] = {
        "name": name,
        "state": spec.get("state"),
        "known": service.known,
        "active": service.active in (*UP, "activating"),
        "enabled": service.enabled,
        "start": service.start,
        "defines": bool(spec.get("define")),
    }
    if spec.get("define"):
        entry["former"] = host.services.definition(name)
        entry["parents"] = files.missing_parents(host.services.path(name))
    if spec.get("state") in AGAIN and service.known and entry["active"]:
        entry["late"] = True
    return entry


def apply(spec: dict[str, Any], host: Host) -> dict[str, Any]:
    """Define, enable and start (or their opposites), as far as it is not so."""
    name, state, services = spec["name"], spec.get("state"), host.services
    evidence: dict[str, Any] = {"manager": services.name}
    before = services.read(name)
    if before.masked and state != "stopped":
        reason = text(
            f"Layanan {name} ditutup (masked) di komputer ini; buka dahulu dengan: systemctl unmask {name}",
            f"Service {name} is masked on this computer; first run: systemctl unmask {name}",
        )
        raise ActionFailed(reason, evidence)
    if spec.get("define"):
        content = services.render(name, spec["define"])
        if services.definition(name) != content:
            evidence["define"] = services.define(name, content)
    elif not before.known and state != "stopped":
        reason = text(f"Tidak ada layanan {name} di komputer ini.", f"There is no service {name} on this computer.")
        raise ActionFailed(reason, evidence)
    if spec.get("enabled") is not None and not starts_as(services.read(name), spec["enabled"]):
        evidence["enable"] = services.set_enabled(name, spec["enabled"])
    if state == "running":
        running = before.active in UP
        if running and spec.get("define") and is_stale(name, before, host):
            evidence["order"] = services.restart(name)
        elif not running:
            evidence["order"] = services.start(name)
    elif state == "stopped" and before.active not in ("inactive", "failed"):
        evidence["order"] = services.stop(name)
    elif state == "restarted" or (state == "reloaded" and before.active not in UP):
        evidence["order"] = services.restart(name)
    elif state == "reloaded":
        evidence["order"] = services.reload(name)
    return evidence


def verify(spec: dict[str, Any], host: Host) -> Detection:
    """Read it back, and see it stay up for as long as is asked."""
    found = detect(spec, host)
    if found.present or found.reason or spec.get("state") not in ("running", *AGAIN):
        return found
    service = host.services.read(spec["name"])
    if not service.known or service.active in UP:
        return found
    return Detection(found.state, found.found, not_running(spec["name"], service, host, started=True))


def undo(entry: dict[str, Any], host: Host) -> dict[str, Any]:
    """Definition, start with the computer and state as before; a service that was reloaded reads its files again."""
    name, services = entry["name"], host.services
    evidence: dict[str, Any] = {"manager": services.name}
    now = services.read(name)
    if entry["defines"] and entry.get("late") and services.definition(name) is None:
        return evidence  # gone with the earlier run that brought it, which was undone before this
    if entry["defines"] and services.definition(name) != entry["former"]:
        if entry["former"] is None:
            if now.known and now.active != "inactive":
                evidence["stop"] = services.stop(name)
            if now.enabled:
                evidence["enable"] = services.set_enabled(name, False)
        evidence["define"] = services.undefine(name, entry["former"])
        if entry["former"] is not None and entry["active"]:
            evidence["order"] = services.restart(name)
        now = services.read(name)
    files.remove_empty(entry.get("parents", []))
    if not now.known:
        return evidence  # nothing is left that could run or be enabled
    was_enabled = entry.get("start") or (bool(entry["enabled"]) if entry["known"] else False)
    if now.enabled is not None and not starts_as(now, was_enabled):
        evidence["enable"] = services.set_enabled(name, was_enabled)
    if entry["active"] and now.active not in UP:
        evidence["order"] = services.start(name)
    elif not entry["active"] and now.active not in ("inactive", "failed"):
        evidence["order"] = services.stop(name)
    elif entry["active"] and entry.get("late"):
        evidence["order"] = services.reload(name) if entry["state"] == "reloaded" else services.restart(name)
    return evidence


def absent(spec: dict[str, Any], host: Host) -> dict[str, Any] | None:
    """To stop it and not let it start with the computer; None where it was only told something."""
    state = spec.get("state")
    if state in (*AGAIN, "stopped"):
        return None
    was = {"known": False, "active": False, "enabled": False, "former": None}
    return {"name": spec["name"], "state": state, "defines": bool(spec.get("define")), **was}


def last_words(name: str, host: Host) -> str:
    """What it said last, in brackets; empty where it said nothing."""
    last = host.services.log(name).last
    return f" ({last})" if last else ""


def not_running(name: str, service: Service, host: Host, *, started: bool = False) -> dict[str, str] | None:
    """Why it does not run, where it tried (``started``: by us, just now); None where nobody started it."""
    if service.active == "inactive" and not started:
        return None
    last, how = last_words(name, host), ending(name, host)
    if service.active == "inactive":  # systemd has forgotten how, if all was well
        how = how or text("tanpa kesalahan", "without an error")
    found = both(line(found_of(service), how))
    if service.active == "inactive":
        return text(
            f"Layanan {name} berakhir begitu dijalankan: {found['id']}{last}",
            f"Service {name} ended as soon as it was started: {found['en']}{last}",
        )
    return text(
        f"Layanan {name} tidak berjalan: {found['id']}{last}", f"Service {name} does not run: {found['en']}{last}"
    )


def ending(name: str, host: Host) -> Words:
    """How its main process ended; empty where its manager does not tell, or says so itself."""
    manager = manager_of(name, host)
    ended = manager.ended(name) if hasattr(manager, "ended") else None
    if ended is None:
        return ""
    code, is_signal = ended
    return text(f"sinyal {code}", f"signal {code}") if is_signal else text(f"kode keluar {code}", f"exit code {code}")
