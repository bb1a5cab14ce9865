"""Host patterns, as Ansible's ``--limit`` takes them.

Parts are joined by ``,`` or ``:``; ``&part`` keeps only what is in it, ``!part`` takes away. A part is a host, a group,
a glob, ``~regex``, any of these with ``[index]`` or ``[from:to]`` behind it, or a host range such as ``pc[01:40]``.
A part that means nothing is a mistake here, where Ansible only warns, and so is a pattern without any part: a word
mistyped, or a variable that was never set, must not change who is touched.
"""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING

from controller.errors import InventoryError, Problem
from controller.inventory import ranges
from controller.source import expanded, nearest
from controller.text import Text
from controller.units import UnitError

if TYPE_CHECKING:
    from controller.inventory.model import Inventory

_SUBSCRIPT = re.compile(r"(.+)\[(?:(-?[0-9]+)|([0-9]+)[:-]([0-9]*))\]")
_PART = re.compile(r"(?:[^\s:\[\]]|\[[^\]]*\])+")
_ADDRESS = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*")


def match(inventory: Inventory, pattern: str) -> list[str]:
    """The names a pattern means, in the order of the inventory; never empty.

    Raises:
        InventoryError: it has no part, a part means nothing, or nothing is left; every such part is named.
    """
    parts = _split(inventory, pattern)
    if not parts:  # to Ansible that is everybody; here it is a variable of a script that was never set
        raise InventoryError(
            Text(f"pola komputer '{pattern}' kosong", f"the pattern of hosts '{pattern}' is empty"),
            hint=Text("tulis -l all untuk semua komputer", "write -l all for every computer"),
        )
    problems: list[Problem] = []
    plain = [p for p in parts if p[0] not in "&!"] or ["all"]
    chosen: set[str] = set()
    for part in plain:
        chosen |= set(_part(inventory, part, problems))
    for part in (p for p in parts if p[0] == "&"):
        chosen &= set(_part(inventory, part[1:], problems))
    for part in (p for p in parts if p[0] == "!"):
        chosen -= set(_part(inventory, part[1:], problems))
    if not problems and not chosen:
        problems.append(
            Problem(
                "",
                Text(f"'{pattern}' tidak mengenai satu komputer pun", f"'{pattern}' means no host at all"),
                Text("lihat 'pasang hosts list'", "see 'pasang hosts list'"),
            )
        )
    if problems:
        raise InventoryError.of(problems)
    return [name for name in inventory.host_groups if name in chosen]


def _split(inventory: Inventory, pattern: str) -> list[str]:
    """The parts of a pattern; ``@file`` brings those that stand in a file, one a line."""
    if "," in pattern:
        pieces = pattern.split(",")
    elif pattern in inventory.host_groups or _ADDRESS.fullmatch(pattern):
        pieces = [pattern]
    else:
        pieces = _PART.findall(pattern)
    parts: list[str] = []
    for piece in (p.strip() for p in pieces):
        if piece.startswith("@"):
            parts += _from_file(inventory, piece[1:])
        elif piece:
            parts.append(piece)
    return parts


def _from_file(inventory: Inventory, name: str) -> list[str]:
    try:
        lines = expanded(name).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InventoryError(
            Text("berkas pola tidak dapat dibaca", "the file of patterns cannot be read"),
            where=name,
            hint=Text("tulis @berkas, satu pola sebaris", "write @file, one pattern a line"),
        ) from error
    return [p for line in lines if line.strip() and not line.startswith("@") for p in _split(inventory, line.strip())]


def _part(inventory: Inventory, part: str, problems: list[Problem]) -> list[str]:
    """The names one part means, in its own order; what is wrong goes to ``problems``."""
    if part in inventory.host_groups:
        return [part]
    if part in ("all", "*"):
        return inventory.names
    subscript = None if part.startswith("~") else _SUBSCRIPT.fullmatch(part)
    base = subscript[1] if subscript else part
    try:
        found, known = _enumerate(inventory, base)
    except re.error as error:
        problems.append(
            Problem(
                "",
                Text(f"pola '{part}' keliru: {error}", f"the pattern '{part}' is wrong: {error}"),
                Text("perbaiki ungkapan regulernya", "mend the regular expression"),
            )
        )
        return []
    if known and subscript:
        return _sliced(found, subscript)
    if not known and not part.startswith("~") and ranges.has_range(part):
        try:
            found = [n for n in ranges.expand(part) if n in inventory.host_groups]
        except UnitError as error:
            problems.append(Problem("", error.what, error.hint))
            return []
        known = bool(found)
    if not known:
        problems.append(_nothing(inventory, part))
    return found if known else []


def _enumerate(inventory: Inventory, base: str) -> tuple[list[str], bool]:
    """Hosts that a name, glob or ``~regex`` means, and whether it means anything (a group may be empty)."""
    if base in ("all", "*"):
        return inventory.members("all"), True
    if base in inventory.host_groups:
        return [base], True
    regex = re.compile(base[1:] if base.startswith("~") else translate(base))
    groups = [g for g in inventory.groups if regex.match(g)]
    found = dict.fromkeys(name for g in groups for name in inventory.members(g))
    if not groups or base.startswith("~") or any(c in base for c in ".?*["):
        found.update(dict.fromkeys(name for name in inventory.host_groups if regex.match(name)))
    return list(found), bool(groups or found)


def _sliced(found: list[str], subscript: re.Match[str]) -> list[str]:
    index, start, end = subscript[2], subscript[3], subscript[4]
    if index is not None:
        at = int(index)
        return [found[at]] if -len(found) <= at < len(found) else []
    return found[int(start) : (int(end) + 1 if end else None)]


def _nothing(inventory: Inventory, part: str) -> Problem:
    near = nearest(part, [*inventory.groups, *inventory.host_groups])
    groups = ", ".join(g for g in list(inventory.groups)[:12])
    return Problem(
        "",
        Text(f"'{part}' tidak ada di inventaris", f"'{part}' is not in the inventory"),
        Text(f"mungkin maksudnya {', '.join(near)}", f"perhaps you mean {', '.join(near)}")
        if near
        else Text(f"kelompok yang ada: {groups}", f"there are these groups: {groups}"),
    )
