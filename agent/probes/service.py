"""Is a service as it should be: its state, whether it starts with the computer, and whether it stays up."""

from __future__ import annotations

import time

from agent.actions import ActionFailed
from agent.managers import UP, starts_as, stayed_up, watched
from agent.probes import Answer, CannotTell, judged
from agent.protocol import text
from agent.words import ENABLED, SERVICE, STARTS, both, comma, line, seconds, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.managers import Service
    from agent.words import Text, Words

RESTARTED_PATIENCE_S = 10.0


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked, for the form."""
    if spec.get("state") == "stopped":
        return text(f"Layanan {spec['name']} berhenti", f"Service {spec['name']} is stopped")
    return text(f"Layanan {spec['name']} berjalan", f"Service {spec['name']} runs")


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Read the service; where it must stay up, watch its main process until it is old enough."""
    try:
        service = host.services.read(spec["name"])
        patience_s = patience_of(spec, service, since)
        if service.active not in UP or service.active_for_s >= patience_s:
            return judge(spec, service)
        former, service = service, watched(spec["name"], service, patience_s, host.services)
    except ActionFailed as failure:
        raise CannotTell(failure.reason) from failure
    if not stayed_up(former, service):
        reason = not_stable(service, patience_s)
        return Answer("failed", found=found_of(service), reason=reason, final=True)
    return judge(spec, service)


def patience_of(spec: dict[str, Any], service: Service, since: dict[str, Any]) -> float:
    """How old the service must be, in seconds; 0 where it need not stay up.

    One that dies every few seconds is up whenever it is looked at. So where the manager has had to start it again since
    the run began, it must stand for longer before it is believed.
    """
    stable_for_s = float(spec.get("stable_for_s") or 0)
    if wanted_state(spec) != "running" or not stable_for_s:
        return 0.0
    began_at = since.get("at")
    if service.restarts and began_at is not None and service.active_for_s < time.time() - float(began_at):
        return max(RESTARTED_PATIENCE_S, 4 * stable_for_s)
    return stable_for_s


def judge(spec: dict[str, Any], service: Service) -> Answer:
    """A service as read, against what was asked."""
    reason, found = state_reason(spec, service), found_of(service)
    enabled, name = spec.get("enabled"), spec["name"]
    if reason is not None or enabled is None or starts_as(service, enabled):
        return judged(found, reason)
    if service.enabled is None:
        reason = text(
            f"tidak dapat diketahui apakah {name} dijalankan saat komputer menyala",
            f"cannot be told whether {name} starts with the computer",
        )
        return Answer("unknown", found=found, reason=reason, final=True)
    if isinstance(enabled, str):
        mode = both(found_of(service))
        reason = text(f"cara mulai layanan {name}: {mode['id']}", f"service {name} starts otherwise: {mode['en']}")
        return judged(found, reason)
    reason = text(
        f"layanan {name} {'tidak ' if enabled else ''}dijalankan saat komputer menyala",
        f"service {name} {'does not start' if enabled else 'starts'} with the computer",
    )
    return judged(found, reason)


def state_reason(spec: dict[str, Any], service: Service) -> dict[str, str] | None:
    """Why its state is not as asked; None where it is."""
    state, name = wanted_state(spec), spec["name"]
    if state == "stopped":
        if not service.known or service.active in ("inactive", "failed"):
            return None
        return text(f"layanan {name} masih {state_of(service)['id']}", f"service {name} is still {service.active}")
    if not service.known:
        return text(f"layanan {name} tidak dikenal di komputer ini", f"there is no service {name} here")
    if state == "running" and service.active not in UP:
        result = f" ({service.result})" if service.result not in ("", "success") else ""
        return text(
            f"layanan {name} tidak berjalan: {state_of(service)['id']}{result}",
            f"service {name} does not run: {service.active}{result}",
        )
    return None


def wanted_state(spec: dict[str, Any]) -> str | None:
    """``running``, ``stopped``, or None where only ``enabled`` is asked for."""
    state = spec.get("state")
    return str(state) if state else ("running" if spec.get("enabled") is None else None)


def not_stable(service: Service, stable_for_s: float) -> dict[str, str]:
    """Why it counts as not stable."""
    found = both(found_of(service))
    return text(
        f"layanan tidak bertahan {comma(f'{stable_for_s:g}')} detik: {found['id']}",
        f"the service did not stay up for {stable_for_s:g} s: {found['en']}",
    )


def needed(spec: dict[str, Any]) -> Words:
    """What is asked, as a short line."""
    state = wanted_state(spec)
    parts = [word(SERVICE, {"running": "active", "stopped": "inactive"}.get(state, state))] if state else []
    if spec.get("enabled") is not None:
        parts.append(start_of(spec["enabled"]))
    if spec.get("stable_for_s"):
        parts.append(seconds(f"{float(spec['stable_for_s']):g}"))
    return line(*parts)


def start_of(start: bool | str) -> Words:
    """How a service starts, or is to start, in each language."""
    return word(STARTS, start) if isinstance(start, str) else ENABLED[start]


def state_of(service: Service) -> Text:
    """A service's state in each language."""
    return both(word(SERVICE, service.active))


def found_of(service: Service) -> Words:
    """A service as a short line."""
    if not service.known:
        return "-"
    parts: list[Words] = [state_of(service)]
    if service.enabled is not None:
        parts.append(start_of(service.start or service.enabled))
    if service.result not in ("", "success"):
        parts.append(service.result)
    if service.main_pid:
        parts.append(f"pid {service.main_pid}")
    if service.active in UP:
        parts.append(seconds(f"{service.active_for_s:.1f}"))
    if service.restarts:
        parts.append(text(f"dinyalakan ulang {service.restarts}×", f"restarts {service.restarts}"))
    return line(*parts)
