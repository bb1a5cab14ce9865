"""playbook.yaml → ``Playbook``: found, read, validated, and brought into the plan's words."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller import source, template, units
from controller.errors import PlaybookError, Problem
from controller.source import Document, Map, expanded, nearest, read, read_text
from controller.text import Text
from controller.units import Template

LIMIT_BYTES = 1_000_000
FILE_NAMES = ("playbook.yaml", "playbook.yml")
MARKS = ("{{", "{%", "{#")
"""What makes a text a template."""
SHORTEN = Text(
    "pindahkan isi yang panjang dari playbook ke templatenya, dari template ke sebuah payload (tindakan file)",
    "move long contents from the playbook into a template, from a template into a payload (the action file)",
)
"""What to do about a playbook or a template above ``LIMIT_BYTES``."""
KEPT_LIMIT = 100
"""Validated playbooks that are kept; the oldest go."""
SECTIONS = ("install", "run", "test", "verify", "uninstall")


@dataclass(frozen=True)
class Payload:
    """An installer as the playbook names it; exactly one of ``file`` (relative to the playbook) and ``url``."""

    name: str
    digest: str
    file: str | None
    url: str | None
    line: int


@dataclass(frozen=True)
class Playbook:
    """One software, in the words of the plan; values with variables are still ``Template``."""

    path: Path
    software: Mapping[str, Any]
    payloads: Mapping[str, Payload]
    variants: Sequence[Mapping[str, Any]]
    """As the plan's ``variants``; a ``file`` action may have ``template`` (a name in ``templates``) for ``content``."""
    templates: Mapping[str, str]
    """Text of each template file, by the name the playbook uses."""
    lines: Mapping[str, int]
    """Where things stand: ``payloads/NAME``, ``variants/N/SECTION/N``, and ``=TEXT`` for a value with variables."""
    inspected: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The plan's ``payloads``, once the depot has taken them in."""

    @property
    def folder(self) -> Path:
        """Where the playbook, its templates and perhaps its payloads stand."""
        return self.path.parent

    @property
    def title(self) -> str:
        """Name and version of the software."""
        return f"{self.software['name']} {self.software['version']}"

    def where(self, key: str) -> str:
        """``file:line`` of a key of ``lines``; the file alone where it is not known."""
        return f"{self.path}:{self.lines[key]}" if key in self.lines else str(self.path)


def find(name: str, folders: Sequence[Path]) -> Path:
    """The playbook.yaml that ``name`` means: a name in one of ``folders``, or a path of a folder or file.

    Raises:
        PlaybookError: there is none; the nearest names are told.
    """
    is_path = os.sep in name or "/" in name or name.endswith((".yaml", ".yml")) or name in (".", "..")
    roots = [expanded(name)] if is_path else [f / name for f in folders] + [Path(name)]
    for root in roots:
        if root.is_file():
            return root
        for file in FILE_NAMES:
            if (root / file).is_file():
                return root / file
    if is_path:
        raise PlaybookError(
            Text("playbook tidak ada di sini", "there is no playbook here"),
            where=str(roots[0]),
            hint=Text(
                "tulis jalur folder yang memuat playbook.yaml", "write the path of a folder that holds playbook.yaml"
            ),
        )
    known = sorted({p.parent.name for f in folders for n in FILE_NAMES for p in f.glob(f"*/{n}")})
    near = nearest(name, known) or known[:10]
    places = ", ".join(str(f) for f in folders)
    raise PlaybookError(
        Text(f"playbook '{name}' tidak ada di {places}", f"there is no playbook '{name}' in {places}"),
        hint=Text(f"yang ada: {', '.join(near)}", f"there are: {', '.join(near)}")
        if near
        else Text(
            "tulis jalur ke playbook.yaml, atau atur PASANG_PLAYBOOKS",
            "write a path to playbook.yaml, or set PASANG_PLAYBOOKS",
        ),
    )


