"""Secrets never reach the record: they are replaced before anything is stored or printed."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, quote_plus

from controller.settings import Secret

MASK = "***"
SHORTEST = 4
"""A shorter secret stands inside too many innocent words: it is replaced only where it is the whole string."""
SHORTEST_LINE = 8
"""A line of a secret of several lines (a private key) counts as secret from this length on."""

LONG = 8192


def spellings(secrets: Iterable[str]) -> list[str]:
    """The spellings of some secrets, sorted: for an agent, which looks for them before it cuts a text.

    Of what is longer than a password or a key (a whole file that was made of one) there is only itself, and its lines.
    """
    found: set[str] = set()
    for secret in secrets:
        found |= {secret} if len(secret) < SHORTEST else _plain(secret) if len(secret) > LONG else _forms(secret)
    return sorted(found - {""})


class Redactor:
    """Replaces every secret in strings and keys of a record, also where it is encoded.

    Known forms: as it is, base64 (also within a longer text, at each of its three alignments), URL-quoted,
    JSON-escaped, as a shell, SQL, systemd, HTML, msiexec or a command line of Windows quotes it, hex; of a secret of
    several lines (a private key) also each line.
    Numbers are left alone: they are measures, and a short PIN would blank sizes and durations that the form needs.
    """

    def __init__(self, secrets: Iterable[str | Secret] = ()) -> None:
        values = {s.reveal() if isinstance(s, Secret) else s for s in secrets} - {""}
        self._whole = frozenset(value for value in values if len(value) < SHORTEST)
        forms: set[str] = set()
        for value in values - self._whole:
            forms |= _forms(value)
        self._forms = tuple(sorted(forms, key=lambda form: (-len(form), form)))

    def text(self, value: str) -> str:
        """The string without secrets."""
        if value in self._whole:
            return MASK
        for form in self._forms:
            if form in value:
                value = value.replace(form, MASK)
        return value

    def redact(self, record: dict[str, Any]) -> dict[str, Any]:
        """The record without secrets; the same object where there was none, which is nearly always."""
        if not self._holds_secret(record):
            return record
        return {self.text(key): _replaced(value, self.text) for key, value in record.items()}

    def _holds_secret(self, record: dict[str, Any]) -> bool:
        """One search a secret through all strings at once: this runs for every record of every host."""
        if not (self._forms or self._whole):
            return False
        strings: list[str] = []
        _collect(record, strings)
        if not self._whole.isdisjoint(strings):
            return True
        together = "\0".join(strings)
        return any(form in together for form in self._forms)


def _collect(value: object, into: list[str]) -> None:
    if isinstance(value, str):
        into.append(value)
    elif isinstance(value, dict):
        into.extend(value)
        for item in value.values():
            _collect(item, into)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect(item, into)


def _replaced(value: object, text: Callable[[str], str]) -> object:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {text(key): _replaced(item, text) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_replaced(item, text) for item in value]
    return value


def _forms(value: str) -> set[str]:
    """Every way in which the secret may appear."""
    forms = _plain(value)
    for form in tuple(forms):
        escaped = json.dumps(form)[1:-1]
        forms |= {escaped, json.dumps(form, ensure_ascii=False)[1:-1], json.dumps(escaped)[1:-1]}
        forms |= {quote(form), quote(form, safe=""), quote_plus(form)}
        forms |= {form.replace("'", "'\"'\"'"), form.replace("'", r"'\''"), form.replace("'", "''"), html.escape(form)}
        # As msiexec takes a property, and as a command line of Windows has a word.
        forms |= {form.replace('"', '""'), re.sub(r'(\\*)(?:(")|$)', _backslashes_doubled, form)}
        forms |= {form.replace("\\", "\\\\"), form.replace("%", "%%"), re.sub(r"([^\w@%+=:,./-])", r"\\\1", form)}
    data = value.encode("utf-8", "surrogateescape")
    forms |= {data.hex(), data.hex().upper()}
    for encoder in (base64.b64encode, base64.urlsafe_b64encode):
        forms |= _base64_forms(data, encoder)
    return {form for form in forms if len(form) >= SHORTEST}


def _backslashes_doubled(found: re.Match[str]) -> str:
    """Backslashes before a quote, which gets one more, or at the end. Source: Parsing C++ command-line arguments."""
    return found[1] * 2 + ('\\"' if found[2] else "")


def _plain(value: str) -> set[str]:
    """The secret as it is, and the lines of one that has several."""
    lines = [line.strip() for line in value.splitlines()]
    long = {line for line in lines if len(line) >= SHORTEST_LINE and not line.startswith("-----")}
    return {value, value.rstrip("\r\n"), *(long if len(lines) > 1 else ())}


def _base64_forms(data: bytes, encoder: Callable[[bytes], bytes]) -> set[str]:
    """The secret in base64 alone, and the characters it alone decides within a longer text, at each alignment."""
    forms = {encoder(data).decode()}
    for before in range(3):
        encoded = encoder(b"\0" * before + data).decode().rstrip("=")
        first = (before * 8 + 5) // 6  # characters that also carry bits of what stands before
        last = (before + len(data)) * 8 // 6  # a character beyond it also carries bits of what follows
        core = encoded[first:last]
        if len(core) >= SHORTEST_LINE:
            forms.add(core)
    return forms
