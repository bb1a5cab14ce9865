"""Is a service as it should be: its state, whether it starts with the computer, and whether it stays up."""

from __future__ import annotations

import time

from agent.probes import Answer
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.host.services import Service

LOOK_AGAIN_S = 0.1
UP = ("active", "reloading")


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What is asked, for the form."""
    if spec.get("state") == "stopped":
        return text(f"Layanan {spec['name']} berhenti", f"Service {spec['name']} is stopped")
    return text(f"Layanan {spec['name']} berjalan", f"Service {spec['name']} runs")


def ask(spec: dict[str, Any], host: Host, since: dict[str, Any]) -> Answer:
    """Read the service; where it must stay up, watch its main process until it is old enough."""
    needed = needed_of(spec)
    service = host.services.read(spec["name"])
    if not service.known and wanted_state(spec) != "stopped":
        reason = text(
            f"layanan {spec['name']} tidak dikenal di komputer ini", f"there is no service {spec['name']} here"
        )
        return Answer("failed", needed=needed, found="-", reason=reason)
    stable_for_s = float(spec.get("stable_for_s") or 0)
    if (
        wanted_state(spec) == "running"
        and stable_for_s
        and service.active in UP
        and service.active_for_s < stable_for_s
    ):
        former, service = service, after_watching(spec["name"], service, stable_for_s, host)
        if not is_same(former, service):
            return Answer(
                "failed", needed=needed, found=found_of(service), reason=not_stable(service, stable_for_s), final=True
            )
    return judge(spec, service, needed, since)


def judge(spec: dict[str, Any], service: Service, needed: str, since: dict[str, Any]) -> Answer:
    """A service as read, against what was asked."""
    found = found_of(service)
    state = wanted_state(spec)
    if state == "running" and service.active not in UP:
        return Answer("failed", needed=needed, found=found, reason=not_running(spec["name"], service))
    if state == "stopped" and service.known and service.active not in ("inactive", "failed"):
        reason = text(
            f"layanan {spec['name']} masih {service.active}", f"service {spec['name']} is still {service.active}"
        )
        return Answer("failed", needed=needed, found=found, reason=reason)
    if state == "running" and spec.get("stable_for_s") and service.restarts and began_after(service, since):
        # One that dies every few seconds is up whenever it is looked at; the manager's counter tells.
        return Answer("failed", needed=needed, found=found, reason=keeps_restarting(service), final=True)
    enabled = spec.get("enabled")
    if enabled is not None and service.enabled is None:
        reason = text(
            f"tidak dapat diketahui apakah {spec['name']} dijalankan saat komputer menyala",
            f"cannot be told whether {spec['name']} starts with the computer",
        )
        return Answer("unknown", needed=needed, found=found, reason=reason, final=True)
    if enabled is not None and service.enabled is not bool(enabled):
        reason = text(
            f"layanan {spec['name']} {'tidak ' if enabled else ''}dijalankan saat komputer menyala",
            f"service {spec['name']} {'does not start' if enabled else 'starts'} with the computer",
        )
        return Answer("failed", needed=needed, found=found, reason=reason)
    return Answer("passed", needed=needed, found=found)


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


def began_after(service: Service, since: dict[str, Any]) -> bool:
    """Whether it was last started after the run began."""
    return service.active_for_s < time.time() - float(since["at"])


def wanted_state(spec: dict[str, Any]) -> str | None:
    """``running``, ``stopped``, or None where only ``enabled`` is asked for."""
    state = spec.get("state")
    return str(state) if state else ("running" if spec.get("enabled") is None else None)


def not_running(name: str, service: Service) -> dict[str, str]:
    """Why it counts as not running."""
    result = f" ({service.result})" if service.result not in ("", "success") else ""
    return text(
        f"layanan {name} tidak berjalan: {service.active}{result}",
        f"service {name} does not run: {service.active}{result}",
    )


def not_stable(service: Service, stable_for_s: float) -> dict[str, str]:
    """Why it counts as not stable."""
    return text(
        f"layanan tidak bertahan {stable_for_s:g} detik: {found_of(service)}",
        f"the service did not stay up for {stable_for_s:g} s: {found_of(service)}",
    )


def keeps_restarting(service: Service) -> dict[str, str]:
    """Why one that is up now counts as failed."""
    return text(
        f"layanan mati dan dijalankan ulang {service.restarts} kali sejak proses instalasi dimulai",
        f"the service died and was started again {service.restarts} times since this run began",
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