def load(name: str, folders: Sequence[Path] = (), *, cache: Path | None = None) -> Playbook:
    """The playbook ``name`` (see ``find``), validated whole.

    Args:
        name: a name in ``folders``, or a path.
        folders: where playbooks stand by name.
        cache: a folder that keeps validated playbooks by their content, so that the next start needs no validation;
            None does without.

    Raises:
        PlaybookError: with every mistake found.
    """
    path = find(name, folders)
    text = read_text(path, limit_bytes=LIMIT_BYTES, error=PlaybookError, too_large=SHORTEN)
    kept = _Kept(cache, text)
    core = kept.get()
    if core is None:
        mistakes: list[Problem] = []
        core = _validate(read(path, limit_bytes=LIMIT_BYTES, error=PlaybookError, mistakes=mistakes), mistakes)
        kept.put(core)
    templates, problems = _read_templates(path, core)
    if problems:
        raise PlaybookError.of(problems)
    payloads = {n: Payload(name=n, **words) for n, words in core["payloads"].items()}
    return Playbook(path, core["software"], payloads, core["variants"], templates, core["lines"])


def _validate(document: Document, found: list[Problem]) -> dict[str, Any]:
    """Software, payloads, variants and lines, as plain values that JSON can keep (but for ``Template``).

    Raises:
        PlaybookError: every mistake, with those ``found`` when the file was read.
    """
    from pydantic import ValidationError

    from controller.playbook import checks, mistakes, models

    if not isinstance(document.root, dict):
        empty = Problem(
            f"{document.path}:1",
            Text("playbook ini kosong atau bukan pemetaan", "this playbook is empty or not a mapping"),
            Text("mulai dengan 'pasang: 1'", "begin with 'pasang: 1'"),
        )
        raise PlaybookError.of(found or [empty])
    problems: list[Problem] = []
    parsed: models.Format | None = None
    try:
        parsed = models.Format.model_validate(document.root)
    except ValidationError as error:
        problems = mistakes.problems_of(error, document)
    problems = checks.merge(found, problems, checks.check(document))
    if problems or parsed is None:
        raise PlaybookError.of(problems)
    return {
        "software": parsed.software.model_dump(exclude_none=True),
        "payloads": {
            n: {"digest": p.digest, "file": p.file, "url": p.url, "line": document.root["payloads"].lines[n]}
            for n, p in parsed.payloads.items()
        },
        "variants": [_variant(v) for v in parsed.variants],
        "lines": _lines(document),
    }


def _variant(variant: Any) -> dict[str, Any]:
    """One variant in the plan's words; sections that were left out are empty lists."""
    configure = variant.configure
    result = {
        "when": variant.when.model_dump(exclude_none=True),
        "requirements": variant.requirements.model_dump(exclude_none=True),
        **{section: [item.normal() for item in getattr(variant, section)] for section in SECTIONS},
        "configure": None,
        "watch": list(variant.watch),
        **variant.model_dump(include={"reboot", "reboot_window"}, exclude_defaults=True, by_alias=True),
        "alone": variant.alone.model_dump(),
    }
    if configure is not None:
        actions = [item.normal() for item in configure.actions]
        result["configure"] = {"decision": configure.decision, "attempts": configure.attempts, "actions": actions}
    return result


def _lines(document: Document) -> dict[str, int]:
    """See ``Playbook.lines``."""
    lines = {f"payloads/{n}": at for n, at in getattr(document.root.get("payloads"), "lines", {}).items()}
    for index, variant in enumerate(document.root["variants"]):
        lines[f"variants/{index}"] = document.root["variants"].lines[index]
        sections = {s: variant.get(s) for s in SECTIONS} | {
            "configure": (variant.get("configure") or {}).get("actions")
        }
        for section, items in sections.items():
            lines |= {f"variants/{index}/{section}/{n}": at for n, at in enumerate(getattr(items, "lines", ()))}
    stack: list[Any] = [document.root]
    while stack:
        node: Any = stack.pop()
        keys = node if isinstance(node, Map) else range(len(node))
        pairs = [(node[key], node.lines[key]) for key in keys]
        for value, line in pairs:
            if isinstance(value, (dict, list)):
                stack.append(value)
            elif isinstance(value, str) and "{{" in value:
                lines["=" + value] = min(line, lines.get("=" + value, line))
    return lines


