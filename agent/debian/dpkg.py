"""dpkg and apt as programs: their locks, their environment, and what their refusals mean."""

from __future__ import annotations

import fcntl
import os
import time

from agent import actions
from agent.actions import ActionFailed
from agent.debian import database
from agent.host.locks import holder_of, program_of
from agent.light.contexts import contextmanager
from agent.protocol import text
from agent.words import comma

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from agent.host.linux import LinuxHost as Host
    from agent.program import Result
    from agent.redact import Redactor

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
def locked(host: Host, timeout_s: float) -> Iterator[None]:
    """Keep other package managers out, as long as this lasts; dpkg itself is then started with ``run``.

    Source: dpkg's frontend interface: the frontend holds ``lock-frontend``, and dpkg takes ``lock``.

    Raises:
        ActionFailed: somebody else held a lock for longer than ``timeout_s``, or this user may not.
    """
    deadline = time.monotonic() + timeout_s
    path = os.path.join(database.FOLDER, "lock-frontend")
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
        wait(handle, deadline, timeout_s, host.secrets)
        inner = os.open(
            os.path.join(database.FOLDER, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640
        )
        try:
            wait(inner, deadline, timeout_s, host.secrets)  # a dpkg that outlived its frontend, perhaps one of ours
        finally:
            os.close(inner)  # this releases it: dpkg has to take it itself
        yield
    finally:
        os.close(handle)


def wait(handle: int, deadline: float, timeout_s: float, secrets: Redactor) -> None:
    """Take a lock, waiting for it.

    Raises:
        ActionFailed: it was not free until ``deadline``; says who holds it.
    """
    pause_s = 0.05
    while True:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            who = program_of(holder_of(handle) or 0, secrets)
            if time.monotonic() + pause_s > deadline:
                raise ActionFailed(
                    text(
                        f"Pengelola paket sedang dipakai oleh {who}; sudah ditunggu {comma(f'{timeout_s:g}')} detik.",
                        f"The package manager is in use by {who}; waited for {timeout_s:g} seconds.",
                    ),
                    {"holder": who},
                ) from None
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, 1.0)
        else:
            return


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
    return actions.run(host, argv, timeout_s=timeout_s, environment=dict(ENVIRONMENT, **(environment or {})))


def install_by_apt(host: Host, arguments: Sequence[str], timeout_s: float) -> Result:
    """apt-get install: no questions, nothing removed, nothing recommended, waiting for its locks.

    Raises:
        ActionFailed: as ``program``.
    """
    argv = [
        "apt-get", "--yes", "--quiet=2", "--no-remove", "--no-install-recommends", "--allow-downgrades",
        "--allow-change-held-packages",
        "-o", f"DPkg::Lock::Timeout={int(timeout_s)}", "-o", "Dpkg::Use-Pty=0",
        *(word for option in KEEP_CONFFILES for word in ("-o", f"Dpkg::Options::={option}")),
        "install", *arguments,
    ]  # fmt: skip
    return program(host, argv, timeout_s)


def update(host: Host) -> Result:
    """apt-get update, which fails where a list could not be had, and does not wait long for a mirror that is silent.

    Source: apt 2.2, ``apt-get update --error-on=any``; an older apt passes over the option, and says no less.

    Raises:
        ActionFailed: as ``program``.
    """
    argv = [
        "apt-get", "--quiet=2", "-o", "DPkg::Lock::Timeout=300", "-o", "APT::Update::Error-Mode=any",
        "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=10", "-o", "Acquire::https::Timeout=10", "update",
    ]  # fmt: skip
    return program(host, argv, 600)


def settle(host: Host, timeout_s: float, *, whole: bool) -> dict[str, Any]:
    """Finish what a dpkg that was killed left; to be called under ``locked``.

    Args:
        host: the computer.
        timeout_s: how long it may take.
        whole: not its own diary alone, but every package that is half there: apt would stumble over it.
    """
    broken = sorted(name for name, row in host.packages().items() if row.status not in SETTLED)
    interrupted = database.interrupted()
    if not interrupted and not (broken and whole):
        return {}
    result = run(host, [*KEEP_CONFFILES, "--configure", "--pending"], timeout_s)
    return {"interrupted": broken, "configured": result.evidence()}


