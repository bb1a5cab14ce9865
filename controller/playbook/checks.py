"""What a model alone cannot see: names that must exist, files beside the playbook, kinds that fit the platform.

Works on the values as written, and passes over what the models refuse, so that all mistakes are told at once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from controller import template
from controller.errors import PlaybookError, Problem
from controller.playbook.load import inside
from controller.source import Document, nearest
from controller.text import Text
from controller.units import DIGEST_PATTERN, SERVICE_STARTS, is_template

_ONLY_WINDOWS = ("msi", "exe", "registry", "program")
_ONLY_LINUX = ("deb",)
_NEEDS_OF_WINDOWS = ("edition", "build", "role", "domain", "dotnet_framework", "dotnet", "vc_runtime")
_ACTIONS = ("install", "run", "uninstall")


def merge(*found: list[Problem]) -> list[Problem]:
    """All of them by line, each once."""
    seen: dict[tuple[str, str], Problem] = {}
    for problem in (p for problems in found for p in problems):
        seen.setdefault((problem.where, problem.what.en), problem)
    return sorted(seen.values(), key=lambda p: int(p.where.rsplit(":", 1)[1]))


def check(document: Document) -> list[Problem]:
    """Every mistake that shows only across words, files and platforms."""
    payloads = document.root.get("payloads")
    names = [str(n) for n in payloads] if isinstance(payloads, dict) else []
    problems = [p for n in names for p in _payload(document, n, payloads[n])]
    for keys, section, kind, words, system in _items(document.root):
        problems += _platform(document, keys, kind, system)
        if isinstance(words, dict):
            problems += _words(document, (*keys, kind), kind, words, system)
        if isinstance(words, dict) and section in (*_ACTIONS, "configure"):
            problems += _references(document, (*keys, kind), words, names)
            problems += _template(document, (*keys, kind), words)
            problems += _reboot(document, (*keys, kind), words, section)
    problems += _needs(document)
    return problems + list(_logic(document, document.root, ()))


def _needs(document: Document) -> Iterator[Problem]:
    """Requirements that only Windows can answer."""
    variants = document.root.get("variants")
    for index, variant in enumerate(variants if isinstance(variants, list) else []):
        when, asked = (variant.get(w) for w in ("when", "requirements")) if isinstance(variant, dict) else (None, None)
        system = str(when.get("os")) if isinstance(when, dict) else ""
        for word in asked if isinstance(asked, dict) and system in ("linux", "macos") else ():
            if word in _NEEDS_OF_WINDOWS:
                yield Problem(
                    document.where("variants", index, "requirements", word),
                    Text(f"{word} tidak ada di {system}", f"there is no {word} on {system}"),
                    Text("pindahkan ke varian dengan os: windows", "move it to a variant with os: windows"),
                )


def _items(root: Any) -> Iterator[tuple[tuple[str | int, ...], str, str, Any, str]]:
    """Every action and probe that has the right shape: where, section, kind, words, operating system."""
    variants = root.get("variants")
    for index, variant in enumerate(variants if isinstance(variants, list) else []):
        if not isinstance(variant, dict):
            continue
        when = variant.get("when")
        system = str(when.get("os")) if isinstance(when, dict) else ""
        configure = variant.get("configure")
        places: list[tuple[tuple[str | int, ...], str, Any]] = [
            (("variants", index, s), s, variant.get(s)) for s in (*_ACTIONS, "test", "verify")
        ]
        if isinstance(configure, dict):
            places.append((("variants", index, "configure", "actions"), "configure", configure.get("actions")))
        for keys, section, items in places:
            for number, item in enumerate(items if isinstance(items, list) else []):
                if isinstance(item, dict) and len(item) == 1:
                    ((kind, words),) = item.items()
                    yield (*keys, number), section, kind, words, system


def _payload(document: Document, name: str, words: Any) -> Iterator[Problem]:
    if not isinstance(words, dict):
        return
    file, url, digest = words.get("file"), words.get("url"), words.get("sha256")
    where = document.where("payloads", name)
    if isinstance(url, str) and not re.match(r"https?://", url):
        yield Problem(
            document.where("payloads", name, "url"),
            Text(f"'{url}' bukan alamat https atau http", f"'{url}' is not an https or http address"),
            Text("pakai file: untuk berkas di samping playbook", "use file: for a file beside the playbook")
            if url.startswith("file:")
            else Text('tulis misalnya "https://…/berkas.deb"', 'write for example "https://…/file.deb"'),
        )
    beside: Path | None = None
    if isinstance(file, str) and file.strip():
        try:
            beside = inside(document.path.parent, file, document.where("payloads", name, "file"))
        except PlaybookError as error:
            yield from error.problems
    if isinstance(digest, str) and re.fullmatch(DIGEST_PATTERN, digest):
        return
    what = (
        Text(f"{name}: '{digest}' bukan SHA-256", f"{name}: '{digest}' is not a SHA-256")
        if "sha256" in words
        else Text(f"{name}: sha256 belum ada", f"{name}: sha256 is missing")
    )
    yield Problem(
        where if "sha256" not in words else document.where("payloads", name, "sha256"), what, _real(beside, file)
    )


def _real(beside: Path | None, file: object) -> Text:
    """The digest to paste, where the file is at hand."""
    if beside is not None and beside.is_file():
        try:
            with beside.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            digest = ""
        if digest:
            return Text(
                f'berkas yang ada di sini: sha256: "{digest}" (cocokkan dengan penerbitnya)',
                f'the file that is here has sha256: "{digest}" (compare it with the publisher\'s)',
            )
    return Text(
        f"tulis hasil 'sha256sum {file or 'BERKAS'}', dicocokkan dengan penerbitnya",
        f"write what 'sha256sum {file or 'FILE'}' prints, compared with the publisher's",
    )


def _platform(document: Document, keys: tuple[str | int, ...], kind: str, system: str) -> Iterator[Problem]:
    wrong = (kind in _ONLY_WINDOWS and system in ("linux", "macos")) or (
        kind in _ONLY_LINUX and system in ("windows", "macos")
    )
    if wrong:
        right = "windows" if kind in _ONLY_WINDOWS else "linux"
        yield Problem(
            document.where(*keys, kind),
            Text(f"{kind} tidak ada di {system}", f"there is no {kind} on {system}"),
            Text(f"pindahkan ke varian dengan os: {right}", f"move it to a variant with os: {right}"),
        )


_WORDS_OF = {
    ("service", "define", "user"): "linux",
    ("service", "define", "directory"): "linux",
    ("version", "package"): "linux",
    ("log", "unit"): "linux",
    ("version", "file"): "windows",
}
"""Words that one platform alone has, by kind and place."""


def _words(
    document: Document, keys: tuple[str | int, ...], kind: str, words: dict[str, Any], system: str
) -> Iterator[Problem]:
    """Words of a kind that is everywhere, but not with all of them."""
    found = []
    for (of, *path), right in _WORDS_OF.items():
        value: Any = words
        for word in path:
            value = value.get(word) if isinstance(value, dict) else None
        if of == kind and value is not None and system not in ("", right):
            found.append((path, path[-1], right))
    start = words.get("enabled")
    if kind == "service" and start in SERVICE_STARTS and system not in ("", "windows"):
        found.append((["enabled"], f"enabled: {start}", "windows"))
    for path, what, right in found:
        yield Problem(
            document.where(*keys, *path),
            Text(f"{kind}: {what} tidak berlaku di {system}", f"{kind}: {what} means nothing on {system}"),
            Text(f"hapus, atau tulis di varian dengan os: {right}", f"delete it, or use it with os: {right}"),
        )


def _references(
    document: Document, keys: tuple[str | int, ...], words: dict[str, Any], names: list[str]
) -> Iterator[Problem]:
    used = [(words.get("payload"), (*keys, "payload"))]
    for word in ("payloads", "transforms"):
        listed = words.get(word)
        used += [(n, (*keys, word, i)) for i, n in enumerate(listed if isinstance(listed, list) else [])]
    for name, at in used:
        if isinstance(name, str) and name not in names:
            near = nearest(name, names)
            yield Problem(
                document.where(*at),
                Text(f"payload '{name}' tidak ada di bawah payloads", f"there is no '{name}' under payloads"),
                Text(f"mungkin maksudnya {near[0]}", f"perhaps you mean {near[0]}")
                if near
                else Text(f"yang ada: {', '.join(names) or '-'}", f"there are: {', '.join(names) or '-'}"),
            )


def _template(document: Document, keys: tuple[str | int, ...], words: dict[str, Any]) -> Iterator[Problem]:
    name = words.get("template")
    if not isinstance(name, str) or not name.strip() or "{{" in name:
        return
    where = document.where(*keys, "template")
    try:
        target = inside(document.path.parent, name, where)
    except PlaybookError as error:
        yield from error.problems
        return
    if not target.is_file():
        beside = sorted(p.name for p in document.path.parent.glob("*.j2"))
        near = nearest(name, beside) or beside
        yield Problem(
            where,
            Text(f"template {name} tidak ada", f"there is no template {name}"),
            Text(f"yang ada: {', '.join(near)}", f"there are: {', '.join(near)}")
            if near
            else Text("taruh di folder playbook", "put it into the playbook's folder"),
        )


def _reboot(document: Document, keys: tuple[str | int, ...], words: dict[str, Any], section: str) -> Iterator[Problem]:
    """A removal is proved at once, by what the computer is then."""
    if section == "uninstall" and words.get("reboot", "never") != "never":
        yield Problem(
            document.where(*keys, "reboot"),
            Text("reboot tidak berlaku di uninstall", "reboot means nothing under uninstall"),
            Text(
                "hapus; penyalaan ulang yang tertunda disebut pada form",
                "leave it out; a reboot that is pending is named on the form",
            ),
        )


def _logic(document: Document, node: Any, keys: tuple[str | int, ...]) -> Iterator[Problem]:
    """Values take variables, not statements."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        if isinstance(value, str) and "{{" in value and "{%" in value:
            yield Problem(
                document.where(*keys, key),
                Text("nilai tidak menerima {% … %}", "a value takes no {% … %}"),
                Text("pakai {{ variabel }}, atau sebuah template", "use {{ variables }}, or a template"),
            )
        elif is_template(value):
            try:
                template.check(value)
            except template.TemplateFault as fault:
                yield Problem(document.where(*keys, key), fault.what, fault.hint)
        elif isinstance(value, (dict, list)):
            yield from _logic(document, value, (*keys, key))
