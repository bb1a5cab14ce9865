"""Where the line and the work part: a process that outlives the line goes on, and the contact follows its journal."""

from __future__ import annotations

import os
import sys
import time

import agent
from agent import alone, lock
from agent.host import detached, native
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from typing import Any

    from agent.host import Host
    from agent.inbox import Inbox, Outbox

POLL_S = 0.01
"""How often a follower looks for new records at first: a read, some 10 µs."""
LONGEST_POLL_S = 0.5
"""… and when nothing has come for ten seconds."""
HEARD_S = 60.0
"""How often a follower notes that the controller is still there, for a run that counts how long nobody is."""
PATIENCE_S = 15.0
"""How long a detached process may take to show itself."""
LETTING_GO_S = 5.0
"""How long it may take from its last record to its end."""
FULL_BYTES = 64 * 1024
"""With less the journal cannot go on."""


def detach(host: Host, folder: str, job: dict[str, Any]) -> None:
    """Let the run go on in a process that outlives this line."""
    detached.start(host, folder, program("run", folder), job["id"])


def program(verb: str, folder: str) -> list[str]:
    """The command line of the life that outlives the line: the file that we run from runs by itself (agent/bundle.py).

    Args:
        verb: as in ``agent.__main__.main``.
        folder: the run's.
    """
    spec = agent.__spec__
    assert spec is not None  # noqa: S101 - for the type checker, as below: we were imported
    assert spec.origin is not None  # noqa: S101
    return [sys.executable, "-I", "-S", spec.origin, verb, folder]


def follow(host: Host, job: dict[str, Any], outbox: Outbox, inbox: Inbox, *, after: int = 0) -> None:
    """Send the journal from ``job["from"]`` on, until the run has ended or waits, or the controller has gone.

    Args:
        host: this computer.
        job: the first frame.
        outbox: to the controller.
        inbox: from it; its end is looked for.
        after: a process was just started that goes on after so many records: that the run waited before it is past.
    """
    path = os.path.join(host.root, "runs", job["id"], "journal.ndjson")
    with native.open_followed(path) as file:
        outbox.sync = lambda: os.fsync(file.fileno())  # its writer need not have done so yet
        try:
            tell(file, host, job, outbox, inbox, after=after)
        finally:
            outbox.sync = lambda: None


def tell(file: FileIO, host: Host, job: dict[str, Any], outbox: Outbox, inbox: Inbox, *, after: int) -> None:
    """As ``follow``, for a journal that is open."""
    count, last = 0, b""
    seen_at = heard_at = time.monotonic()
    while True:
        data = file.read() or b""
        # Half a line is read again: whoever goes on after a crash writes another in its place.
        *lines, rest = data.split(b"\n")
        file.seek(-len(rest), os.SEEK_CUR)
        if lines:
            for line in lines:
                count += 1
                if count > job["from"]:
                    outbox.line(line + b"\n")
            last = lines[-1]
            outbox.flush()
            seen_at = time.monotonic()
            if last.startswith(b'{"type":"run_ended"'):
                wait_for_release(host.root, job["id"])
                return
            if count > after and last.startswith(b'{"type":"waiting"'):
                return
            continue
        if inbox.is_closed():
            return
        if time.monotonic() - heard_at > HEARD_S:
            heard_at = time.monotonic()
            alone.heard(os.path.join(host.root, "runs", job["id"]), host.boot_id())
        if time.monotonic() - seen_at > PATIENCE_S and not lock.is_at_work(host.root, job["id"]):
            outbox.send({"answer": "fault", "code": "agent_stopped", "reason": why_stopped(host.root)})
            return
        time.sleep(min(LONGEST_POLL_S, POLL_S + (time.monotonic() - seen_at) / 20))


def wait_for_release(root: str, run: str) -> None:
    """Wait until the process of a run that has ended lets go of the computer: the next run may begin at once."""
    deadline = time.monotonic() + LETTING_GO_S
    while lock.is_at_work(root, run) and time.monotonic() < deadline:
        time.sleep(POLL_S)


def why_stopped(root: str) -> dict[str, str]:
    """What can be said of an agent that is gone without a last word: on a full disk it cannot leave one."""
    if native.free_bytes(root) < FULL_BYTES:
        return text(
            f"agen berhenti di tengah pekerjaan: disk tempat {root} penuh; kosongkan dulu",
            f"the agent stopped in the middle: the disk of {root} is full; make room first",
        )
    return text("agen berhenti di tengah pekerjaan", "the agent stopped in the middle")
