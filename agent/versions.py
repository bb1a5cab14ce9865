"""Version numbers: which of two is newer, and whether one is what was asked for.

Dotted numbers compare number by number (``1.10`` is newer than ``1.9``, ``1.2`` is ``1.2.0``); a name of a pre-release
(``rc1``, ``beta``) makes a version older than the same without it, other letters make it newer (``9.2p1``, ``1.1.1w``);
what stands behind ``+`` does not count. Packages of Debian have an order of their own (``agent/debian``).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Tuple

    Compare = Callable[[str, str], int]
    Part = Tuple[int, int, str]

PRE_RELEASE = {"dev": -5, "snapshot": -5, "a": -4, "alpha": -4, "b": -3, "beta": -3, "pre": -2, "preview": -2, "rc": -1}
NUMBER, LETTERS = 1, 2
SIGNS = (">=", "<=", "==", "!=", ">", "<", "=")


def compare_dotted(left: str, right: str) -> int:
    """-1, 0 or 1 as ``left`` is older than, the same as, or newer than ``right``."""
    a, b = parts_of(left), parts_of(right)
    length = max(len(a), len(b))
    a += [(NUMBER, 0, "")] * (length - len(a))
    b += [(NUMBER, 0, "")] * (length - len(b))
    # A pre-release is lower than the zero that pads the shorter version, other letters are higher.
    return (a > b) - (a < b)


def parts_of(version: str) -> list[Part]:
    """A version as parts that Python compares in the right order; empty where there is no number in it."""
    if not any(character.isdigit() for character in version):
        return []
    tokens = tokens_of(version.lower().split("+")[0])
    if tokens and tokens[0] == "v":
        del tokens[0]
    parts: list[Part] = []
    for place, token in enumerate(tokens):
        if token.isdigit():
            parts.append((NUMBER, int(token[:18]), ""))
            continue
        followed = place + 1 < len(tokens) and tokens[place + 1].isdigit()
        rank = PRE_RELEASE.get(token, 0) if len(token) > 1 or followed else 0
        parts.append((0, rank, "") if rank else (LETTERS, 0, token))
    return parts


def tokens_of(version: str) -> list[str]:
    """Its numbers and its words of Latin letters, in order; everything else parts them."""
    tokens: list[str] = []
    kind = None
    for character in version:
        former, kind = kind, NUMBER if character.isdecimal() else LETTERS if "a" <= character <= "z" else None
        if kind is None:
            continue
        if kind == former:
            tokens[-1] += character
        else:
            tokens.append(character)
    return tokens


def satisfies(version: str, wanted: Any, compare: Compare = compare_dotted) -> bool | None:
    """Whether a version is what was asked for; None where that cannot be told.

    Args:
        version: what was found.
        wanted: ``"12"`` (that one and all below it: 12.7), ``">=12,<14"`` (all of them), a list (any of them).
        compare: the order of versions; that of dotted numbers where none is given.
    """
    if isinstance(wanted, (list, tuple)):
        answers = [satisfies(version, one, compare) for one in wanted]
        return True if True in answers else (None if None in answers else False)
    if not parts_of(version):
        return None
    for condition in str(wanted).split(","):
        holds = holds_for(version, condition.strip(), compare)
        if not holds:
            return holds
    return True


def holds_for(version: str, condition: str, compare: Compare) -> bool | None:
    """One condition (``>=12``) of a range; None where it is not a condition."""
    sign = next((sign for sign in SIGNS if condition.startswith(sign)), "")
    bound = condition[len(sign) :].strip()
    if len(bound.split()) != 1 or not parts_of(bound):
        return None
    if sign in ("", "=", "==", "!="):
        return same(version, bound, compare) is (sign != "!=")
    order = compare(version, bound)
    return {">=": order >= 0, "<=": order <= 0, ">": order > 0, "<": order < 0}[sign]


def same(version: str, wanted: str, compare: Compare = compare_dotted) -> bool:
    """Whether it is that version or one below it: ``22.04.3`` is ``22.04``, ``22.041`` is not."""
    if wanted.endswith(".*"):
        wanted = wanted[:-2]
    if version == wanted or compare(version, wanted) == 0:
        return True
    if compare is not compare_dotted:
        return False
    found, asked = parts_of(version), parts_of(wanted)
    return len(found) > len(asked) and found[: len(asked)] == asked and found[len(asked)][0] == NUMBER
