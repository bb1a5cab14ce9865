"""Windows: this computer as the rest of the agent asks for it."""

from __future__ import annotations

import os
import time

from agent import program
from agent.redact import NOTHING
from agent.windows import acl, clock, win32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping, Sequence

    from agent.program import Result
    from agent.windows.programs import Program
    from agent.windows.services import Services
    from agent.windows.sockets import Socket

ROOT = r"C:\ProgramData\Pasang"
READY_S = 300.0
STARTING = ("starting", "stopping", "continuing", "pausing")


class WindowsHost:
    """This computer. ``root`` is the agent's own folder on it; everything kept there is removed by ``hosts clean``."""

    os = "windows"

    def __init__(self, root: str = ROOT) -> None:
        self.root = root
        self.is_administrator = bool(win32.shell32.IsUserAnAdmin())
        self.payloads: dict[str, dict[str, Any]] = {}
        self.secrets = NOTHING
        """Those of the plan."""
        self.psutil_digest: str | None = None
        self.stall_s: float | None = None
        """How long programs may go without getting on, while an action is at work."""
        self._services: Services | None = None
        self.is_closed = acl.close(root) if self.is_administrator else None
        """Whether nobody but administrators may look into our folder, as it was read back; None: it is a person's."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float = program.TIMEOUT_S,
        environment: Mapping[str, str] | None = None,
        directory: str | None = None,
        stdin: bytes = b"",
        line: str | None = None,
    ) -> Result:
        """Run a program to its end, watched while an action is at work: see ``program.run``."""
        return program.run(
            argv,
            timeout_s=timeout_s,
            stall_s=self.stall_s,
            root=self.root if self.stall_s else None,
            secrets=self.secrets,
            environment=environment,
            directory=directory,
            stdin=stdin,
            line=line,
        )

    def boot_id(self) -> str:
        """What differs in every boot."""
        return clock.boot_id()

    def ready(self) -> dict[str, Any]:
        """Wait until no service is on its way any more: ``system`` and ``seconds`` waited.

        Some start things that never come to an end, so that it is not waited for ever.
        """
        from agent.windows import scm

        began = time.monotonic()
        while True:
            busy = any(row.status.state in STARTING for row in scm.services())
            seconds = time.monotonic() - began
            if not busy or seconds > READY_S:
                return {"system": "starting" if busy else "running", "seconds": round(seconds, 3)}
            time.sleep(0.5)

    def is_going_down(self) -> bool:
        """Whether the computer is being shut down. Source: GetSystemMetrics, SM_SHUTTINGDOWN."""
        return bool(win32.user32.GetSystemMetrics(0x2000))

    def pending_reboot(self) -> str | None:
        """What Windows says that a reboot is wanted for; None where nothing is.

        Raises:
            OSError: the registry does not tell.
        """
        from agent.windows import pending

        return pending.reboot()

    def reboot(self) -> Result:
        """Tell the computer to reboot; people at it are told too. Source: shutdown.exe /?."""
        return self.run(["shutdown.exe", "/r", "/t", "30", "/f", "/d", "p:4:2", "/c", "Pasang"], timeout_s=60)

    def psutil(self) -> Any:
        """The psutil module, out of the wheel that was sent; None where there is none for this computer."""
        from agent import wheels

        return wheels.psutil(self)

    def notes(self) -> dict[str, Any]:
        """What else the record of a life of the agent says of this computer."""
        return {} if self.is_closed is None else {"folder_closed": self.is_closed}

    def blob(self, digest: str) -> str:
        """Where the bytes with this SHA-256 are kept (or would be)."""
        return os.path.join(self.root, "blobs", digest)

    def payload(self, name: str) -> dict[str, Any]:
        """A payload of the plan: ``digest``, ``size_bytes``, ``file``, ``format``, ``meta``."""
        return self.payloads[name]

    def facts(self) -> dict[str, Any]:
        """What ``when:`` and the form need to know of this computer."""
        from agent.windows import facts

        return facts.facts(self)

    @property
    def services(self) -> Services:
        """The service control manager, as actions and probes ask it."""
        if self._services is None:
            from agent.windows.services import Services

            self._services = Services(self)
        return self._services

    def packages(self) -> dict[str, Any]:
        """Windows has no package manager of its own; see ``programs``."""
        return {}

    def programs(self) -> list[Program]:
        """What installers have told Windows of: the uninstall entries of the registry."""
        from agent.windows import programs

        return programs.programs()

    def listening(self) -> list[Socket]:
        """Sockets that wait for others: TCP in LISTEN, UDP bound.

        Raises:
            OSError: nothing tells.
        """
        from agent.windows import sockets

        return sockets.listening()
