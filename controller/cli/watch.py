"""Watching a run: a live table on a terminal, NDJSON for programs, and silence but for the end elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from controller.cli.common import LANGUAGE, NOTHING, say, written
from controller.errors import PasangError
from controller.text import said

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from controller.records import Record
    from controller.run.opening import RunResult
    from controller.run.work import HostResult, HostWork

ROWS = 30
"""How many computers the live table shows at once: those at work first."""


LOOKS = frozenset({"requirement", "detected", "planned", "probe"})
"""Records that people want to see of commands that only look."""


class Quiet:
    """Prints nothing until the end; the base of the others."""

    def __init__(self) -> None:
        self.looked: dict[str, list[Record]] = {}
        """By computer, in order: what a command that only looks has found."""
        self._is_prepared = False

    def event(self, record: Record) -> None:
        """See ``Observer``."""
        if record["type"] in LOOKS:
            self.looked.setdefault(str(record["host"]), []).append(record)

    def asked(self, host: str) -> None:  # noqa: ARG002 - whichever is the first
        """See ``Observer``."""
        if not self._is_prepared:
            self._is_prepared = True  # what the end needs is loaded while the computers work
            threading.Thread(target=import_module, args=("controller.cli.summary",), daemon=True).start()

    def pushing(self, host: str, name: str, sent_bytes: int, size_bytes: int) -> None:
        """See ``Observer``."""

    def ended(self, work: HostWork, result: HostResult) -> None:
        """See ``Observer``."""

    def finished(self, result: RunResult) -> None:
        """The summary: a row a computer, and numbers that add up."""
        from controller.cli.summary import print_summary

        print_summary(result, self.looked)

    def nothing_open(self) -> None:
        """Nothing was left open."""
        print(say("tidak ada yang perlu dilanjutkan", "nothing is left open"))


class Lines(Quiet):
    """``--json``: one object a line on stdout, nothing else there."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._run: object = None
        self._ended: list[tuple[HostWork, HostResult]] = []

    def asked(self, host: str) -> None:
        """Nothing has to be loaded."""

    def event(self, record: Record) -> None:
        """See ``Observer``."""
        self._run = record.get("run") or self._run
        self._print({k: v for k, v in record.items() if k not in ("writer",) and v != ""})

    def ended(self, work: HostWork, result: HostResult) -> None:
        """See ``Observer``."""
        with self._lock:
            self._ended.append((work, result))

    def finished(self, result: RunResult) -> None:
        """The ``summary`` record."""
        self._print(result.summary(LANGUAGE))

    def nothing_open(self) -> None:
        """A summary of nothing, so that programs find one."""
        self._print(NOTHING)

    def so_far(self) -> Record:
        """Of a summary what is known when the run is ended by an error."""
        from controller.run.work import summed

        return {"run": self._run, **summed(self._ended, LANGUAGE)}

    def _print(self, record: Record) -> None:
        line = written(record) + "\n"
        with self._lock:
            sys.stdout.write(line)
            sys.stdout.flush()


