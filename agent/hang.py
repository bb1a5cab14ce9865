"""A program that does not get on: seen, recorded as it stands, and stopped with all that it started.

It gets on as long as anything of its tree takes CPU, reads or writes, as its output grows, or as children come and go.
"""

from __future__ import annotations

import os
import time

from agent import program
from agent.host import calls, start, trees
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Callable, Sequence

    from agent.host.trees import Part
    from agent.redact import Redactor

LEAST_CPU = 0.01
"""Of one core. A program that only waits, and wakes now and then as some runtimes do, takes less."""
PROCESSES = 40
"""So many are recorded."""
COMMAND_LIMIT = 300
QUESTION_LIMIT = 200
WINDOW_LIMIT = 200
QUESTION = r"(?:[?:>]|[\[(][^\[\]()]*[A-Za-z][^\[\]()]*[\])])\s*$"
"""How a line ends after which an answer is waited for: ``Continue? [y/N]``, ``Name:``, ``>``."""
COLOURS = r"\x1b\[[0-9;?]*[A-Za-z]"
SECRETS = (
    (r"(?i)([\w-]*(?:passw|passphrase|secret|token|api[_-]?key|credential|sandi)[\w-]*\s*[=:]\s*)\S+", r"\1***"),
    (r"(?i)(--?[\w-]*(?:passw|passphrase|secret|token|api[_-]?key|credential|sandi)[\w-]*\s+)\S+", r"\1***"),
    (r"(://[^\s/:@]*:)[^\s@]*@", r"\1***@"),
)
"""In command lines of others; those of the plan are known."""


class Watch:
    """One program that has been running for a while."""

    def __init__(
        self,
        pid: int,
        mark: str,
        since: int,
        outputs: Sequence[BinaryIO],
        secrets: Redactor,
        *,
        wait: Callable[[int, float], int | None] = start.wait,
    ) -> None:
        """Begin to look at it.

        Args:
            pid: the program.
            mark: a line of the environment that it was started with.
            since: when it was started, in ticks since boot.
            outputs: the files it writes to.
            secrets: what no record may say of it.
            wait: waits for its end so long; None where it has not ended.
        """
        self._pid = pid
        self._wait = wait
        self._tree = trees.Tree(pid, mark, since)
        self._outputs = outputs
        self._secrets = secrets
        self._parts: dict[int, Part] = {}
        self._moved_at = time.monotonic()

    def wait(self, deadline: float, stall_s: float | None) -> tuple[int | None, dict[str, Any] | None]:
        """Wait for its end, or stop it where it takes too long or does not get on.

        Args:
            deadline: when it takes too long, on the monotonic clock.
            stall_s: how long it may go without getting on; None: nobody looks.

        Returns:
            Its exit code and None; or None and how it was stopped.
        """
        every_s = program.look_s(stall_s) if stall_s is not None else 0.0
        last: tuple[object, ...] = ()
        cpu, looked_at = 0, 0.0
        while stall_s is not None:
            now = time.monotonic()
            if now >= deadline:
                break
            self._parts = self._tree.parts()
            seen = self._seen()
            used = sum(part.ticks for part in self._parts.values())
            if seen != last or used - cpu >= LEAST_CPU * (now - looked_at) * start.ticks_per_s():
                self._moved_at = now
            if now - self._moved_at >= stall_s:
                return None, self.stop("stall")
            last, cpu, looked_at = seen, used, now
            code = self._wait(self._pid, min(every_s, deadline - now, self._moved_at + stall_s - now))
            if code is not None:
                return code, None
        return None, self.stop("timeout")

    def stop(self, why: str) -> dict[str, Any]:
        """Record it as it stands and stop it, whole.

        Args:
            why: ``stall``, ``timeout``, ``order`` or ``orphan``.

        Returns:
            As ``stopped`` stands in ``docs/records.md``.
        """
        began = time.monotonic()
        self._parts = self._tree.parts(everywhere=True)
        seen = {
            "why": why,
            "idle_s": round(began - self._moved_at, 1),
            **picture(self._parts, self._said(), self._secrets),
        }
        left = self._tree.stop()
        self._wait(self._pid, 0.5)
        seen["seconds"] = round(time.monotonic() - began, 3)
        return {**seen, **({"left": [command_of(part, self._secrets) for part in left]} if left else {})}

    def _seen(self) -> tuple[object, ...]:
        """What changes where it gets on, but for the CPU it takes."""
        sizes = [os.fstat(file.fileno()).st_size for file in self._outputs]
        moved = [
            (pid, part.began, part.faults, trees.transferred_bytes(pid)) for pid, part in sorted(self._parts.items())
        ]
        return (sizes, moved)

    def _said(self) -> str:
        """The end of what it wrote: of its two outputs the one that asks."""
        tails = [self._secrets.text(program.tail(file, self._secrets)) for file in self._outputs]
        return next((tail for tail in tails if question(tail)), "")


