"""Regular expressions of a playbook, held against what a program wrote, within bounds.

A pattern can take longer than the universe on a short line (``(a+)+$``). So the text is limited to its end, and the
search to a time: the interpreter looks for signals while it searches, and a timer's signal stops it.
"""

from __future__ import annotations

from agent.light import signal
from agent.probes import CannotTell
from agent.protocol import text
from agent.redact import NOTHING

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Any

TEXT_LIMIT = 1024 * 1024
"""Characters searched: the last of them."""
PATIENCE_S = 2.0


class _TooLong(Exception):
    """The timer's signal came while a search was going on."""


def search(pattern: str, content: str, *, patience_s: float = PATIENCE_S) -> re.Match[str] | None:
    """The first place a pattern (lines apart: ``^`` and ``$`` mean those of a line) holds in the end of a text.

    Raises:
        CannotTell: it is not a regular expression, or takes too long on this text.
    """
    import re

    try:
        compiled = re.compile(pattern, re.MULTILINE)
    except (re.error, RecursionError, OverflowError) as error:
        reason = text(
            f"pola “{pattern}” bukan ekspresi reguler: {error}",
            f"“{pattern}” is not a regular expression: {error}",
        )
        raise CannotTell(reason, final=True) from error
    content = content[-TEXT_LIMIT:]
    try:
        return limited(compiled, content, patience_s)
    except _TooLong as error:
        reason = text(
            f"pola “{pattern}” belum selesai dicari setelah {patience_s:g} detik; tulislah lebih sederhana",
            f"the search for “{pattern}” was not over after {patience_s:g} s; write it more simply",
        )
        raise CannotTell(reason, final=True) from error


def limited(compiled: re.Pattern[str], content: str, patience_s: float) -> re.Match[str] | None:
    """A search that ends in time, wherever signals can be had: in the main thread of a computer with SIGALRM."""
    if not hasattr(signal, "setitimer"):
        return compiled.search(content)

    def stop(*_: Any) -> None:
        raise _TooLong

    try:
        former = signal.signal(signal.SIGALRM, stop)
    except ValueError:  # not the main thread: the limit of the text must do
        return compiled.search(content)
    try:
        signal.setitimer(signal.ITIMER_REAL, patience_s)
        return compiled.search(content)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def short(value: Any, limit: int = 80) -> str:
    """As ``Redactor.short``, for what holds no secrets: a question as ``title`` and ``needed`` get it."""
    return NOTHING.short(value, limit)
