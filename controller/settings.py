"""Settings: the environment, secrets from files, and the installation's own letterhead and time zone.

``PASANG_HOME`` holds database, depot, keys and ``settings.yaml``; ``NAME_FILE`` stands for ``NAME`` wherever the
value is secret, so that no secret has to stand in an environment or on a command line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

from controller.errors import InputError
from controller.text import Language, Text, language_of

SETTINGS_LIMIT_BYTES = 1_000_000
WIB = timezone(timedelta(hours=7), "WIB")
ZONES: Mapping[str, tzinfo] = {
    "Asia/Jakarta": WIB,
    "Asia/Makassar": timezone(timedelta(hours=8), "WITA"),
    "Asia/Jayapura": timezone(timedelta(hours=9), "WIT"),
}
"""Indonesia's, without summer time: known also where the system has no files of time zones."""


class Secret:
    """A value that prints as ``***`` wherever it is printed; ``reveal()`` is the only way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself: only for the call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True)
class Letterhead:
    """The head of the printed form. Another agency puts its own here; nothing of it stands in code."""

    lines: tuple[str, ...] = ()
    """From the widest body to the smallest, e.g. government, office, division."""
    address: str = ""
    document_number: str = ""
    created_on: str = ""
    revised_on: str = ""
    effective_on: str = ""
    approved_by: str = ""
    place: str = ""
    legal_basis: tuple[str, ...] = ()
    logo: str = ""
    """Path of a PNG, SVG or JPEG, or empty; in the settings file relative to its folder."""


@dataclass(frozen=True)
class Settings:
    """What an installation of Pasang is told from outside, read once at the start."""

    home: Path
    database_url: str | Secret
    language: Language
    playbooks: tuple[Path, ...]
    letterhead: Letterhead = field(default_factory=Letterhead)
    zone: tzinfo = WIB
    """By which the office reads its clock."""

    @property
    def file(self) -> Path:
        """Where letterhead and time zone are written, if anywhere."""
        return self.home / "settings.yaml"

    @property
    def depot(self) -> Path:
        """Where installers are kept by SHA-256."""
        return self.home / "depot"

    @property
    def keys(self) -> Path:
        """Where signing keys are kept."""
        return self.home / "keys"

    @property
    def known_hosts(self) -> Path:
        """The host keys that ``hosts trust`` took, in OpenSSH's format."""
        return self.home / "known_hosts"


def default_home(environment: Mapping[str, str] = os.environ) -> Path:
    """The platform's data folder for this user."""
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "Pasang"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Pasang"
    return Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "pasang"


def secret(name: str, environment: Mapping[str, str] = os.environ) -> Secret | None:
    """The secret ``name``, or what stands in the file that ``name_FILE`` points to; None where neither is set.

    Raises:
        InputError: the file cannot be read.
    """
    path = environment.get(name + "_FILE")
    if path:
        try:
            return Secret(Path(path).read_text(encoding="utf-8").rstrip("\r\n"))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                Text(f"berkas rahasia {path} tidak dapat dibaca", f"the secret file {path} cannot be read"),
                where=name + "_FILE",
                hint=Text("periksa jalur dan hak bacanya", "check its path and permissions"),
            ) from error
    value = environment.get(name)
    return Secret(value) if value else None


def load_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Settings out of the environment and ``PASANG_HOME/settings.yaml``.

    Raises:
        InputError: there is no such folder and it cannot be made; ``settings.yaml`` cannot be read, or says what means
            nothing.
    """
    home = (
        Path(environment["PASANG_HOME"]).expanduser() if environment.get("PASANG_HOME") else default_home(environment)
    )
    home = home.absolute()
    _make(home)
    database = secret("PASANG_DATABASE_URL", environment)
    folders = environment.get("PASANG_PLAYBOOKS")
    bare = Settings(
        home=home,
        database_url=database or f"sqlite:///{home / 'pasang.sqlite3'}",
        language=language_of(environment),
        playbooks=tuple(Path(p) for p in folders.split(os.pathsep)) if folders else (Path("playbooks"),),
    )
    return replace(bare, **_written(bare.file)) if bare.file.exists() else bare


def _make(home: Path) -> None:
    """Have the folder, before anything is kept in it: a mistyped one is said here, once."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InputError(
            Text(f"folder ini tidak dapat dibuat: {error.strerror}", f"this folder cannot be made: {error.strerror}"),
            where=f"PASANG_HOME={home}",
            hint=Text("isi PASANG_HOME dengan folder yang dapat ditulis", "set PASANG_HOME to a folder you may write"),
        ) from error


def _written(path: Path) -> dict[str, Any]:
    """The fields of ``Settings`` that a settings file gives.

    Raises:
        InputError: it is not YAML, or says what means nothing.
    """
    from controller.source import read

    content = read(path, limit_bytes=SETTINGS_LIMIT_BYTES, error=InputError).root or {}
    _check_names(content, ("letterhead", "timezone"), path)
    given = {"letterhead": _letterhead(content.get("letterhead") or {}, path)}
    return {**given, "zone": zone_of(content["timezone"], path)} if content.get("timezone") else given


def zone_of(name: object, path: Path) -> tzinfo:
    """A time zone by its name (``Asia/Makassar``) or by Indonesia's own abbreviation (``WITA``).

    Raises:
        InputError: there is none of this name.
    """
    from zoneinfo import ZoneInfo

    for known, zone in ZONES.items():
        if name in (known, zone.tzname(None)):
            return zone
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError) as error:
        raise InputError(
            Text(f"zona waktu {name} tidak dikenal", f"there is no time zone {name}"),
            where=str(path),
            hint=Text("tulis WIB, WITA, WIT, atau nama seperti Asia/Jakarta", "write a name such as Asia/Jakarta"),
        ) from error


def _letterhead(head: Any, path: Path) -> Letterhead:
    known = Letterhead.__dataclass_fields__
    _check_names(head, known, path)
    lists = {k: tuple(map(str, v)) for k, v in head.items() if isinstance(v, list)}
    words = {k: str(v) for k, v in head.items() if not isinstance(v, list)}
    for key, kind in (*((k, tuple) for k in words), *((k, str) for k in lists)):
        if isinstance(known[key].default, kind):
            raise InputError(
                Text(
                    f"{key} harus {'daftar' if kind is tuple else 'satu teks'}",
                    f"{key} must be {'a list' if kind is tuple else 'one text'}",
                ),
                where=str(path),
                hint=Text("lihat docs/settings.example.yaml", "see docs/settings.example.yaml"),
            )
    if words.get("logo"):
        words["logo"] = str(path.parent / words["logo"])
    return Letterhead(**lists, **words)  # type: ignore[arg-type]


def _check_names(given: Any, known: Iterable[str], path: Path) -> None:
    """Refuse what is no mapping, or has words that mean nothing."""
    is_mapping = isinstance(given, dict)
    unknown = [str(word) for word in given if word not in known] if is_mapping else [str(given)]
    if unknown:
        raise InputError(
            Text(f"tidak dikenal: {', '.join(unknown)}", f"unknown: {', '.join(unknown)}"),
            where=str(path),
            hint=Text(f"yang dikenal: {', '.join(known)}", f"known: {', '.join(known)}"),
        )
