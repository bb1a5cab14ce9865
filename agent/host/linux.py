"""Linux: facts, packages and sockets, read from files where a file holds them."""

from __future__ import annotations

import os
import sys
import time

from agent import program
from agent.host.native import boot_id as boot_id
from agent.redact import NOTHING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping, NamedTuple, Sequence

    from agent.host.sockets import Socket
    from agent.managers import Services
    from agent.program import Result

    class Package(NamedTuple):
        """One row of dpkg's status."""

        version: str
        status: str
        architecture: str
else:
    from agent.light.tuples import namedtuple

    Package = namedtuple("Package", "version status architecture")

DPKG_STATUS = "/var/lib/dpkg/status"
DPKG_UPDATES = "/var/lib/dpkg/updates"


READY_S = 300.0
STARTED = ("running", "degraded", "other")
"""Source: systemctl(1), is-system-running."""


class LinuxHost:
    """This computer. ``root`` is the agent's own folder on it; everything kept there is removed by ``hosts clean``."""

    os = "linux"

    def __init__(self, root: str) -> None:
        self.root = root
        self.is_administrator = os.geteuid() == 0
        self.payloads: dict[str, dict[str, Any]] = {}
        self.secrets = NOTHING
        """Those of the plan."""
        self.psutil_digest: str | None = None
        self.stall_s: float | None = None
        """How long programs may go without getting on, while an action is at work."""
        self._services: Services | None = None
        self._packages: tuple[tuple[object, ...], dict[str, Package]] | None = None

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float = program.TIMEOUT_S,
        environment: Mapping[str, str] | None = None,
        directory: str | None = None,
        stdin: bytes = b"",
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
        )

    def boot_id(self) -> str:
        """The kernel's name for this boot."""
        return boot_id()

    def ready(self) -> dict[str, Any]:
        """Wait until the computer has started all that it starts: ``system`` (systemd's word) and ``seconds`` waited.

        Some start things that never come to an end, so that it is not waited for ever.
        """
        began = time.monotonic()
        while True:
            system, jobs = state()
            seconds = time.monotonic() - began
            if (system in STARTED and not jobs) or seconds > READY_S:
                return {"system": system, "seconds": round(seconds, 3)}
            time.sleep(0.2)

    def is_going_down(self) -> bool:
        """Whether the computer is being shut down."""
        return state()[0] == "stopping"

    def pending_reboot(self) -> str | None:
        """What the system itself says that a reboot is wanted for; None where nothing is, or nobody tells."""
        from agent.requirements import busy

        return busy.pending_reboot(os.uname().release)

    def reboot(self) -> Result:
        """Tell the computer to reboot; people at it are told too. Source: systemctl(1)."""
        return self.run(["systemctl", "reboot", "--message=Pasang"], timeout_s=60)

    def psutil(self) -> Any:
        """The psutil module, out of the wheel that was sent; None where there is none for this computer."""
        from agent import wheels

        return wheels.psutil(self)

    def notes(self) -> dict[str, Any]:
        """What else the record of a life of the agent says of this computer."""
        return {}

    def blob(self, digest: str) -> str:
        """Where the bytes with this SHA-256 are kept (or would be)."""
        return os.path.join(self.root, "blobs", digest)

    def payload(self, name: str) -> dict[str, Any]:
        """A payload of the plan: ``digest``, ``size_bytes``, ``file``, ``format``, ``meta``."""
        return self.payloads[name]

    def facts(self) -> dict[str, Any]:
        """What ``when:`` and the form need to know of this computer."""
        release = read_release()
        name = os.uname()
        return {
            "os": "linux",
            "distribution": release.get("ID", ""),
            "like": release.get("ID_LIKE", "").split(),
            "version": release.get("VERSION_ID", ""),
            "title": release.get("PRETTY_NAME", ""),
            "arch": {"amd64": "x86_64", "arm64": "aarch64"}.get(name.machine, name.machine),
            "hostname": name.nodename,
            "kernel": name.release,
            "cpu_count": len(os.sched_getaffinity(0)),
            "ram_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "python": ".".join(map(str, sys.version_info[:3])),
            "init": "systemd" if os.path.isdir("/run/systemd/system") else "other",
            "boot": boot_id(),
            "administrator": self.is_administrator,
        }

    @property
    def services(self) -> Services:
        """The service manager: systemd, the user's systemd, or plain processes of ours where there is none."""
        if self._services is None:
            from agent.host.services import services_of

            self._services = services_of(self)
        return self._services

    def packages(self) -> dict[str, Package]:
        """Packages known to dpkg by name (``name:arch`` for a foreign or second architecture); empty where no dpkg is.

        Read anew only when dpkg's files have changed. A dpkg that is at work, or was killed, has its last words in
        numbered files under ``updates``; they count more than the status.
        """
        try:
            stat = os.stat(DPKG_STATUS)
            updates = sorted(name for name in os.listdir(DPKG_UPDATES) if name.isdigit())
        except OSError:
            return {}
        stamp = (stat.st_ino, stat.st_size, stat.st_mtime_ns, *updates)
        if self._packages is None or self._packages[0] != stamp:
            found: dict[str, Package] = {}
            for path in (DPKG_STATUS, *(os.path.join(DPKG_UPDATES, name) for name in updates)):
                with open(path, encoding="utf-8", errors="replace") as file:
                    parse_status(file.read(), found)
            self._packages = (stamp, found)
        return self._packages[1]

    def listening(self) -> list[Socket]:
        """Sockets that wait for others: TCP in LISTEN, UDP bound without a peer.

        Raises:
            OSError: nothing tells.
        """
        from agent.host import sockets

        return sockets.listening()


def state() -> tuple[str, int]:
    """systemd's word for the computer as a whole, and how many jobs it has; ``other`` where there is no systemd."""
    from agent.host import systemd
    from agent.host.bus import BusError

    if not systemd.is_within_reach():
        return "other", 0
    try:
        return systemd.state()
    except BusError:
        return "unknown", 0


def read_release() -> dict[str, str]:
    """os-release(5) as a dict; empty where there is none."""
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(path, encoding="utf-8") as file:
                rows = [line.strip().split("=", 1) for line in file if "=" in line and not line.startswith("#")]
        except OSError:
            continue
        return {key: value.strip("\"'") for key, value in rows}
    return {}


def parse_status(content: str, found: dict[str, Package]) -> dict[str, Package]:
    """Add the rows of dpkg's status, or of a file that continues it, to those found before; by package name.

    Source: dpkg(1), deb-control(5): paragraphs apart by empty lines, ``Status: want flag state``.
    """
    for paragraph in content.split("\n\n"):
        row: dict[str, str] = {}
        for line in paragraph.split("\n"):
            if line.startswith(("Package: ", "Status: ", "Version: ", "Architecture: ")):
                key, value = line.split(": ", 1)
                row[key] = value
        if "Package" in row and "Status" in row:
            name = row["Package"]
            package = Package(row.get("Version", ""), row["Status"].split()[-1], row.get("Architecture", ""))
            former = found.get(name)
            same = former is None or former.architecture in ("", package.architecture)
            found[name if same else name + ":" + package.architecture] = package
    return found
