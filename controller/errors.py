"""Everything that can go wrong, on one page.

::

    PasangError                      what, where, what to do next; an exit code
    ├── InputError            (2)    bad input: nothing was touched; carries every mistake found, not the first
    │   ├── InventoryError           inventory.yaml, a host pattern
    │   ├── PlaybookError            playbook.yaml, its templates
    │   └── DepotError               an installer: missing, wrong digest, not what it says it is
    ├── RecordError           (3)    the record cannot be kept: everything stops
    ├── FormError             (2)    a form that is not there, or cannot be decided or signed in its state
    └── HostError             (1)    one computer, never the fleet
        ├── Unreachable              no route, refused, no answer, name unknown
        │   ├── LineLost             it answered, then the line dropped: its state is unknown
        │   └── HostKeyError         the host key is unknown or has changed
        ├── AccessRefused            authentication or sudo
        ├── NoPython                 nothing there can run the agent
        ├── Busy                     another run holds the computer's lock
        └── AgentFault               the agent answered what it must not, or could not start

Foreign exceptions are mapped to these once, where the library is used. Messages hold no secrets. Whatever else comes up
is a mistake of Pasang's own: exit code 70, and the traceback in ``PASANG_HOME/crash-….txt`` (``cli/mishaps.py``).
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from controller.text import Language, Text


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands, what it is, and what to write instead."""

    where: str
    """``file:line``, ``file``, a host's name, or a setting's name; may be empty."""
    what: Text
    hint: Text | None = None

    def say(self, language: Language) -> str:
        """One line, or two where there is a hint."""
        line = f"{self.where}: {self.what.say(language)}" if self.where else self.what.say(language)
        return f"{line}\n  → {self.hint.say(language)}" if self.hint else line


class PasangError(Exception):
    """The root: what went wrong, where, and what to do next."""

    exit_code = 1

    def __init__(self, what: Text, *, where: str = "", hint: Text | None = None) -> None:
        super().__init__(what.en)
        self.problems: list[Problem] = [Problem(where, what, hint)]
        self.so_far: Mapping[str, Any] = {}
        """Of the run that it ended, for the summary: what was known by then."""

    @property
    def what(self) -> Text:
        """The first mistake's sentence: for a row of a table."""
        return self.problems[0].what

    def say(self, language: Language) -> str:
        """Every mistake, a line or two each."""
        return "\n".join(problem.say(language) for problem in self.problems)

    def __str__(self) -> str:
        return self.say("en")


class InputError(PasangError):
    """Bad input; nothing was touched."""

    exit_code = 2

    @classmethod
    def of(cls, problems: list[Problem]) -> InputError:
        """One error for all mistakes of a file. ``problems`` must not be empty."""
        first = problems[0]
        error = cls(first.what, where=first.where, hint=first.hint)
        error.problems = list(problems)
        return error


class InventoryError(InputError):
    """The inventory or a host pattern."""


class PlaybookError(InputError):
    """A playbook or one of its templates."""


class DepotError(InputError):
    """An installer that is missing, damaged, or not what it says it is."""


class FormError(InputError):
    """A form that is not there, or is not in a state for what was asked."""


class RecordError(PasangError):
    """The record cannot be kept: nothing new may begin."""

    exit_code = 3


FULL = (errno.ENOSPC, errno.EDQUOT)


def disk_full(error: OSError) -> RecordError:
    """A disk of this computer without room, wherever it was met: what is to be recorded would find none either."""
    what = Text(f"disk komputer ini penuh: {error}", f"this computer's disk is full: {error}")
    hint = Text("sediakan ruang disk, lalu jalankan `pasang resume`", "free some disk space, then `pasang resume`")
    return RecordError(what, hint=hint)


class HostError(PasangError):
    """One computer's trouble; the others go on."""

    outcome = "needs_person"
    about = "agent"
    """What stands in the way, one of ``doctor.LOOKS``."""

    def of(self, about: str) -> Self:
        """The same, about something else than errors of its kind usually are."""
        self.about = about
        return self


class Unreachable(HostError):
    """No way to the computer; nothing was begun there by this contact."""

    outcome = "unreachable"
    about = "port"


class LineLost(Unreachable):
    """The line dropped in the middle: the computer's state is unknown until it is asked again."""


class HostKeyError(Unreachable):
    """The computer's key is unknown or not the one that was trusted."""

    about = "key"


class AccessRefused(Unreachable):
    """The computer is there and did not let us in, or did not let us become root."""

    about = "login"


class NoPython(Unreachable):
    """Nothing on the computer can run the agent."""

    about = "python"
    platform = ""
    """What it is, as the runtime names platforms (``linux-x86_64-glibc``); empty where it did not say."""


class Busy(HostError):
    """Another run holds the computer."""

    outcome = "not_started"
    about = "lock"

    def __init__(self, what: Text, *, hint: Text | None = None, holder: Mapping[str, Any] | None = None) -> None:
        super().__init__(what, hint=hint)
        self.holder: Mapping[str, Any] = holder or {}
        """Whose run, since when, until when: for programs."""


class AgentFault(HostError):
    """The agent broke the protocol or could not start."""
