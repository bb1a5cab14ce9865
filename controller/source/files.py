"""Files and texts of YAML, read whole, with every mistake that can be found."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.errors import InputError, Problem
from controller.source.values import Builder, Map, Seq, Stop
from controller.text import Text


@dataclass(frozen=True)
class Document:
    """One file: its text and its value (``None`` where the file is empty)."""

    path: Path
    text: str
    root: Any

    def where(self, *keys: str | int) -> str:
        """``file:line`` of the deepest of ``keys`` that exists."""
        return f"{self.path}:{line_of(self.root, *keys)}"


def line_of(node: object, *keys: str | int) -> int:
    """The line of the deepest of ``keys`` that exists below ``node``; 1 where nothing is known."""
    line = node.line if isinstance(node, (Map, Seq)) else 1
    for key in keys:
        if isinstance(node, Map) and key in node:
            line, node = node.lines.get(str(key), node.line), node[str(key)]
        elif isinstance(node, Seq) and isinstance(key, int) and 0 <= key < len(node):
            line, node = node.lines[key], node[key]
        else:
            break
    return line


def expanded(path: str | Path) -> Path:
    """The path with ``~`` followed where there is such a home; ``Path.expanduser`` raises where there is none."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - see above


SPLIT = Text("bagi menjadi beberapa berkas dalam satu folder", "split it into several files in one folder")


def read_text(path: Path, *, limit_bytes: int, error: type[InputError], too_large: Text = SPLIT) -> str:
    """The text of a file.

    Args:
        path: of the file.
        limit_bytes: what it may be.
        error: the class of what is raised.
        too_large: what to do about one that is larger.

    Raises:
        InputError: as ``error``: missing, a folder, unreadable, too large, or not text in UTF-8.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(limit_bytes + 1)
    except FileNotFoundError as missing:
        raise error(
            Text("berkas tidak ada", "there is no such file"),
            where=str(path),
            hint=Text("periksa jalurnya", "check the path"),
        ) from missing
    except (OSError, ValueError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise error(
            Text(f"berkas tidak dapat dibaca: {reason}", f"the file cannot be read: {reason}"),
            where=str(path),
            hint=Text("periksa jalur dan hak bacanya", "check its path and permissions"),
        ) from fault
    if len(raw) > limit_bytes:
        limit = f"{limit_bytes // 1_000_000} MB"
        raise error(
            Text(f"berkas lebih besar dari {limit}", f"the file is larger than {limit}"),
            where=str(path),
            hint=too_large,
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = raw.count(b"\n", 0, fault.start) + 1
        raise error(
            Text("berkas ini bukan teks UTF-8", "the file is not text in UTF-8"),
            where=f"{path}:{line}",
            hint=Text("simpan ulang sebagai UTF-8", "save it again as UTF-8"),
        ) from fault


def read(path: Path, *, limit_bytes: int, error: type[InputError], mistakes: list[Problem] | None = None) -> Document:
    """One YAML (or JSON) file.

    Args:
        path: of the file.
        limit_bytes: what it may be.
        error: the class of what is raised.
        mistakes: takes those that leave a value to look at (a key written twice), so that all can be told at once.

    Raises:
        InputError: as ``error``, with every mistake that could be found.
    """
    text = read_text(path, limit_bytes=limit_bytes, error=error)
    if path.suffix == ".json":  # tabs are welcome in JSON and refused in YAML; no JSON string holds a raw one
        text = text.replace("\t", " ")
    return Document(path, text, parse(text, str(path), error=error, mistakes=mistakes))


def parse(text: str, name: str, *, error: type[InputError], mistakes: list[Problem] | None = None) -> Any:
    """The value of a text: ``Map``, ``Seq`` and scalars; ``name`` is what errors call the file; see ``read``.

    Raises:
        InputError: as ``error``, with every mistake that could be found.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    problems: list[Problem] = []
    root: Any = None
    is_whole = False
    try:
        builder = Builder(yaml.parse(text, Loader=loader), name, problems)
        root = builder.document()
        is_whole = True
    except yaml.MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        problems.append(_syntax(name, mark.line + 1 if mark else 1, fault.problem or "", text))
    except yaml.YAMLError as fault:  # a character that YAML does not allow
        at = getattr(fault, "position", 0)
        problems.append(_syntax(name, text.count("\n", 0, at) + 1, str(getattr(fault, "reason", fault)), text))
    except Stop:
        pass  # its reason is among the problems already
    if is_whole and mistakes is not None:
        mistakes += problems
    elif problems:
        raise error.of(problems)
    return root


def _syntax(name: str, line: int, said: str, text: str) -> Problem:
    rows = text.splitlines()
    row = rows[line - 1] if 0 < line <= len(rows) else ""
    if "\t" in row[: len(row) - len(row.lstrip())]:
        hint = Text("ganti tab di awal baris dengan spasi", "replace the tab at the start of the line by spaces")
    elif "mapping values are not allowed" in said:
        hint = Text(
            "beri tanda kutip pada nilai yang memuat ': ', dan ratakan kunci yang setingkat",
            "put a value that holds ': ' in quotes, and align keys of one level",
        )
    else:
        hint = Text(
            "periksa inden, tanda kutip, dan kurung di baris ini dan sebelumnya",
            "check indentation, quotes and brackets on this line and the one before",
        )
    return Problem(f"{name}:{line}", Text(f"bukan YAML yang benar ({said})", f"not correct YAML ({said})"), hint)
