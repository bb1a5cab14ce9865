"""Is a service as it should be: its state, whether it starts with the computer, and whether it stays up."""

from __future__ import annotations

import time

from agent.actions import ActionFailed
from agent.probes import Answer
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.host.services import Service

LOOK_AGAIN_S = 0.1
RESTARTED_PATIENCE_S = 10.0
UP = ("active", "reloading")


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked, for the form."""
    if spec.get("state") == "stopped":
        return text(f"Layanan {spec['name']} berhenti", f"Service {spec['name']} is stopped")
    return text(f"Layanan {spec['name']} berjalan", f"Service {spec['name']} runs")


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Read the service; where it must stay up, watch its main process until it is old enough."""
    needed = needed_of(spec)
    try:
        service = host.services.read(spec["name"])
        patience_s = patience_of(spec, service, since)
        if service.active not in UP or service.active_for_s >= patience_s:
            return judge(spec, service, needed)
        former, service = service, after_watching(spec["name"], service, patience_s, host)
    except ActionFailed as failure:
        return Answer("unknown", needed=needed, found="?", reason=failure.reason)
    if not is_same(former, service):
        reason = not_stable(service, patience_s)
        return Answer("failed", needed=needed, found=found_of(service), reason=reason, final=True)
    return judge(spec, service, needed)


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


def judge(spec: dict[str, Any], service: Service, needed: str) -> Answer:
    """A service as read, against what was asked."""
    reason, found = state_reason(spec, service), found_of(service)
    if reason is not None:
        return Answer("failed", needed=needed, found=found, reason=reason)
    enabled, name = spec.get("enabled"), spec["name"]
    if enabled is None or service.enabled is bool(enabled):
        return Answer("passed", needed=needed, found=found)
    if service.enabled is None:
        reason = text(
            f"tidak dapat diketahui apakah {name} dijalankan saat komputer menyala",
            f"cannot be told whether {name} starts with the computer",
        )
        return Answer("unknown", needed=needed, found=found, reason=reason, final=True)
    reason = text(
        f"layanan {name} {'tidak ' if enabled else ''}dijalankan saat komputer menyala",
        f"service {name} {'does not start' if enabled else 'starts'} with the computer",
    )
    return Answer("failed", needed=needed, found=found, reason=reason)


def state_reason(spec: dict[str, Any], service: Service) -> dict[str, str] | None:
    """Why its state is not as asked; None where it is."""
    state, name = wanted_state(spec), spec["name"]
    if state == "stopped":
        if not service.known or service.active in ("inactive", "failed"):
            return None
        return text(f"layanan {name} masih {service.active}", f"service {name} is still {service.active}")
    if not service.known:
        return text(f"layanan {name} tidak dikenal di komputer ini", f"there is no service {name} here")
    if state == "running" and service.active not in UP:
        result = f" ({service.result})" if service.result not in ("", "success") else ""
        return text(
            f"layanan {name} tidak berjalan: {service.active}{result}",
            f"service {name} does not run: {service.active}{result}",
        )
    return None


def after_watching(name: str, service: Service, stable_for_s: float, host: Host) -> Service:
    """The service as read when its main process is old enough, or at once when that process is gone.

    The main process is looked at in /proc meanwhile: asking the manager costs a hundred times as much.
    """
    from agent.host.processes import process_of

    until = time.monotonic() + max(0.0, stable_for_s - service.active_for_s) + 0.01
    main = process_of(service.main_pid) if service.main_pid else None
    while time.monotonic() < until:
        time.sleep(max(0.0, min(LOOK_AGAIN_S, until - time.monotonic())))
        now = process_of(service.main_pid) if main else None
        if main and (now is None or now.started != main.started):
            break
    return host.services.read(name)


def is_same(former: Service, service: Service) -> bool:
    """Whether it stayed up: the same main process, and the manager did not have to start it again."""
    return service.active in UP and service.main_pid == former.main_pid and service.restarts == former.restarts


def wanted_state(spec: dict[str, Any]) -> str | None:
    """``running``, ``stopped``, or None where only ``enabled`` is asked for."""
    state = spec.get("state")
    return str(state) if state else ("running" if spec.get("enabled") is None else None)


def not_stable(service: Service, stable_for_s: float) -> dict[str, str]:
    """Why it counts as not stable."""
    return text(
        f"layanan tidak bertahan {stable_for_s:g} detik: {found_of(service)}",
        f"the service did not stay up for {stable_for_s:g} s: {found_of(service)}",
    )


def needed_of(spec: dict[str, Any]) -> str:
    """What is asked, as a short line."""
    state = wanted_state(spec)
    parts: list[str] = [{"running": "active", "stopped": "inactive"}.get(state, state)] if state else []
    if spec.get("enabled") is not None:
        parts.append("enabled" if spec["enabled"] else "disabled")
    if spec.get("stable_for_s"):
        parts.append(f"{float(spec['stable_for_s']):g} s")
    return ", ".join(parts)


def found_of(service: Service) -> str:
    """A service as a short line."""
    if not service.known:
        return "-"
    parts = [service.active]
    if service.enabled is not None:
        parts.append("enabled" if service.enabled else "disabled")
    if service.result not in ("", "success"):
        parts.append(service.result)
    if service.main_pid:
        parts.append(f"pid {service.main_pid}")
    if service.active in UP:
        parts.append(f"{service.active_for_s:.1f} s")
    if service.restarts:
        parts.append(f"restarts {service.restarts}")
    return ", ".join(parts)
