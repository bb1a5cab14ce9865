"""The plan's secrets, kept out of all that is recorded.

A text that is cut is cut here: its secrets are replaced first. One that lay on the cut would be known by nobody after.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable

MASK = "***"
SHORTEST = 4
"""A shorter secret stands inside too many innocent words: it is replaced only where it is the whole string."""
OURS = ("type", "at", "when", "kind", "verb", "section", "state", "result", "verdict", "outcome", "boot")
"""Fields of a record that hold words of our own: what goes on with a run reads them back."""


class Redactor:
    """Knows every spelling of the secrets. Spellings are the controller's: ``controller/records/redact.py``."""

    def __init__(self, spellings: Iterable[str] = ()) -> None:
        self.spellings = sorted({*spellings} - {""}, key=len, reverse=True)
        self._within = [each for each in self.spellings if len(each) >= SHORTEST]
        self.longest = len(self._within[0]) if self._within else 0
        """Characters of the longest that is looked for within a text."""

    def text(self, value: str) -> str:
        """A text without secrets."""
        if len(value) < SHORTEST:
            return MASK if value in self.spellings else value
        return self.part(value, 0)

    def part(self, content: str, start: int, end: int | None = None) -> str:
        """A part of a text without secrets, and without what lies in it of one that begins before or ends behind it."""
        end = len(content) if end is None else end
        before = max(0, start - self.longest)
        near = content[before : end + self.longest]
        place, end = start - before, end - before
        kept = []
        for begin, over in self._places(near):
            if begin < end and over > place:
                kept += [near[place:begin], MASK]
                place = over
        return "".join([*kept, near[place:end]])

    def behind(self, content: str, length: int) -> str:
        """The last so many characters of a text, as they are, but for the rest of a secret that begins before them."""
        place = len(content) - length
        before = max(0, place - self.longest)
        for begin, over in self._places(content[before : place + self.longest]):
            if before + begin < place < before + over:
                place = before + over
        return content[place:]

    def _places(self, content: str) -> list[tuple[int, int]]:
        """Where secrets stand, in order; those that overlap as one."""
        found = []
        for each in self._within:
            place = content.find(each)
            while place >= 0:
                found.append((place, place + len(each)))
                place = content.find(each, place + 1)
        joined: list[tuple[int, int]] = []
        for begin, over in sorted(found):
            if joined and begin < joined[-1][1]:
                begin, over = joined[-1][0], max(over, joined.pop()[1])
            joined.append((begin, over))
        return joined

    def head(self, value: str, limit: int) -> str:
        """The beginning of a text, without secrets."""
        value = self.text(value)
        return value if len(value) <= limit else value[: limit - 1] + "…"

    def tail(self, value: str, limit: int) -> str:
        """The end of a text, without secrets."""
        return self.text(value)[-limit:]

    def short(self, value: Any, limit: int = 80) -> str:
        """A value in quotes that fits a table of a form: one line, its middle left out where it is long."""
        line = " ".join(self.text(str(value)).split())
        if len(line) > limit:
            line = line[: limit // 2] + " … " + line[-(limit // 2) :]
        return f"“{line}”"

    def masked(self, value: Any) -> Any:
        """A value with all that is in it, without secrets; what needs no change is the same object."""
        if not self.spellings:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.part(str(key), 0): self.masked(below) for key, below in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.masked(below) for below in value]
        return value

    def record(self, record: dict[str, Any]) -> dict[str, Any]:
        """A record without secrets; what the agent itself reads back stays as it is."""
        return {key: value if key in OURS else self.masked(value) for key, value in record.items()}


NOTHING = Redactor()
"""Knows no secrets."""
