"""The agent's own short words in what was needed and what was found; what it quotes of the computer stays as it is."""

from __future__ import annotations

from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Union

    Text = Dict[str, str]
    Words = Union[str, Text]
    """A string is what both languages write alike."""

FREE = text("bebas", "free")
VERSION_BEFORE = text("versi sebelumnya", "the version before")
SERVICE = {
    "active": text("berjalan", "active"),
    "reloading": text("sedang memuat ulang", "reloading"),
    "inactive": text("berhenti", "inactive"),
    "failed": text("gagal", "failed"),
    "activating": text("sedang dinyalakan", "activating"),
    "deactivating": text("sedang dihentikan", "deactivating"),
}
"""Of services, by systemd's word. Source: systemctl(1), "is-active"."""
ENABLED = {True: text("menyala sendiri", "enabled"), False: text("tidak menyala sendiri", "disabled")}
STARTS = {
    "auto": ENABLED[True],
    "delayed": text("menyala sendiri dengan tunda", "enabled, delayed"),
    "manual": text("dinyalakan bila diminta", "started on demand"),
    "disabled": text("dinonaktifkan", "disabled"),
}
"""How a service starts, where its manager knows more than two ways."""
PLACE = {
    "file": text("berkas", "file"),
    "directory": text("folder", "directory"),
    "link": text("tautan", "link"),
    "absent": text("tidak ada", "absent"),
    "other": text("bukan berkas", "other"),
}
"""What stands at a path."""


def word(words: dict[str, Text], value: object) -> Words:
    """Our word for a value; the value itself where we have none."""
    return words.get(str(value)) or str(value)


def line(*parts: Words, between: str = ", ") -> Words:
    """Parts one after the other, in each language; what is empty is left out."""
    pairs = [both(part) for part in parts if part]
    id, en = (between.join(pair[language] for pair in pairs) for language in ("id", "en"))
    return en if id == en else text(id, en)


def both(words: Words) -> Text:
    """Words in each language."""
    return text(words, words) if isinstance(words, str) else words


def comma(shown: str) -> str:
    """A number as the program writes it (``1.5``), with Indonesia's decimal mark."""
    return shown.replace(".", ",")


def measured(shown: str, id: str, en: str) -> Words:
    """A number with its unit."""
    return line(text(f"{comma(shown)} {id}", f"{shown} {en}"))


def seconds(shown: str) -> Words:
    """So many seconds, in short."""
    return measured(shown, "dtk", "s")
