"""dpkg as a program: its locks, its environment, and what its refusals mean."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager

from agent import debian
from agent.actions import ActionFailed
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from agent.debian import Offer
    from agent.host.linux import LinuxHost as Host
    from agent.host.linux import Package
    from agent.program import Result

DATABASE = "/var/lib/dpkg"
ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "NEEDRESTART_SUSPEND": "1",
    "NEEDRESTART_MODE": "l",
    "APT_LISTCHANGES_FRONTEND": "none",
    "APT_LISTBUGS_FRONTEND": "none",
    "UCF_FORCE_CONFFOLD": "1",
}
LOCKED = {"DPKG_FRONTEND_LOCKED": "true"}
"""Tells dpkg that we hold the frontend's lock for it."""
KEEP_CONFFILES = ("--force-confdef", "--force-confold")
TIMEOUT_S = 900
SETTLED = ("installed", "config-files", "not-installed")
"""States of a package in which nothing is under way."""


@contextmanager
def locked(timeout_s: float) -> Iterator[None]:
    """Keep other package managers out, as long as this lasts; dpkg itself is then started with ``run``.

    Source: dpkg's frontend interface: the frontend holds ``lock-frontend``, and dpkg takes ``lock``.

    Raises:
        ActionFailed: somebody else held a lock for longer than ``timeout_s``, or this user may not.
    """
    deadline = time.monotonic() + timeout_s
    path = os.path.join(DATABASE, "lock-frontend")
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        raise ActionFailed(
            text(
                "Paket tidak dapat dipasang: basis data dpkg tidak dapat ditulis. Perlu hak administrator.",
                "Packages cannot be installed: dpkg's database cannot be written. Administrator rights are needed.",
            ),
            {"error": str(error)},
        ) from error
    try:
        wait(handle, deadline, timeout_s)
        inner = os.open(os.path.join(DATABASE, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
        try:
            wait(inner, deadline, timeout_s)  # a dpkg that outlived its frontend, perhaps one of ours
        finally:
            os.close(inner)  # this releases it: dpkg has to take it itself
        yield
    finally:
        os.close(handle)


def wait(handle: int, deadline: float, timeout_s: float) -> None:
    """Take a lock, waiting for it.

    Raises:
        ActionFailed: it was not free until ``deadline``; says who holds it.
    """
    pause_s = 0.05
    while True:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            who = holder(handle)
            if time.monotonic() + pause_s > deadline:
                raise ActionFailed(
                    text(
                        f"Pengelola paket sedang dipakai oleh {who}; sudah ditunggu {timeout_s:g} detik.",
                        f"The package manager is in use by {who}; waited for {timeout_s:g} seconds.",
                    ),
                    {"holder": who},
                ) from None
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, 1.0)
        else:
            return


def holder(handle: int) -> str:
    """Who holds a lock we did not get: the program and its number, as far as the kernel says.

    Source: fcntl(2) F_GETLK: short l_type, short l_whence, off_t l_start, off_t l_len, pid_t l_pid.
    """
    import struct

    layout = "hhqqi4x"
    asked = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        pid = struct.unpack(layout, fcntl.fcntl(handle, fcntl.F_GETLK, asked))[4]
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except (OSError, struct.error):
        return "?"
    return f"{words[:80]} ({pid})"


def run(host: Host, arguments: Sequence[str], timeout_s: float = TIMEOUT_S) -> Result:
    """Run dpkg; to be called under ``locked``.

    Raises:
        ActionFailed: there is no dpkg, or it was stopped for taking too long.
    """
    return program(host, ["dpkg", *arguments], timeout_s, LOCKED)


def program(host: Host, argv: list[str], timeout_s: float, environment: dict[str, str] | None = None) -> Result:
    """Run dpkg, apt-get or apt-mark without questions.

    Raises:
        ActionFailed: it is not on this computer, or was stopped for taking too long.
    """
    try:
        result = host.run(argv, timeout_s=timeout_s, environment=dict(ENVIRONMENT, **(environment or {})))
    except OSError as error:
        raise ActionFailed(
            text(f"Program {argv[0]} tidak ada di komputer ini.", f"There is no program {argv[0]} on this computer."),
            {"argv": argv, "error": str(error)},
        ) from error
    if result.code is None:
        raise ActionFailed(
            text(
                f"{argv[0]} belum selesai setelah {timeout_s:g} detik, lalu dihentikan.",
                f"{argv[0]} had not ended after {timeout_s:g} seconds and was stopped.",
            ),
            result.evidence(),
        )
    return result


SCRIPT = (
    r"(?:installed|new|old) (?P<package>\S+) package (?P<script>(?:pre|post)-(?:installation|removal)) script"
    r" subprocess (?:returned error exit status (?P<code>\d+)|was killed by signal \((?P<signal>[^)]*)\)|(?P<other>.*))"
)
OVERWRITE = r"trying to overwrite '(?P<path>[^']*)', which is (?:also|different from).* package (?P<package>\S+)"
DAMAGED = r"not a Debian format archive|lzma error|zstd.*error|zlib.*error|unexpected end of file|corrupted"


def reason_of(output: str) -> dict[str, str]:
    """What dpkg or apt complains of, in a sentence."""
    import re

    match = re.search(SCRIPT, output)
    if match:
        package, script = match.group("package"), match.group("script")
        how = match.group("code") or match.group("signal") or match.group("other") or "?"
        said = last_words(output[: match.start()])
        return text(
            f"Skrip {script} dari paket {package} gagal ({how}){said}.",
            f"The {script} script of package {package} failed ({how}){said}.",
        )
    if "No space left on device" in output:
        return text("Ruang disk habis.", "The disk is full.")
    match = re.search(OVERWRITE, output)
    if match:
        path, package = match.group("path"), match.group("package")
        return text(f"Berkas {path} milik paket {package}.", f"The file {path} belongs to package {package}.")
    if re.search(DAMAGED, output):
        return text("Berkas paket rusak.", "The package file is damaged.")
    complaints = [line.strip() for line in output.splitlines() if line.startswith(("dpkg: error", "E: ", " "))]
    what = " ".join(complaints[:2])[:300] or output.strip()[-300:] or "?"
    return text(f"dpkg menolak: {what}", f"dpkg refuses: {what}")


def last_words(output: str) -> str:
    """What a script itself said last, before dpkg's complaint of it: where the reason mostly stands."""
    lines = [line.strip() for line in output.splitlines()]
    own = [line for line in lines if line and not line.startswith(("dpkg:", "Setting up ", "Unpacking ", "("))]
    return f": {own[-1][:200].rstrip('.')}" if own else ""


def row(packages: dict[str, Package], name: str, architecture: str = "") -> Package | None:
    """dpkg's row of a package in this architecture; None where dpkg does not know it or has nothing of it."""
    found = packages.get(name)
    if found is not None and architecture not in ("", "all", found.architecture) and found.architecture != "all":
        found = packages.get(f"{name}:{architecture}")
    return None if found is None or found.status == "not-installed" else found


def native(packages: dict[str, Package]) -> str:
    """The computer's own architecture; empty where there is no dpkg."""
    found = packages.get("dpkg")
    return found.architecture if found else ""


def info(name: str, architecture: str, member: str) -> str:
    """The file in which dpkg keeps something of a package: its list of files, its scripts, …"""
    folder = os.path.join(DATABASE, "info")
    path = os.path.join(folder, f"{name}:{architecture}.{member}")
    return path if os.path.exists(path) else os.path.join(folder, f"{name}.{member}")


def listed(name: str, architecture: str) -> list[str]:
    """The paths of a package as dpkg has them; empty where it has none."""
    try:
        with open(info(name, architecture, "list"), encoding="utf-8", errors="surrogateescape") as file:
            return [line for line in file.read().split("\n") if line and line != "/."]
    except FileNotFoundError:
        return []


def units(name: str, architecture: str) -> list[str]:
    """The systemd services a package ships, templates apart."""
    found = []
    for path in listed(name, architecture):
        folder, unit = os.path.split(path)
        if (
            folder.endswith("/systemd/system")
            and unit.endswith((".service", ".socket", ".timer", ".path"))
            and "@." not in unit
        ):
            found.append(unit)
    return found


def architectures(own: str) -> list[str]:
    """The computer's own architecture and those that were added to it."""
    try:
        with open(os.path.join(DATABASE, "arch"), encoding="ascii") as file:
            return [own, *file.read().split()]
    except FileNotFoundError:
        return [own]


def interrupted() -> list[str]:
    """The diary of a dpkg that was killed in the middle, oldest first; empty where none was.

    Source: dpkg(1): the numbered files under ``updates`` are read into the status by the next dpkg.
    """
    folder = os.path.join(DATABASE, "updates")
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.isdigit()]
    except FileNotFoundError:
        return []