def picture(parts: dict[int, Part], said: str, secrets: Redactor) -> dict[str, Any]:
    """A tree as it stands, and what it seems to wait for."""
    rows = [row_of(part, secrets) for part in sorted(parts.values(), key=lambda part: (part.began, part.pid))]
    prompts = [{"pid": row["pid"], "reads": row["call"]} for row in rows if calls.reads_an_answer(row.get("call"))]
    asks = question(said)
    found: dict[str, Any] = {"processes": rows[-PROCESSES:], "waits": waits_for(rows, asks)}
    if prompts or asks:
        found["prompts"] = [*prompts, *([{"asks": asks}] if asks else [])]
    return found


def row_of(part: Part, secrets: Redactor) -> dict[str, Any]:
    """A process for the record."""
    row = {"pid": part.pid, "parent": part.parent, "command": command_of(part, secrets), "state": part.state}
    seen = calls.seen(part)
    if "window" in seen:
        seen["window"] = secrets.head(seen["window"], WINDOW_LIMIT)
    return {**row, "began": moment(calls.began_at(part)), **seen}


def command_of(part: Part, secrets: Redactor) -> str:
    """A process's command line without what is or looks secret; its name where it has none."""
    line = " ".join(secrets.text(" ".join(trees.words_of(part.pid))).split()) or f"[{part.name}]"
    import re  # for what is stopped, which is rare

    for pattern, instead in SECRETS:
        line = re.sub(pattern, instead, line)
    return line if len(line) <= COMMAND_LIMIT else line[: COMMAND_LIMIT - 1] + "…"


def question(said: str) -> str:
    """The last line of an output, where it has no end and looks like a question; else empty."""
    import re

    last = re.sub(COLOURS, "", said.rpartition("\n")[2]).strip()
    return last[-QUESTION_LIMIT:] if re.search(QUESTION, last) else ""


def waits_for(rows: Sequence[dict[str, Any]], asks: str) -> dict[str, str] | None:
    """What a tree seems to wait for; None where nothing is left of it."""
    if asks:
        return text(f"menunggu jawaban atas “{asks}”", f"waiting for an answer to “{asks}”")
    for row in (row for row in rows if row.get("window")):
        title = row["window"]
        return text(f"menunggu jawaban di jendela “{title}”", f"waiting for an answer in the window “{title}”")
    typed = [row for row in rows if "stdin" not in row.get("call", "") or " /dev/" in row["call"]]
    for row in (row for row in typed if calls.reads_an_answer(row.get("call"))):
        who = named(row)
        return text(f"menunggu jawaban di terminal: {who}", f"waiting for an answer at a terminal: {who}")
    parents = {row["parent"] for row in rows}
    last = [row for row in rows if row["pid"] not in parents]  # what waits for nothing else of the tree
    for row in reversed([row for row in last if "unit" in row]):
        who = f"{row['unit']}: {named(row)}"
        return text(f"menunggu layanan {who}", f"waiting for the service {who}")
    for row in reversed(last):
        return text(f"menunggu {named(row)}", f"waiting for {named(row)}")
    return None


def named(row: dict[str, Any]) -> str:
    """A process in a sentence."""
    command = row["command"] if len(row["command"]) <= 80 else row["command"][:79] + "…"
    call = f", {row['call']}" if row.get("call") else ""
    return f"{command} (pid {row['pid']}{call})"


def moment(seconds: float) -> str:
    """A time of the epoch, RFC 3339 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
