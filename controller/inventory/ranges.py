"""Names that stand for many: ``pc[01:40]``, ``rack-[a:f]``, ``web[1:9:2]``, several in one name."""

from __future__ import annotations

import re
from itertools import product

from controller.text import Text
from controller.units import UnitError

LIMIT = 50_000
"""Names one range may stand for."""
_RANGE = re.compile(r"\[(?:([0-9]+)|([A-Za-z])):(?:([0-9]+)|([A-Za-z]))(?::([0-9]+))?\]")


def has_range(name: str) -> bool:
    """Whether ``name`` holds a range."""
    return _RANGE.search(name) is not None


def expand(name: str) -> list[str]:
    """All names in order; the name itself where it holds no range.

    Leading zeros fix the width, both ends are included, as in Ansible.

    Raises:
        UnitError: ends of different kinds or lengths, in the wrong order, a step of 0, or too many.
    """
    if "[" not in name and "]" not in name:
        return [name]
    parts: list[list[str]] = []
    end = 0
    for match in _RANGE.finditer(name):
        parts += [[name[end : match.start()]], _members(match)]
        end = match.end()
    rest = name[end:]
    if "[" in rest or "]" in rest or any("[" in p or "]" in p for part in parts[::2] for p in part):
        raise UnitError(
            Text(f"rentang di '{name}' keliru", f"the range in '{name}' is wrong"),
            Text("tulis misalnya pc[01:40] atau lab[a:f]", "write for example pc[01:40] or lab[a:f]"),
        )
    parts.append([rest])
    size = 1
    for part in parts:
        size *= len(part)
    if size > LIMIT:
        raise UnitError(
            Text(f"'{name}' berarti {size} nama", f"'{name}' means {size} names"),
            Text(f"paling banyak {LIMIT}", f"at most {LIMIT}"),
        )
    return ["".join(p) for p in product(*parts)]


def _members(match: re.Match[str]) -> list[str]:
    first_number, first_letter, last_number, last_letter, step_text = match.groups()
    step = int(step_text) if step_text else 1
    said = match[0]
    members: list[str] | None = None
    if step and first_number and last_number and len(first_number) <= 9 and len(last_number) <= 9:
        width = len(first_number) if first_number.startswith("0") and len(first_number) > 1 else 0
        first, last = int(first_number), int(last_number)
        if (not width or width == len(last_number)) and (last - first) // step < LIMIT:
            members = [str(n).zfill(width) for n in range(first, last + 1, step)]
    elif step and first_letter and last_letter and first_letter.isupper() == last_letter.isupper():
        members = [chr(c) for c in range(ord(first_letter), ord(last_letter) + 1, step)]
    if not members and step and first_number and last_number and int(first_number[:10]) < int(last_number[:10]):
        count = (int(last_number[:10]) - int(first_number[:10])) // step + 1
        if count > LIMIT or max(len(first_number), len(last_number)) > 9:
            raise UnitError(
                Text(f"rentang {said} berarti terlalu banyak nama", f"the range {said} means too many names"),
                Text(
                    f"paling banyak {LIMIT} nama, dengan nomor paling panjang sembilan angka",
                    f"at most {LIMIT} names, their numbers of nine digits at most",
                ),
            )
    if not members:
        raise UnitError(
            Text(f"rentang {said} keliru", f"the range {said} is wrong"),
            Text(
                "awal tidak boleh melebihi akhir, dan keduanya sama jenis dan sama panjang bila diawali nol: [01:40]",
                "the start must not exceed the end, both of one kind, and of one length where zeros lead: [01:40]",
            ),
        )
    return members
