"""Programs of the computer: started by argv, never by a shell of ours; output bounded; stopped with all they started.

How a program is started is the platform's (``agent.host.start``). Not by ``subprocess`` and ``tempfile``: importing
them costs every computer a sixth of what the agent may take, and their waiting looks for the end of a program in steps
of up to 50 ms.
"""

from __future__ import annotations

import os
import time

from agent.host import start
from agent.redact import NOTHING, Redactor
from agent.stopping import Stopped, held

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Mapping, Sequence

    from agent.hang import Watch

OUTPUT_LIMIT_BYTES = 64 * 1024
"""How much of a program's output is kept: its end, where the reason stands."""
EVIDENCE_LIMIT = 2000
"""Characters of it that a record keeps."""
TIMEOUT_S = 900.0
WIDEST_BYTES = 4
"""Of a character in whatever encoding."""
MARK = "PASANG_PROGRAM"
"""Stands in the environment of a program and of all that it starts: by it they are found again wherever they went."""
LOOKS = 20
"""So often within the time that a program may take without getting on is looked whether it does."""
SHORTEST_LOOK_S = 1.0
LONGEST_LOOK_S = 10.0


class Result:
    """How a program ended. ``code`` is None where we stopped it, negative for a signal."""

    __slots__ = ("argv", "code", "err", "out", "seconds", "secrets", "stopped")

    def __init__(
        self,
        argv: Sequence[str],
        code: int | None,
        out: str,
        err: str,
        seconds: float,
        stopped: dict[str, Any] | None = None,
        secrets: Redactor = NOTHING,
    ) -> None:
        self.argv = list(argv)
        self.code = code
        self.out = out
        self.err = err
        self.seconds = seconds
        self.stopped = stopped
        """Where we stopped it: why, and what it was doing (``agent.hang``)."""
        self.secrets = secrets
        """Whatever quotes ``out`` or ``err`` in part asks these to do it."""

    @property
    def ok(self) -> bool:
        """Whether the program says it succeeded: evidence, never proof."""
        return self.code == 0

    @property
    def said(self) -> str:
        """What it said of its trouble, or else at all; without secrets."""
        return self.secrets.text(self.err.strip() or self.out.strip())

    def evidence(self) -> dict[str, Any]:
        """What a record keeps of it."""
        output = self.secrets.tail((self.out + self.err).strip(), EVIDENCE_LIMIT)
        evidence = {"argv": self.argv, "exit_code": self.code, "output": output}
        return {**evidence, "seconds": round(self.seconds, 3), **({"stopped": self.stopped} if self.stopped else {})}


def run(
    argv: Sequence[str],
    *,
    timeout_s: float = TIMEOUT_S,
    stall_s: float | None = None,
    root: str | None = None,
    secrets: Redactor = NOTHING,
    environment: Mapping[str, str] | None = None,
    directory: str | None = None,
    stdin: bytes = b"",
    line: str | None = None,
) -> Result:
    """Run a program to its end.

    Output goes to files, not pipes, so that a daemon which keeps the descriptors open cannot hold us.

    Args:
        argv: the program and its arguments; ``~/`` at the beginning of one is the home of whoever we are.
        timeout_s: after this the program is stopped, with all that it started.
        stall_s: so is it when it has not got on for so long; None: nobody looks whether it does.
        root: the agent's folder; while it runs the lock there tells of it, for whoever goes on after we were killed.
        secrets: what no record may say of it.
        environment: added to a small, fixed environment (C.UTF-8, a full PATH).
        directory: where it runs.
        stdin: what it may read.
        line: on Windows, the command line as a whole where the program minds how that is quoted.

    Raises:
        OSError: it cannot be started (missing, not executable).
        Stopped: a person wants it stopped; it was.
    """
    from agent import lock

    label = os.urandom(8).hex()
    env = {MARK: label, **start.environment(), **(environment or {})}
    argv = [os.path.expanduser(part) if part.startswith("~/") else part for part in argv]
    began, since, pid = time.monotonic(), start.boot_ticks(), 0
    mark = f"{MARK}={label}"
    note = {"pid": pid, "mark": mark, "since": since, "timeout_s": timeout_s, "stall_s": stall_s}
    place = os.path.join(root or "", label)
    stopped: dict[str, Any] | None = None
    watch: Watch | None = None
    outputs = start.scratch(name=place + ".out"), start.scratch(name=place + ".err")

    def ended(code: int | None) -> Result:
        said = [tail(file, secrets) for file in outputs]
        return Result(argv, code, said[0], said[1], time.monotonic() - began, stopped, secrets)

    with outputs[0] as out, outputs[1] as err, start.scratch(stdin) as given:
        try:
            with held():  # from here on there is a process that nobody else knows of
                if root:
                    lock.note_program(root, note)  # by its mark it is found even if we die before we know its number
                files = given.fileno(), out.fileno(), err.fileno()
                pid = start.spawn(argv, env, directory, files, label, line)
                if root:
                    lock.note_program(root, {**note, "pid": pid})
            code = start.wait(pid, min(timeout_s, timeout_s if stall_s is None else look_s(stall_s)))
            if code is None:
                from agent.hang import Watch  # most programs end before anybody looks

                watch = Watch(pid, mark, since, outputs, secrets)
                code, stopped = watch.wait(began + timeout_s, stall_s)
        except Stopped as order:
            if pid:
                from agent.hang import Watch

                stopped = (watch or Watch(pid, mark, since, outputs, secrets)).stop("order")
                order.evidence = ended(None).evidence()
            raise
        finally:
            if root:
                lock.note_program(root, None)
        return ended(code)


def look_s(stall_s: float) -> float:
    """How long to wait between two looks at a program: a look costs the computer up to some milliseconds."""
    return min(LONGEST_LOOK_S, max(SHORTEST_LOOK_S, stall_s / LOOKS))


def tail(stream: BinaryIO, secrets: Redactor) -> str:
    """The last part of what was written to a file; it does not begin within a secret."""
    size = stream.seek(0, os.SEEK_END)
    begin = max(0, size - OUTPUT_LIMIT_BYTES + 1) & ~1  # a character of UTF-16 is two bytes
    margin = min(begin, secrets.longest * WIDEST_BYTES)
    stream.seek(begin - margin)
    data = stream.read()
    found = start.decoded(data[margin:])
    return secrets.behind(start.decoded(data), len(found)) if margin else found
