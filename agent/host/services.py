"""Service managers: systemd, the user's own systemd, and plain processes of ours where there is neither."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, NamedTuple, Optional, Protocol

    from agent.host import Host

    class Service(NamedTuple):
        """A service as its manager sees it."""

        known: bool
        active: str
        """systemd's word: active, inactive, failed, activating, deactivating, reloading."""
        enabled: Optional[bool]
        """None where it cannot be enabled (static) or nobody can tell."""
        main_pid: int
        restarts: int
        active_for_s: float
        result: str
        """systemd's Result: success, exit-code, signal, …"""

    class Services(Protocol):
        """What every manager can do. All raise ``ActionFailed`` where the manager refuses."""

        name: str

        def read(self, name: str) -> Service: ...
        def start(self, name: str) -> Dict[str, Any]: ...
        def stop(self, name: str) -> Dict[str, Any]: ...
        def restart(self, name: str) -> Dict[str, Any]: ...
        def reload(self, name: str) -> Dict[str, Any]: ...
        def set_enabled(self, name: str, enabled: bool) -> Dict[str, Any]: ...  # noqa: FBT001
        def define(self, name: str, definition: Dict[str, Any]) -> Dict[str, Any]: ...
        def definition(self, name: str) -> Optional[str]: ...
        def undefine(self, name: str, former: Optional[str]) -> Dict[str, Any]: ...


def services_of(host: Host) -> Services:
    """The manager of this computer and user."""
    raise RuntimeError("no service manager for " + host.root)
