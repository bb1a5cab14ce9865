"""Linux: facts, packages and sockets, read from files where a file holds them."""

from __future__ import annotations

import os
import sys

from agent import program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from agent.host.services import Services
    from agent.host.sockets import Socket

    class Package(NamedTuple):
        """One row of dpkg's status."""

        version: str
        status: str
        architecture: str
else:
    from collections import namedtuple

    Package = namedtuple("Package", "version status architecture")

DPKG_STATUS = "/var/lib/dpkg/status"
DPKG_UPDATES = "/var/lib/dpkg/updates"


class LinuxHost:
    """This computer. ``root`` is the agent's own folder on it; everything kept there is removed by ``hosts clean``."""

    os = "linux"

    def __init__(self, root: str) -> None:
        self.root = root
        self.is_administrator = os.geteuid() == 0
        self.payloads: dict[str, dict[str, Any]] = {}
        self.psutil_digest: str | None = None
        self._services: Services | None = None
        self._packages: tuple[tuple[object, ...], dict[str, Package]] | None = None

    run = staticmethod(program.run)

    def boot_id(self) -> str:
        """The kernel's name for this boot."""
        return boot_id()

    def psutil(self) -> Any:
        """The psutil module, out of the wheel that was sent; None where there is none for this computer."""
        if self.psutil_digest and os.path.exists(self.blob(self.psutil_digest)):
            home = os.path.join(self.root, "psutil", self.psutil_digest)
            if not os.path.isdir(home):
                unpack_wheel(self.blob(self.psutil_digest), home)
            if home not in sys.path:
                sys.path.insert(1, home)
        try:
            import psutil
        except ImportError:
            return None
        return psutil

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


def unpack_wheel(archive: str, home: str) -> None:
    """Unpack a wheel after checking that it is the one its name says."""
    import zipfile

    from agent.digest import sha256_of_file

    if sha256_of_file(archive) != os.path.basename(archive):
        os.unlink(archive)
        return
    part = f"{home}.{os.getpid()}"
    with zipfile.ZipFile(archive) as wheel:
        wheel.extractall(part)
    os.rename(part, home)


def boot_id() -> str:
    """The kernel's name for this boot."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


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