def _read_templates(path: Path, core: Mapping[str, Any]) -> tuple[dict[str, str], list[Problem]]:
    """The text of every template the actions name, and what is wrong with them."""
    templates: dict[str, str] = {}
    problems: list[Problem] = []
    for key, action in actions_of(core["variants"]):
        name = action.get("template")
        if name is None or name in templates:
            continue
        where = f"{path}:{core['lines'].get(key, 1)}"
        templates[name] = ""
        try:
            file = inside(path.parent, name, where)
            templates[name] = text = read_text(file, limit_bytes=LIMIT_BYTES, error=PlaybookError, too_large=SHORTEN)
            if any(mark in text for mark in MARKS):
                template.check(text, name=str(path.parent / name))
        except PlaybookError as error:
            problems += [
                Problem(where, Text(f"{name}: {p.what.id}", f"{name}: {p.what.en}"), p.hint) for p in error.problems
            ]
        except template.TemplateFault as fault:
            problems.append(Problem(f"{path.parent / name}:{fault.line}", fault.what, fault.hint))
    return templates, problems


def actions_of(variants: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every action of normalised variants, with its key in ``Playbook.lines``."""
    for index, variant in enumerate(variants):
        sections = {s: variant[s] for s in ("install", "run", "uninstall")}
        sections["configure"] = (variant["configure"] or {}).get("actions", [])
        for section, actions in sections.items():
            for number, action in enumerate(actions):
                yield f"variants/{index}/{section}/{number}", action


def inside(folder: Path, name: str, where: str) -> Path:
    """The file ``name`` within ``folder``, links followed.

    Raises:
        PlaybookError: it leads out of the folder.
    """
    root = folder.resolve()
    target = (root / name).resolve() if "\0" not in name else root
    if Path(name).is_absolute() or not target.is_relative_to(root) or target == root:
        raise PlaybookError(
            Text(f"'{name}' berada di luar folder playbook", f"'{name}' lies outside the playbook's folder"),
            where=where,
            hint=Text(
                "taruh berkasnya di folder playbook dan tulis namanya",
                "put the file into the playbook's folder and write its name",
            ),
        )
    return target


class _Kept:
    """Validated playbooks on disk, by content and by the code that validated them; damage only costs time."""

    def __init__(self, folder: Path | None, text: str) -> None:
        self._path: Path | None = None
        if folder is not None:
            import hashlib

            folders = [Path(__file__).parent, Path(str(source.__file__)).parent]
            makers = [*(p for f in folders for p in sorted(f.glob("*.py"))), Path(str(units.__file__))]
            code = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in makers]
            key = hashlib.sha256(f"{code}\n{text}".encode("utf-8", "surrogatepass"))
            self._path = folder / f"{key.hexdigest()}.json"

    def get(self) -> dict[str, Any] | None:
        """What was kept; None where there is nothing, or nothing of use."""
        if self._path is None:
            return None
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"), object_hook=_thaw)
        except (OSError, ValueError):
            return None
        return kept if isinstance(kept, dict) and kept.keys() >= {"software", "payloads", "variants", "lines"} else None

    def put(self, core: Mapping[str, Any]) -> None:
        """Keep it, whole or not at all; a folder that cannot be written is no reason to stop."""
        if self._path is None:
            return
        part = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.write_text(json.dumps(core, default=_freeze, ensure_ascii=False), encoding="utf-8")
            part.replace(self._path)
            kept = sorted(self._path.parent.glob("*.json"), key=lambda p: p.stat().st_mtime, reverse=True)
            for old in kept[KEPT_LIMIT:]:
                old.unlink(missing_ok=True)
        except OSError:
            part.unlink(missing_ok=True)


def _freeze(value: object) -> dict[str, str]:
    if isinstance(value, Template):
        return {"{{": value.text, "to": value.to}
    raise TypeError(type(value).__name__)


def _thaw(value: dict[str, Any]) -> Any:
    return Template(value["{{"], value["to"]) if value.keys() == {"{{", "to"} else value
