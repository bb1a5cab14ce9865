"""What the actions of installers share: payloads by their own names, and what is remembered of an installation."""

from __future__ import annotations

import os
import shutil
import time

from agent import codes
from agent.actions import ActionFailed, run
from agent.digest import sha256_of_file
from agent.kept import load, save
from agent.protocol import text
from agent.windows.quoting import of_nsis

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Sequence, Tuple

    from agent.codes import Meaning
    from agent.host import Host

    Said = Tuple[Meaning, Dict[str, Any]]

PLAIN = ("msiexec", "ntstatus")
PAUSES_S = (5.0, 10.0, 20.0, 30.0)
"""Between two tries while another installation is at work; the last goes on."""
BUSY_S = 900.0


def link(host: Host, name: str) -> str:
    """Give a payload the name that it came with, in a folder of its own, and hash what will be started; its path.

    Raises:
        ActionFailed: the file is missing, or not the one of the plan.
    """
    payload = host.payload(name)
    path = os.path.join(folder_of(host, payload["digest"]), os.path.basename(payload["file"]))
    return place(host.blob(payload["digest"]), path, payload["digest"], name)


def folder_of(host: Host, digest: str) -> str:
    """The folder in which a payload has its own name while it is at work."""
    return os.path.join(host.root, "work", digest[:16])


def place(blob: str, path: str, digest: str, name: str) -> str:
    """A second name for a file of ours, or a copy where the disk knows no second names.

    Raises:
        ActionFailed: as ``link``.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        if os.path.lexists(path):
            os.unlink(path)
        try:
            os.link(blob, path)
        except FileNotFoundError:
            raise
        except OSError:
            shutil.copyfile(blob, path)
        whole = sha256_of_file(path) == digest
    except FileNotFoundError as error:
        reason = text(f"Berkas {name} tidak ada di komputer ini.", f"The file {name} is not on this computer.")
        raise ActionFailed(reason, {"path": path}) from error
    except OSError as error:
        reason = text(f"Berkas {name} tidak dapat disiapkan: {error}", f"The file {name} cannot be prepared: {error}")
        raise ActionFailed(reason, {"path": path}) from error
    if not whole:
        reason = text(
            f"Berkas {name} di komputer ini rusak: SHA-256 tidak sama dengan rencana.",
            f"The file {name} on this computer is damaged: its SHA-256 is not the plan's.",
        )
        raise ActionFailed(reason, {"path": path})
    return path


def unlink(path: str) -> None:
    """Take the second name away, and its folder; what still holds it open keeps it until the computer is cleaned."""
    for remove, what in ((os.unlink, path), (os.rmdir, os.path.dirname(path))):
        try:
            remove(what)
        except OSError:
            return


def note_path(host: Host, name: str) -> str:
    """Where something is remembered beyond a run; ``name`` is a product code, or a digest."""
    return os.path.join(host.root, "installers", name.strip("{}").lower() + ".json")


def note(host: Host, name: str, content: dict[str, Any]) -> None:
    """Remember how something is installed, whole or not at all."""
    save(note_path(host, name), content)


def noted(host: Host, name: str) -> dict[str, Any]:
    """What is remembered; empty where nothing is."""
    return load(note_path(host, name)) or {}


def forget(host: Host, name: str) -> None:
    """Remember it no longer."""
    path = note_path(host, name)
    if os.path.exists(path):
        os.unlink(path)


def services_now(host: Host) -> dict[str, list[str]]:
    """The services that may be of programs: by name their state and how they start. Windows' own are left out."""
    from agent.windows import scm

    found = {}
    for row in scm.services():
        config = scm.config(row.name)
        if config is not None and "\\windows\\" not in config.command.lower():
            service = host.services.read(row.name)
            found[row.name] = [service.active, service.start]
    return found


def services_back(host: Host, before: dict[str, list[str]]) -> list[str]:
    """Start what ran, and let it start as it did, where an installer made the service anew; which it were.

    Raises:
        ActionFailed: one of them does not.
    """
    done = []
    for name, (active, start) in before.items():
        now = host.services.read(name)
        if not now.known:
            continue
        if now.start != start:
            host.services.set_enabled(name, start)
            done.append(f"{name}: {start}")
        if active == "active" and now.active != "active":
            host.services.start(name)
            done.append(f"{name}: {active}")
    return done


def call(
    host: Host,
    argv: Sequence[str],
    *,
    maker: str,
    timeout_s: float,
    removing: bool = False,
    directory: str | None = None,
) -> Said:
    """Let an installer do something, and again for as long as another one is in its way; what its code claims.

    Args:
        host: this computer.
        argv: the program and its words.
        maker: whose codes it ends with; ``plain`` where nobody knows.
        timeout_s: of one try.
        removing: what is not there is what was asked for.
        directory: where it runs.

    Returns:
        The claim, and the evidence.

    Raises:
        ActionFailed: it cannot be started, or was stopped.
    """
    if maker == "nsis":
        argv = [argv[0], *of_nsis(argv[1:])]
    deadline, tries = time.monotonic() + min(BUSY_S, timeout_s), 0
    while True:
        tries += 1
        result = run(host, argv, timeout_s=timeout_s, directory=directory)
        said = meaning(maker, result.code or 0, removing=removing)
        pause_s = PAUSES_S[min(tries, len(PAUSES_S)) - 1]
        if not said.waits or time.monotonic() + pause_s > deadline:
            return said, {**result.evidence(), **claimed(said, host), **({"tries": tries} if tries > 1 else {})}
        time.sleep(pause_s)


def meaning(maker: str, code: int, *, removing: bool) -> Meaning:
    """What a code claims. A set-up of nobody's making ends with 0, and often with Windows Installer's codes."""
    if maker in codes.MAKERS:
        return codes.meaning(maker, code, removing=removing)
    found = codes.find(PLAIN, code & 0xFFFFFFFF, removing=removing)
    return found or codes.unknown(maker, code)


def reason_of(said: Meaning, evidence: dict[str, Any]) -> dict[str, str]:
    """Why what was asked for has not come about; a claim that it has is none."""
    if not said.succeeded:
        return said.reason
    name, code = os.path.basename(evidence["argv"][0]), evidence["exit_code"]
    return text(
        f"{name} berakhir dengan kode {code}, tetapi yang diminta tidak terjadi.",
        f"{name} ended with code {code}, but what was asked for has not come about.",
    )


def claimed(meaning: Meaning, host: Host) -> dict[str, Any]:
    """What an exit code claims, for the evidence: its kind; where it wants a reboot, in which boot it said so."""
    said: dict[str, Any] = {"claims": meaning.kind}
    if meaning.reboots:
        said["reboot"] = {"kind": meaning.kind, "boot": host.boot_id()}
    return said
