"""What every service manager tells of a service and can do with it, whatever the platform."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NamedTuple, Protocol

    from agent.host import Host

    class Service(NamedTuple):
        """A service as its manager sees it."""

        known: bool
        active: str
        """systemd's word: active, inactive, failed, activating, deactivating, reloading."""
        enabled: bool | None
        """None where it cannot be enabled (static) or nobody can tell."""
        main_pid: int
        restarts: int
        active_for_s: float
        result: str
        """systemd's Result: success, exit-code, signal, …"""
        masked: bool = False
        start: str = ""
        """How it starts, where the manager knows more than ``enabled`` says: auto, delayed, manual, disabled, …"""

    class Log(NamedTuple):
        """What a service said before it failed."""

        text: str
        """The last lines, also those that its manager says about it."""
        last: str
        """The last line of its own."""

    class Services(Protocol):
        """What every manager can do. All raise ``ActionFailed`` where the manager refuses."""

        name: str

        def read(self, name: str) -> Service:
            """How it is now."""
            ...

        def start(self, name: str) -> dict[str, Any]:
            """Start it; nothing where it runs."""
            ...

        def stop(self, name: str) -> dict[str, Any]:
            """Stop it; nothing where it does not run."""
            ...

        def restart(self, name: str) -> dict[str, Any]:
            """Stop and start it."""
            ...

        def reload(self, name: str) -> dict[str, Any]:
            """Let it read its configuration again."""
            ...

        def set_enabled(self, name: str, enabled: bool | str) -> dict[str, Any]:
            """Let it start with the computer, or not; a word of ``Service.start`` where the manager has such."""
            ...

        def path(self, name: str) -> str:
            """Where a service of ours is defined."""
            ...

        def render(self, name: str, definition: dict[str, Any]) -> str:
            """A definition in the manager's own words."""
            ...

        def define(self, name: str, content: str) -> dict[str, Any]:
            """Put a rendered definition in place."""
            ...

        def definition(self, name: str) -> str | None:
            """What is defined at our place; None where nothing is."""
            ...

        def defined_ago_s(self, name: str) -> float:
            """Seconds since that was written."""
            ...

        def undefine(self, name: str, former: str | None) -> dict[str, Any]:
            """Put the former definition back; None: remove ours."""
            ...

        def forget(self, names: Sequence[str]) -> dict[str, Any]:
            """Drop services whose definitions are gone."""
            ...

        def log(self, name: str) -> Log:
            """The end of what it and its manager said."""
            ...

else:
    from agent.light.tuples import namedtuple

    Log = namedtuple("Log", "text last")
    Service = namedtuple(
        "Service", "known active enabled main_pid restarts active_for_s result masked start", defaults=(False, "")
    )

LOOK_AGAIN_S = 0.05
UP = ("active", "reloading")


def manager_of(name: str, host: Host) -> Services:
    """Whose a service is: behind a user's own manager stands the system's, where it is known by that name."""
    services = host.services
    return services.of(name) if hasattr(services, "of") else services


def starts_as(service: Service, wanted: bool | str) -> bool:
    """Whether a service starts as is asked: with the computer or not, or in the very way that a word says."""
    return service.start == wanted if isinstance(wanted, str) else service.enabled is wanted


def watched(name: str, service: Service, for_s: float, services: Services) -> Service:
    """A service that is up, as read again when it has been for ``for_s``, or at once when its main process is gone.

    Its main process is looked at meanwhile: asking systemd costs a hundred times as much. A manager that is cheap to
    ask says itself how (``lives``).
    """
    until = time.monotonic() + max(0.0, for_s - service.active_for_s) + 0.02
    lives = (services.lives if hasattr(services, "lives") else main_process)(name, service)
    while time.monotonic() < until:
        time.sleep(max(0.0, min(LOOK_AGAIN_S, until - time.monotonic())))
        if not lives():
            break
    return services.read(name)


def main_process(name: str, service: Service) -> Callable[[], bool]:
    """Whether a service's main process is still the same, by /proc."""
    from agent.host.processes import process_of

    main = process_of(service.main_pid) if service.main_pid else None

    def lives() -> bool:
        now = process_of(service.main_pid) if main else None
        return main is None or (now is not None and now.started == main.started)

    return lives


def stayed_up(former: Service, service: Service) -> bool:
    """Whether it is up with the same main process, and the manager did not have to start it again."""
    return service.active in UP and service.main_pid == former.main_pid and service.restarts == former.restarts
