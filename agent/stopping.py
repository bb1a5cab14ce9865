"""A person's order to stop: left beside the run's journal, and heard by the run wherever it may be left as it is.

The order is a file, so that whoever goes on with the run finds it, and a signal, so that whoever is at work need not
look (on Windows, which has none, a thread looks). It is heard in the work of a step (``heard``), at once and whatever
the work waits for, but never while something must be done whole (``held``), and never on the way back.
"""

from __future__ import annotations

import os

from agent.host import native
from agent.kept import load, save
from agent.light.contexts import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

FILE = "stop.json"


class Stopped(BaseException):
    """A person wants the run stopped; what was begun is taken back by what stands in the journal."""

    def __init__(self, order: dict[str, Any]) -> None:
        super().__init__("stopped by " + str(order.get("by")))
        self.order = order
        """``by`` and ``at``, as the controller sent them."""
        self.evidence: dict[str, Any] = {}
        """What was under way, where that was a program."""


def leave(folder: str, order: dict[str, Any]) -> None:
    """Leave an order in a run's folder, for whoever is at work there or goes on with it. The first one counts."""
    path = os.path.join(folder, FILE)
    if not os.path.exists(path):
        save(path, {key: order.get(key) for key in ("by", "at")})


def is_ordered(folder: str) -> bool:
    """Whether a person wants the run stopped."""
    return os.path.exists(os.path.join(folder, FILE))


def wake(holder: dict[str, Any]) -> None:
    """Tell the process that holds the computer for the run that there is an order; one on its way finds it."""
    native.wake(holder["pid"])


class _Ear:
    """Whether an order is heard at this moment, and whether one waits. Of this process."""

    def __init__(self) -> None:
        self.is_open = False
        self.waits = False
        self.path = ""

    def hear(self, *_: object) -> None:
        if not self.is_open:
            self.waits = True
            return
        native.deaf()  # once: nothing shall interrupt what clears up after it
        self.waits = False
        raise Stopped(load(self.path) or {})

    def set(self, is_open: bool) -> None:
        self.is_open = is_open
        if is_open and self.waits:
            self.hear()


_ear = _Ear()


def listen(folder: str) -> None:
    """From now on an order for this run is heard, where that is allowed; one that came before as well."""
    _ear.is_open, _ear.waits, _ear.path = False, False, os.path.join(folder, FILE)
    native.hear(_ear.path, _ear.hear)
    _ear.waits = _ear.waits or is_ordered(folder)


@contextmanager
def heard() -> Iterator[None]:
    """In here an order is heard.

    Raises:
        Stopped: there is one.
    """
    try:
        _ear.set(True)
        yield
    finally:
        _ear.is_open = False


@contextmanager
def held() -> Iterator[None]:
    """In here it is not: what is done in here is done whole. Inside of ``heard`` it is heard afterwards.

    Raises:
        Stopped: before or after, as ``heard``.
    """
    former, _ear.is_open = _ear.is_open, False
    try:
        yield
    finally:
        _ear.set(former)