SCRIPT = (
    r"(?:installed|new|old) (?P<package>\S+) package (?P<script>(?:pre|post)-(?:installation|removal)) script"
    r" subprocess (?:returned error exit status (?P<code>\d+)|was killed by signal \((?P<signal>[^)]*)\)|(?P<other>.*))"
)
OVERWRITE = r"trying to overwrite '(?P<path>[^']*)', which is (?:also|different from).* package (?P<package>\S+)"
FETCH = r"Failed to fetch \w+://(?:[^/@\s]*@)?(?P<mirror>[^/\s]+)\S*\s+(?P<why>.*)"
OUT_OF_REACH = (
    r"(?i)could not (?:connect|resolve)|unable to connect|cannot initiate|timed out|unreachable|connection failed"
)
NOISE = (
    r"dpkg:|\(|Setting up |Unpacking |Preparing to |Selecting previously |Processing triggers "
    r"|Created symlink |Removed |Synchronizing state |Executing: |update-alternatives: |perl: warning"
    r"|debconf: (?:delaying|falling|unable|\()"
    r"|(?:invoke-rc\.d: |/usr/sbin/)policy-rc\.d|See \"systemctl |Hint: "
    r"|[●×○] |(?:Loaded|Active|Docs|Process|Main PID|CPU|Tasks|Memory): "
    r"|\w{3} +\d+ [\d:]{8} \S+ systemd\[1\]: "
)
"""What dpkg, debconf and systemd say of themselves while all goes well, and systemctl's account of a service."""
DAMAGED = r"not a Debian format archive|lzma error|zstd.*error|zlib.*error|unexpected end of file|corrupted"


def reason_of(output: str) -> dict[str, str]:
    """What dpkg or apt complains of, in a sentence. Their output is without secrets: parts of it are quoted."""
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
    match = re.search(FETCH, output)
    if match:
        return unfetched(match.group("mirror"), match.group("why"))
    complaints = [line.strip() for line in output.splitlines() if line.startswith(("dpkg: error", "E: ", " "))]
    what = " ".join(complaints[:2])[:300] or " ".join(telling(output))[-300:] or "?"
    return text(f"dpkg menolak: {what}", f"dpkg refuses: {what}")


def reason_of_call(evidence: dict[str, Any]) -> dict[str, str]:
    """Why a call came to nothing, by its evidence: what it complained of, or that a signal ended it before it could.

    Source: apt's own words for the second.
    """
    import re

    output, code = evidence.get("output", ""), evidence.get("exit_code")
    by_apt = re.search(r"Sub-process \S*dpkg (?:received signal (\d+)|received a segmentation fault)", output)
    number = -code if code is not None and code < 0 else int(by_apt[1] or 11) if by_apt else 0
    if not number:
        return reason_of(output)
    import signal

    name = next((each.name for each in signal.Signals if each == number), "?")
    told = telling(output)
    said = f": {told[-1][:200].rstrip('.')}" if told and not told[-1].startswith("E: ") else ""
    return text(
        f"dpkg dihentikan di tengah pekerjaannya oleh sinyal {number} ({name}){said}.",
        f"dpkg was ended in the middle by signal {number} ({name}){said}.",
    )


def unfetched(mirror: str, why: str) -> dict[str, str]:
    """Why nothing came from a mirror, and what to do."""
    import re

    gone = re.search(OUT_OF_REACH, why)
    how = ("tidak terjangkau", "is out of reach") if gone else ("tidak memberikannya", "does not give it")
    why = why.strip().rstrip(".")[:200]
    return text(
        f"Server paket {mirror} {how[0]} ({why}). Periksa jaringan komputer ini dan sumber paketnya di /etc/apt, atau "
        "sertakan paketnya dalam payloads.",
        f"The package mirror {mirror} {how[1]} ({why}). Check this computer's network and its sources in /etc/apt, or "
        "bring the packages as payloads.",
    )


def last_words(output: str) -> str:
    """What a script itself said last, before dpkg's complaint of it: where the reason mostly stands."""
    own = telling(output)
    return f": {own[-1][:200].rstrip('.')}" if own else ""


def telling(output: str) -> list[str]:
    """The lines of an output that are more than ``NOISE``."""
    import re

    lines = [line.strip() for line in output.splitlines()]
    return [line for line in lines if line and not re.match(NOISE, line)]
