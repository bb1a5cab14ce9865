"""Every sentence a person reads, in the two languages of the offices."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

Language = Literal["id", "en"]


class Text(NamedTuple):
    """One sentence in Indonesian and in English, standing side by side so that neither is forgotten."""

    id: str
    en: str

    def say(self, language: Language) -> str:
        """The sentence in one language."""
        return self.id if language == "id" else self.en

    def as_json(self) -> dict[str, str]:
        """The shape in which records keep a sentence: ``{"id": …, "en": …}``."""
        return {"id": self.id, "en": self.en}


def same(value: str) -> Text:
    """What both languages write alike: a name, a path, a number of pieces."""
    return Text(value, value)


def joined(parts: Iterable[Text], separator: str = ", ") -> Text:
    """Parts of a sentence one after the other, those that say nothing left out."""
    pairs = [part for part in parts if part.id or part.en]
    return Text(separator.join(part.id for part in pairs), separator.join(part.en for part in pairs))


def said(value: object, language: Language) -> str:
    """A sentence out of a record.

    Args:
        value: ``{"id": …, "en": …}`` as records keep it; a plain string or ``None`` is taken as it is.
        language: the reader's.
    """
    if isinstance(value, Text):
        return value.say(language)
    if isinstance(value, Mapping):
        return str(value.get(language) or value.get("en") or value.get("id") or "")
    return "" if value is None else str(value)


def language_of(environment: Mapping[str, str] = os.environ) -> Language:
    """The reader's language: ``PASANG_LANG`` first, then the locale; English only where the locale says so.

    A locale that names no language (``C``, ``POSIX``, unset) reads Indonesian: this is who the product is for.
    """
    chosen = environment.get("PASANG_LANG", "")
    if not chosen:
        for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
            if environment.get(name):
                chosen = environment[name]
                break
    return "en" if chosen.lower().startswith("en") else "id"
