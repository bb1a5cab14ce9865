"""How much one filling-in may make: a template of a few characters can ask for more than the controller has.

What is made is counted in characters, and each round of a loop and each call as ``STEP`` of them, so that no clock is
needed: a template is refused on every controller or on none. The count is the thread's own.
"""

from __future__ import annotations

import threading
from collections.abc import ItemsView, Iterable, Iterator, KeysView, ValuesView
from typing import Any

LIMIT = 16_000_000
"""Characters that one filling-in may make, sixteen times the largest template: about a second of work."""
STEP = 16


class TooMuch(Exception):
    """More than ``LIMIT``."""


class _Meter(threading.local):
    spent = 0


_meter = _Meter()


def begin() -> None:
    """Count anew: another text is filled in."""
    _meter.spent = 0


def spend(amount: int) -> None:
    """Count what was made.

    Raises:
        TooMuch: it is more than one filling-in may make.
    """
    _meter.spent += amount
    if _meter.spent > LIMIT:
        raise TooMuch


def foresee(amount: float) -> None:
    """What is about to be made at once, before there is no memory left to make it in.

    Raises:
        TooMuch: it is more than one filling-in may make.
    """
    if amount > LIMIT:
        raise TooMuch


def rounds(values: Iterable[Any]) -> Iterator[Any]:
    """The same values, each counted as a step."""
    for value in values:
        spend(STEP)
        yield value


def weigh(value: Any) -> int:
    """The size of a value written out, all that it holds as often as it holds it.

    Lists that hold the same list twice double with each level without taking memory, until they are written.

    Raises:
        TooMuch: it would be more than ``LIMIT``, or holds itself.
    """
    total, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        total += STEP
        if isinstance(one, (str, bytes)):
            total += len(one)
        elif isinstance(one, int):
            total += one.bit_length() // 8
        elif isinstance(one, dict):
            waiting += one.keys()
            waiting += one.values()
        elif isinstance(one, (list, tuple, set, frozenset, KeysView, ValuesView, ItemsView)):
            waiting.extend(one)
        foresee(total)
    return total
