"""What pydantic refused, said to a person: file and line, what is wrong, and what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from controller.errors import Problem
from controller.playbook.actions import Action
from controller.playbook.models import Format
from controller.playbook.probes import Probe
from controller.playbook.words import Strict
from controller.source import Document, nearest
from controller.text import Text
from controller.units import UnitError

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_SHAPES = {
    "list_type": (Text("sebuah daftar", "a list"), "[a, b]"),
    "dict_type": (Text("sebuah pemetaan", "a mapping"), "{kata: nilai}"),
    "model_type": (Text("sebuah pemetaan", "a mapping"), "{kata: nilai}"),
    "model_attributes_type": (Text("sebuah pemetaan", "a mapping"), "{kata: nilai}"),
}
_REQUIRED = {
    "test": Text(
        "tanpa uji bawaan langkah 7 tidak berarti; tulis misalnya", "step 7 needs a default test; write for example"
    ),
    "install": Text("langkah 5 memerlukan tindakan; tulis misalnya", "step 5 needs an action; write for example"),
}
_EXAMPLES = {
    "pasang": "pasang: 1",
    "software": 'software: {name: nginx, version: "1.22.1", publisher: NGINX, licence: BSD-2-Clause}',
    "variants": "variants: [{when: {os: linux}, install: […], test: […]}]",
    "when": "when: {os: linux, distribution: debian}",
    "install": "install: [{deb: {payloads: [nginx]}}]",
    "test": "test: [{command: {argv: [nginx, -t]}}]",
    "version": 'version: "1.0.0"',
    "publisher": "publisher: …",
    "licence": "licence: MIT",
    "argv": "argv: [nginx, -t]",
    "actions": "actions: [{service: {name: nginx, state: reloaded}}]",
}


def problems_of(error: ValidationError, document: Document) -> list[Problem]:
    """Every mistake of a playbook, by line; the same place is named once."""
    found: dict[tuple[str, str], Problem] = {}
    for detail in error.errors(include_url=False):
        if detail["loc"][:1] == ("payloads",) and detail["loc"][-1] == "sha256":
            continue  # ``checks`` knows the real digest
        problem = _problem(detail, document)
        found.setdefault((problem.where, problem.what.en), problem)
    return sorted(found.values(), key=lambda p: int(p.where.rsplit(":", 1)[1]))


def _keys(loc: tuple[int | str, ...], document: Document) -> list[str | int]:
    """The part of pydantic's location that stands in the file: names of union branches do not."""
    keys: list[str | int] = []
    node: Any = document.root
    for key in loc:
        if isinstance(node, dict) and key in node:
            node = node[str(key)]
        elif isinstance(node, list) and isinstance(key, int) and key < len(node):
            node = node[key]
        elif isinstance(key, str) and ("[" in key or key.startswith("function-")):
            continue
        elif isinstance(key, int) and not isinstance(node, list):
            continue  # written as its only entry
        keys.append(key)
    return keys


def _problem(detail: ErrorDetails, document: Document) -> Problem:
    keys = _keys(detail["loc"], document)
    where = document.where(*keys)
    kind = detail["type"]
    names = [str(k) for k in keys if isinstance(k, str)]
    word = names[-1] if names else "playbook"
    if keys and isinstance(keys[-1], int):
        word += f"[{keys[-1] + 1}]"  # people count from 1
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, UnitError):
        prefix = word
        return Problem(where, Text(f"{prefix}: {cause.what.id}", f"{prefix}: {cause.what.en}"), cause.hint)
    if kind == "missing":
        return Problem(where, Text(f"'{word}' belum ada", f"'{word}' is missing"), _example(word))
    if kind == "extra_forbidden":
        return _unknown(where, word, keys)
    if kind in ("too_short", "too_long"):
        return Problem(where, Text(f"{word}: tidak boleh kosong", f"{word}: must not be empty"), _example(word))
    if kind == "literal_error" and word == "pasang":
        return Problem(
            where,
            Text("versi format ini tidak dikenal", "this version of the format is not known"),
            Text("tulis 'pasang: 1'", "write 'pasang: 1'"),
        )
    if kind in _SHAPES:
        shape, example = _SHAPES[kind]
        return Problem(
            where,
            Text(f"{word}: harus berupa {shape.id}", f"{word}: must be {shape.en}"),
            Text(
                f"tulis misalnya {example}",
                f"write for example {example.replace('kata', 'word').replace('nilai', 'value')}",
            ),
        )
    return Problem(
        where,
        Text(f"{word}: tidak diterima ({detail['msg']})", f"{word}: not accepted ({detail['msg']})"),
        Text("lihat 'pasang schema playbook'", "see 'pasang schema playbook'"),
    )


def _example(word: str) -> Text:
    example = _EXAMPLES.get(word, f"{word}: …")
    lead = _REQUIRED.get(word, Text("tambahkan", "add"))
    return Text(f"{lead.id} '{example}'", f"{lead.en} '{example}'")


def _unknown(where: str, word: str, keys: list[str | int]) -> Problem:
    model, is_kind = _model_at(keys[:-1])
    known = [f.alias or n for n, f in model.model_fields.items()] if model else []
    if is_kind:
        what = Text(f"jenis '{word}' tidak dikenal di sini", f"the kind '{word}' is not known here")
        other = Probe if model is Action else Action
        if word in {f.alias or n for n, f in other.model_fields.items()}:
            sections = (
                ("test, verify", "a probe") if model is Action else ("install, run, configure, uninstall", "an action")
            )
            return Problem(
                where,
                what,
                Text(
                    f"jenis ini hanya berlaku di bawah {sections[0]}",
                    f"this is {sections[1]}; it stands under {sections[0]}",
                ),
            )
    else:
        what = Text(f"kata '{word}' tidak dikenal di sini", f"the word '{word}' is not known here")
    near = nearest(word, known)
    if near:
        return Problem(
            where, what, Text(f"mungkin maksudnya {' / '.join(near)}", f"perhaps you mean {' / '.join(near)}")
        )
    listed = ", ".join(known)
    return Problem(where, what, Text(f"yang dikenal: {listed}", f"known here: {listed}"))


def _model_at(keys: list[str | int]) -> tuple[type[Strict] | None, bool]:
    """The model that stands at a place of the playbook, and whether it is a list entry of kinds."""
    model: type[Strict] | None = Format
    for key in keys:
        if isinstance(key, int):
            continue
        if model is None:
            return None, False
        field = next((f for n, f in model.model_fields.items() if key in (n, f.alias)), None)
        if field is not None:
            model = _inner(field.annotation)
    return model, model in (Action, Probe)


def _inner(annotation: Any) -> type[Strict] | None:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if found := _inner(part):
            return found
    return None