def status() -> list[dict[str, str]]:
    """All fields of all packages that dpkg knows."""
    found = {}
    for path in (os.path.join(DATABASE, "status"), *interrupted()):
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            for fields in debian.paragraphs(file.read()):
                found[fields.get("Package"), fields.get("Architecture")] = fields
    return list(found.values())


def all_offers(brought: list[dict[str, Any]]) -> tuple[dict[str, list[Offer]], dict[str, list[Offer]]]:
    """Real and provided names, of what is installed and of what is brought along (``meta`` of payloads)."""
    offers: dict[str, list[Offer]] = {}
    provided: dict[str, list[Offer]] = {}
    names = {meta["package"] for meta in brought}
    rows = [
        (fields["Package"], fields.get("Version", ""), fields.get("Architecture", ""), fields)
        for fields in status()
        if fields.get("Status", "").endswith((" installed", " triggers-pending")) and fields["Package"] not in names
    ]
    rows += [
        (meta["package"], meta["version"], meta["architecture"], {"Provides": meta.get("provides") or ""})
        for meta in brought
    ]
    for name, version, architecture, fields in rows:
        offer = debian.Offer(version, architecture, fields.get("Multi-Arch") == "foreign")
        offers.setdefault(name, []).append(offer)
        for virtual, virtual_offer in debian.parse_provides(fields.get("Provides", ""), offer).items():
            provided.setdefault(virtual, []).append(virtual_offer)
    return offers, provided
