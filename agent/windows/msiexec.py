"""Windows Installer at work: one call, with its log."""

from __future__ import annotations

import os
import time

from agent.actions import ActionFailed
from agent.protocol import text
from agent.windows import installers, products

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from agent.codes import Meaning
    from agent.host import Host
    from agent.redact import Redactor
    from agent.windows.installers import Said

TIMEOUT_S = 3600.0
QUIET = ("/qn", "/norestart")
"""Source: https://learn.microsoft.com/windows/win32/msi/command-line-options."""
LOOK_S = 0.2
READ_BYTES = 8 * 1024 * 1024
"""Of a log that is read: its end. The first action that failed stands near it, for what follows is the way back."""
TAIL_LINES, LINE_LENGTH, BEFORE = 12, 300, 5
FAILED = ("Return value 3.", "Return value 2.")
"""An action that failed, was cancelled. Source: https://learn.microsoft.com/windows/win32/msi/logging-of-action-return-values."""
WINE, WHOLE = "Return value 0.", (": INSTALL.", ": InstallFinalize.")
"""Wine's word for the first, and for what was left out; the last that is no frame around others is what failed."""
DULL = ("Property(", "=== ", "Action start ", "MSI (c) ")


def program() -> str:
    """Windows' own msiexec.exe, never one that lies nearer."""
    return os.path.join(os.environ.get("SYSTEMROOT") or "C:\\Windows", "System32", "msiexec.exe")


def call(host: Host, words: Sequence[str], *, timeout_s: float, removing: bool = False) -> Said:
    """Let Windows Installer do something, without a question; what its code claims, and the evidence.

    Args:
        host: this computer.
        words: what, as msiexec takes it.
        timeout_s: of one try.
        removing: what is not there is what was asked for.

    Raises:
        ActionFailed: it cannot be started, or was stopped.
    """
    log = os.path.join(host.root, "work", "msiexec.log")
    os.makedirs(os.path.dirname(log), exist_ok=True)
    remove(log)
    argv = [program(), *words, *QUIET, "/l*v", log]
    try:
        said, evidence = installers.call(host, argv, maker="msiexec", timeout_s=timeout_s, removing=removing)
    except ActionFailed as failed:
        failed.evidence.update(read_log(log, host.secrets))
        raise
    else:
        return said, evidence if said.succeeded else {**evidence, **read_log(log, host.secrets)}
    finally:
        remove(log)


def wait(timeout_s: float) -> float:
    """Wait until no installation is at work; how long that took."""
    began = time.monotonic()
    while products.is_busy() and time.monotonic() - began < timeout_s:
        time.sleep(LOOK_S)
    return round(time.monotonic() - began, 3)


def reason_of(said: Meaning, evidence: dict[str, Any]) -> dict[str, str]:
    """Why it did not come about: what the code means, and what the log says of it."""
    reason, why = installers.reason_of(said, evidence), evidence.get("why") or []
    if not why:
        return reason
    last = "; ".join(why[-2:])
    return text(f"{reason['id']} Log: {last}", f"{reason['en']} Log: {last}")


def read_log(path: str, secrets: Redactor) -> dict[str, Any]:
    """The end of a log, and the lines that say why; empty where there is none."""
    try:
        with open(path, "rb") as file:
            head = file.read(2)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - READ_BYTES) & ~1)
            data = file.read()
    except OSError:
        return {}
    content = data.decode("utf-16-le" if head == b"\xff\xfe" else "mbcs" if os.name == "nt" else "cp1252", "replace")
    content = secrets.text(content.lstrip("\ufeff"))
    lines = [line.strip()[:LINE_LENGTH] for line in content.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(DULL)]
    return {"log": telling[-TAIL_LINES:], "why": why(telling)}


def why(lines: Sequence[str]) -> list[str]:
    """The first action that did not succeed, with the lines before it that may tell why."""
    for mark in FAILED:
        places = [place for place, line in enumerate(lines) if line.endswith(mark)]
        if places:
            return list(lines[max(0, places[0] - BEFORE) : places[0] + 1])
    wine = [place for place, line in enumerate(lines) if line.endswith(WINE) and not any(w in line for w in WHOLE)]
    return list(lines[max(0, wine[-1] - BEFORE) : wine[-1] + 1]) if wine else []


def remove(path: str) -> None:
    """Remove a log of ours; one that is still held open is overwritten the next time."""
    try:
        os.unlink(path)
    except OSError:
        return
