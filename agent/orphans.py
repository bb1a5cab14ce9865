"""A program that outlives the agent which started it: killing the agent leaves its programs at work.

Whoever goes on with the run finds it by what the lock tells of it, and waits for it or stops it. To do its work again
beside it would be doing it twice. Other runs are kept away by it.
"""

from __future__ import annotations

import time

from agent import lock, program
from agent.actions import how_stopped
from agent.hang import Watch
from agent.host import start, trees
from agent.protocol import text
from agent.stopping import Stopped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host
    from agent.redact import Redactor
    from agent.run import Run


class Orphan:
    """A program whose agent has gone."""

    def __init__(self, root: str, pid: int, note: dict[str, Any], secrets: Redactor) -> None:
        """Get hold of it.

        Args:
            root: the agent's folder.
            pid: its process.
            note: as ``lock.note_program`` has it.
            secrets: what no record may say of it.
        """
        self._root = root
        self._note = note
        self._secrets = secrets
        self.argv = trees.words_of(pid)
        self._outputs = trees.outputs(pid, root, note["mark"])
        self._watch = Watch(pid, note["mark"], note["since"], self._outputs, secrets, wait=ended)

    def seconds(self) -> float:
        """How long it has been at work."""
        return (start.boot_ticks() - int(self._note["since"])) / start.ticks_per_s()

    def wait(self) -> dict[str, Any]:
        """Wait for its end, for as long as it was allowed when it began; how it ended is not known then.

        Returns:
            Evidence; with ``stopped`` where it did not get on, or took too long.

        Raises:
            Stopped: a person wants it stopped; it was.
        """
        try:
            left_s = self._note["timeout_s"] - self.seconds()
            _, stopped = self._watch.wait(time.monotonic() + left_s, self._note["stall_s"])
        except Stopped as order:
            order.evidence = self._seen_to(self._watch.stop("order"))
            raise
        return self._seen_to(stopped)

    def stop(self) -> dict[str, Any]:
        """Stop it, with all it started; evidence."""
        return self._seen_to(self._watch.stop("orphan"))

    def _seen_to(self, stopped: dict[str, Any] | None) -> dict[str, Any]:
        """It has ended, or was stopped: nobody need know of it any more. Until then the lock tells of it."""
        lock.note_program(self._root, None)
        output = "".join(program.tail(file, self._secrets) for file in self._outputs).strip()
        for file in self._outputs:
            file.close()
        evidence = {"argv": self.argv, "exit_code": None, "output": self._secrets.tail(output, program.EVIDENCE_LIMIT)}
        return {**evidence, **({"stopped": stopped} if stopped else {})}


def wait(run: Run, step: int) -> dict[str, str] | None:
    """Wait for what is left at work, as for a program of our own; why it had to be stopped, where it had.

    Raises:
        Stopped: a person wants it stopped; it was.
    """
    orphan = find(run.host)
    if orphan is None:
        return None
    evidence = orphan.wait()
    run.note("orphan", durable=True, step=step, evidence=evidence)
    if "stopped" not in evidence:
        return None
    how = how_stopped(evidence["stopped"], orphan.seconds())
    return text(f"{orphan.argv[0]} {how['id']}.", f"{orphan.argv[0]} {how['en']}.")


def stop(run: Run) -> None:
    """Stop what is left at work, before it is taken back."""
    orphan = find(run.host)
    if orphan is not None:
        run.note("orphan", durable=True, step=8, evidence=orphan.stop())


def find(host: Host) -> Orphan | None:
    """The program that an earlier process of this run has left at work; None where nothing is."""
    root = host.root
    note = lock.program_of(root)
    if note is None:
        return None
    pid = lock.leader(note)
    if pid:
        return Orphan(root, pid, note, host.secrets)
    lock.note_program(root, None)
    return None


def ended(pid: int, timeout_s: float) -> int | None:
    """Wait for a process that is not our child, as ``program.wait``; its exit code is not known, and is told as 0."""
    deadline = time.monotonic() + timeout_s
    while trees.row_of(pid) is not None:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return None
        time.sleep(min(0.1, left_s))
    return 0