class Row:
    """One computer in the live table."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.step: int | None = None
        self.title = ""
        self.began = time.monotonic()
        self.push: tuple[str, int, int] | None = None
        self.outcome: str | None = None
        self.is_down = False
        """It reboots: that its line drops is no news."""
        self.seconds = 0.0


class Live(Quiet):
    """A table that lives: a row a computer and its step, bars for what is being sent."""

    def __init__(self, console: Console, total: int) -> None:
        super().__init__()
        self._rows: dict[str, Row] = {}
        self._lock = threading.Lock()
        self._total = total
        self._console = console

    def event(self, record: Record) -> None:
        """See ``Observer``."""
        super().event(record)
        host, kind = str(record.get("host") or ""), record["type"]
        if not host:
            return
        with self._lock:
            row = self._rows.setdefault(host, Row(host))
            if kind == "step_started":
                row.step, row.title, row.push = int(record["step"]), "", None
                row.outcome = None
            elif kind == "reboot":
                row.is_down = record.get("state") == "begun"
                row.title = say("komputer dinyalakan ulang", "the computer reboots") if row.is_down else ""
            elif kind in ("intent", "probe", "requirement"):
                row.title = str((record.get("title") or {}).get(LANGUAGE, ""))
            elif kind == "line_lost" and not row.is_down:
                row.title, row.push = say("sambungan terputus; dicoba lagi", "the line dropped; trying again"), None
            elif kind == "resumed" and not row.is_down:
                row.title = ""
            elif kind == "held":
                row.title = said(record["reason"], LANGUAGE)

    def pushing(self, host: str, name: str, sent_bytes: int, size_bytes: int) -> None:
        """See ``Observer``."""
        with self._lock:
            self._rows.setdefault(host, Row(host)).push = (name, sent_bytes, size_bytes)

    def ended(self, work: HostWork, result: HostResult) -> None:
        """See ``Observer``."""
        with self._lock:
            row = self._rows.setdefault(work.host.name, Row(work.host.name))
            row.outcome, row.seconds, row.push = result.outcome, result.seconds, None
            row.title = said(result.reason, LANGUAGE) if result.holder else ""

    def __rich__(self) -> Table:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text as Styled

        from controller import sop
        from controller.cli.summary import shown
        from controller.form.wording import number

        with self._lock:
            rows = sorted(self._rows.values(), key=lambda r: (r.outcome is not None, r.host))
            done = sum(row.outcome is not None for row in rows)
            total = max(self._total, len(rows))
            table = Table(
                title=say(f"{done} dari {total} komputer selesai", f"{done} of {total} computers done"),
                title_justify="left",
            )
            table.add_column(say("Komputer", "Computer"), no_wrap=True, min_width=10)
            table.add_column(say("Langkah", "Step"), no_wrap=True, ratio=1, min_width=6)
            table.add_column("", ratio=1, no_wrap=True, min_width=8)
            table.add_column(say("Detik", "Seconds"), justify="right", no_wrap=True, min_width=6)
            now = time.monotonic()
            for row in rows[:ROWS]:
                step = f"{row.step:>2} {sop.step(row.step).activity.say(LANGUAGE)[:40]}" if row.step else ""
                detail: Any = Styled(row.title)  # never as markup: it holds what people and programs wrote
                if row.outcome:
                    detail = shown(row.outcome)
                    if row.title:
                        detail = Styled.assemble(detail, ": ", row.title)
                elif row.push and row.push[2]:
                    detail = ProgressBar(total=row.push[2], completed=row.push[1], width=30)
                seconds = row.seconds if row.outcome else now - row.began
                table.add_row(Styled(row.host), step, detail, number(seconds, 1).say(LANGUAGE))
            if len(rows) > ROWS:
                table.caption = say(f"dan {len(rows) - ROWS} lagi", f"and {len(rows) - ROWS} more")
        return table


@contextmanager
def observer(*, json: bool, total: int) -> Iterator[Quiet]:
    """Whoever watches fits the place: NDJSON, a live table on a terminal, or nothing."""
    if json:
        lines = Lines()
        try:
            yield lines
        except PasangError as error:
            error.so_far = lines.so_far()
            raise
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live as Screen

        console = Console(stderr=True)
        table = Live(console, total)
        with Screen(table, console=console, refresh_per_second=8, transient=True) as screen:
            yield _Closing(table, screen)
    else:
        yield Quiet()


class _Closing(Quiet):
    """The live table, taken off the screen before the summary is printed."""

    def __init__(self, table: Live, screen: Any) -> None:
        super().__init__()
        self.looked = table.looked
        self.event = table.event  # type: ignore[method-assign]
        self.pushing = table.pushing  # type: ignore[method-assign]
        self.ended = table.ended  # type: ignore[method-assign]
        self._screen = screen

    def finished(self, result: RunResult) -> None:
        """See ``Quiet``."""
        self._screen.stop()
        super().finished(result)
