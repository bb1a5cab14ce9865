"""Events of a YAML parser → plain values that remember their lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from controller.errors import Problem
from controller.text import Text

DEPTH_LIMIT = 60
NODE_LIMIT = 2_000_000
"""Values after aliases are followed; a larger document is a bomb or a mistake."""

_INT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?")
_WORDS: dict[str, bool | None] = {
    **{w: True for base in ("yes", "true", "on") for w in (base, base.title(), base.upper())},
    **{w: False for base in ("no", "false", "off") for w in (base, base.title(), base.upper())},
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_STANDARD = "tag:yaml.org,2002:"


class Map(dict[str, Any]):
    """A mapping whose keys are text; ``line`` is where it begins, ``lines`` where each key stands (from 1)."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Real(float):
    """A number with a point; ``text`` is how it was written, for ``1.10`` is a version to whoever wrote it."""

    text: str


class Octal(int):
    """A whole number that was written to base 8, with a nought before it: permissions are."""


class Seq(list[Any]):
    """A sequence; ``line`` is where it begins, ``lines`` where each entry stands (from 1)."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: list[int] = []


class Stop(Exception):
    """Reading cannot go on."""


class Builder:
    """Values out of events; keeps the count of nodes, the anchors, and the mistakes found on the way."""

    def __init__(self, events: Iterator[Any], name: str, problems: list[Problem]) -> None:
        self._next: Callable[[], Any] = events.__next__
        self._name = name
        self._problems = problems
        self._anchors: dict[str, tuple[Any, int] | None] = {}
        self._count = 0

    def document(self) -> Any:
        """The one document of the stream; None where it is empty."""
        self._next()  # the start of the stream
        event = self._next()
        if type(event).__name__ == "StreamEndEvent":
            return None
        root = self._node(self._next(), 0)
        self._next()  # the end of the document
        event = self._next()
        if type(event).__name__ != "StreamEndEvent":
            self._mistake(
                event,
                Text("ada dokumen YAML kedua ('---')", "a second YAML document begins ('---')"),
                Text("tulis satu dokumen dalam satu berkas", "write one document in one file"),
            )
        return root

    def _mistake(self, event: Any, what: Text, hint: Text) -> None:
        self._problems.append(Problem(f"{self._name}:{event.start_mark.line + 1}", what, hint))

    def _stop(self, event: Any, what: Text, hint: Text) -> Stop:
        self._mistake(event, what, hint)
        return Stop()

    def _node(self, event: Any, depth: int) -> Any:
        self._count += 1
        kind = type(event).__name__
        if kind == "AliasEvent":
            return self._alias(event)
        if depth > DEPTH_LIMIT:
            raise self._stop(
                event,
                Text(f"lebih dari {DEPTH_LIMIT} tingkat bersarang", f"nested more than {DEPTH_LIMIT} levels deep"),
                Text("ratakan susunannya", "flatten it"),
            )
        anchor, before = event.anchor, self._count
        if anchor is not None:
            self._anchors[anchor] = None
        if kind == "ScalarEvent":
            value = self._scalar(event)
        elif kind == "MappingStartEvent":
            value = self._map(event, depth)
        else:
            value = self._seq(event, depth)
        if anchor is not None:
            self._anchors[anchor] = (value, self._count - before + 1)
        return value

    def _alias(self, event: Any) -> Any:
        found = self._anchors.get(event.anchor, ())
        if not found:
            reason = (
                Text(f"'*{event.anchor}' memuat dirinya sendiri", f"'*{event.anchor}' contains itself")
                if found is None
                else Text(f"'*{event.anchor}' tidak dikenal", f"'*{event.anchor}' is not known")
            )
            hint = Text(f"tulis '&{event.anchor}' lebih dahulu", f"write '&{event.anchor}' before it")
            raise self._stop(event, reason, hint)
        value, size = found
        self._count += size
        if self._count > NODE_LIMIT:
            raise self._stop(
                event,
                Text("alias membengkakkan berkas ini", "aliases swell this file beyond measure"),
                Text("tulis nilainya langsung", "write the values out"),
            )
        return value

    def _seq(self, event: Any, depth: int) -> Seq:
        self._check_tag(event, ("seq",))
        result = Seq(event.start_mark.line + 1)
        while type(event := self._next()).__name__ != "SequenceEndEvent":
            result.lines.append(event.start_mark.line + 1)
            result.append(self._node(event, depth + 1))
        return result

    def _map(self, event: Any, depth: int) -> Map:
        self._check_tag(event, ("map",))
        result = Map(event.start_mark.line + 1)
        merged: list[Map] = []
        while type(event := self._next()).__name__ != "MappingEndEvent":
            line = event.start_mark.line + 1
            plain = type(event).__name__ == "ScalarEvent" and event.anchor is None
            if plain:
                self._count += 1
                key: Any = event.value
            else:
                key = self._node(event, depth + 1)
            value = self._node(self._next(), depth + 1)
            if plain and key == "<<" and event.implicit[0]:
                merged += self._merge(event, value)
            elif not isinstance(key, str):
                self._mistake(
                    event,
                    Text("kunci harus berupa teks", "a key must be text"),
                    Text("beri tanda kutip pada kuncinya", "put the key in quotes"),
                )
            elif key in result:
                self._mistake(
                    event,
                    Text(
                        f"'{key}' ditulis dua kali (pertama di baris {result.lines[key]})",
                        f"'{key}' is written twice (first on line {result.lines[key]})",
                    ),
                    Text("hapus salah satunya", "delete one of them"),
                )
            else:
                result[key] = value
                result.lines[key] = line
        for other in merged:
            for key, value in other.items():
                if key not in result:
                    result[key] = value
                    result.lines[key] = other.lines[key]
        return result

    def _merge(self, event: Any, value: Any) -> list[Map]:
        maps = value if isinstance(value, list) else [value]
        if all(isinstance(one, Map) for one in maps):
            return list(maps)
        self._mistake(
            event,
            Text("'<<' memerlukan pemetaan", "'<<' needs a mapping"),
            Text("tulis '<<: *nama' dengan jangkar sebuah pemetaan", "write '<<: *name' of an anchored mapping"),
        )
        return []

    def _check_tag(self, event: Any, allowed: tuple[str, ...]) -> None:
        tag = event.tag
        if tag is None or tag in ("!", "!unsafe") or tag.removeprefix(_STANDARD) in allowed:
            return
        if tag in ("!vault", "!vault-encrypted"):
            self._mistake(
                event,
                Text(
                    "nilai ansible-vault tidak dapat dibuka di sini", "a value of ansible-vault cannot be opened here"
                ),
                Text(
                    "simpan rahasianya dalam berkas lalu tulis {file: jalur}, atau {env: NAMA}",
                    "keep the secret in a file and write {file: path}, or {env: NAME}",
                ),
            )
        else:
            said = tag.replace(_STANDARD, "!!")
            self._mistake(
                event,
                Text(f"tag '{said}' tidak diterima", f"the tag '{said}' is not accepted"),
                Text("tulis nilainya tanpa tag", "write the value without a tag"),
            )

    def _scalar(self, event: Any) -> Any:
        value: str = event.value
        tag = event.tag
        if tag is not None and tag != "!":
            self._check_tag(event, ("str", "int", "float", "bool", "null"))
            if tag in (_STANDARD + "str", "!unsafe"):
                return value
        elif tag == "!" or not event.implicit[0]:  # written in quotes or as a block
            return value
        return resolve(value)


def resolve(plain: str) -> str | int | float | bool | None:
    """What an unquoted scalar means.

    Source: https://yaml.org/type/ (bool, int, float, null of YAML 1.1, without base 60).
    """
    if plain in _WORDS:
        return _WORDS[plain]
    first = plain[0]
    if not (first.isdigit() or first in "+-."):
        return plain
    if _INT.fullmatch(plain) and len(plain) < 100:
        digits = plain.replace("_", "")
        sign = -1 if digits[0] == "-" else 1
        digits = digits.lstrip("+-").lower()
        base = {"0b": 2, "0x": 16, "0o": 8}.get(digits[:2], 8 if digits[0] == "0" and len(digits) > 1 else 10)
        body = digits[2:] if digits[:2] in ("0b", "0x", "0o") else digits
        if base == 8 and sign == 1 and body:
            return Octal(body, 8)
        return sign * int(body, base) if body else plain
    if _FLOAT.fullmatch(plain):
        real = Real(plain.replace("_", ""))
        real.text = plain
        return real
    if plain.lstrip("+-").lower() == ".inf":
        return float("-inf" if first == "-" else "inf")
    return float("nan") if plain.lower() == ".nan" else plain
