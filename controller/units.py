"""Sizes, times, ports, paths, patterns: from what people write to what the agent takes.

Each converter takes one YAML value and gives its normal form, or raises ``UnitError`` with what to write instead. A
value with ``{{ variables }}`` becomes a ``Template`` that remembers its converter: it is converted per host, once
filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from controller.text import Text

_SIZES = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_TIMES = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SIZE_PATTERN = r"^\s*\d+(\.\d+)?\s*([KMGT]i?)?B\s*$"
DURATION_PATTERN = r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d)\s*$"
_ONE_VERSION = r"((>=|<=|==|!=|>|<)\s*)?[0-9A-Za-z][0-9A-Za-z.+~:_-]*"
VERSION_PATTERN = rf"^\s*{_ONE_VERSION}(\s*,\s*{_ONE_VERSION})*\s*$"
TIME_PATTERN = r"^\s*([01]?\d|2[0-3])[:.][0-5]\d\s*$"
MODE_PATTERN = r"^[0-7]{3,4}$"
DIGEST_PATTERN = r"^[0-9a-fA-F]{64}$"
PACKAGE_PATTERN = r"^[a-z0-9][a-z0-9.+-]+(:[a-z0-9]+)?(=[0-9A-Za-z.+~:-]+)?$"
NAME_LIMIT = 100
"""Characters: with a run's number or a unit's ending it is a file's name still, and fits the form."""
NAME_PATTERN = rf"^[A-Za-z0-9][A-Za-z0-9_.@:+-]{{0,{NAME_LIMIT - 1}}}$"


class UnitError(ValueError):
    """A value that its place does not take; ``hint`` says what to write instead."""

    def __init__(self, what: Text, hint: Text) -> None:
        super().__init__(what.en)
        self.what = what
        self.hint = hint


class Template:
    """A value still holding ``{{ variables }}``; ``to`` names the converter for what it becomes."""

    __slots__ = ("text", "to")

    def __init__(self, text: str, to: str) -> None:
        self.text = text
        self.to = to

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and (other.text, other.to) == (self.text, self.to)

    def __hash__(self) -> int:
        return hash((self.text, self.to))

    def __repr__(self) -> str:
        return f"Template({self.text!r}, {self.to!r})"


def is_template(value: object) -> bool:
    """Whether ``value`` holds ``{{ variables }}``."""
    return isinstance(value, str) and "{{" in value


def _show(value: object) -> str:
    """A value as it was written, or nearly; not too long."""
    if value is None or isinstance(value, bool):
        text = {None: "null", True: "true", False: "false"}[value]
    else:
        text = str(getattr(value, "text", value))
    return text if len(text) <= 60 else text[:57] + "…"


def _refuse(value: object, what: Text, example: str) -> UnitError:
    shown = _show(value)
    return UnitError(
        Text(f"'{shown}' bukan {what.id}", f"'{shown}' is not {what.en}"),
        Text(f"tulis misalnya {example}", f"write for example {example}"),
    )


def string(value: object) -> str:
    """Text, as it is; numbers must be quoted so that ``1.10`` does not become 1.1."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        shown = _show(value)
        raise UnitError(
            Text(f"{shown} harus berupa teks", f"{shown} must be text"),
            Text(f'beri tanda kutip: "{shown}"', f'put it in quotes: "{shown}"'),
        )
    raise _refuse(value, Text("teks", "text"), '"…"')


def filled(value: object) -> str:
    """Text that is not empty."""
    text = string(value)
    if not text.strip():
        raise UnitError(Text("tidak boleh kosong", "must not be empty"), Text("isi nilainya", "write a value"))
    return text


def argument(value: object) -> str:
    """One argument of a command: text, or a whole number as its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    text = string(value)
    if "\0" in text:
        raise _refuse("\\0", Text("bagian perintah", "part of a command"), '["nginx", "-t"]')
    return text


def anything(value: object) -> object:
    """Whatever JSON can say."""
    if isinstance(value, float) and not -1e308 < value < 1e308:
        raise _refuse(value, Text("nilai JSON", "a value of JSON"), "1.5")
    return value


def boolean(value: object) -> bool:
    """``true`` or ``false``; also as text, for what a variable became."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
        return value.strip().lower() in ("true", "yes", "on", "1")
    raise _refuse(value, Text("true atau false", "true or false"), "true")


def _whole(value: object, what: Text, example: str, least: int, most: int) -> int:
    if isinstance(value, str) and re.fullmatch(r"\s*-?\d{1,18}\s*", value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise _refuse(value, what, example)
    return value


def port(value: object) -> int:
    """1 to 65535."""
    return _whole(value, Text("nomor port (1 sampai 65535)", "a port number (1 to 65535)"), "80", 1, 65535)


def count(value: object) -> int:
    """0 or more."""
    return _whole(value, Text("bilangan bulat 0 atau lebih", "a whole number, 0 or more"), "1", 0, 10**12)


def attempts(value: object) -> int:
    """1 to 10."""
    return _whole(value, Text("bilangan bulat 1 sampai 10", "a whole number from 1 to 10"), "2", 1, 10)


def exit_code(value: object) -> int:
    """What a process may end with: 0 to 4294967295, as Windows counts; some makers write the upper half as negative."""
    return _whole(value, Text("kode keluar", "an exit code"), "0", -(2**31), 2**32 - 1) % 2**32


def http_status(value: object) -> int:
    """100 to 599."""
    return _whole(value, Text("status HTTP (100 sampai 599)", "an HTTP status (100 to 599)"), "200", 100, 599)


def size(value: object) -> int:
    """``500 MB``, ``2 GiB`` → bytes."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*", value) if isinstance(value, str) else None
    if not match or match[2].upper() not in _SIZES:
        raise _refuse(value, Text("ukuran dengan satuan", "a size with its unit"), "500 MB / 2 GiB")
    return round(float(match[1]) * _SIZES[match[2].upper()])


def duration(value: object) -> float:
    """``10s``, ``5m``, ``1h``, ``500ms`` → seconds."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", value) if isinstance(value, str) else None
    if not match or match[2] not in _TIMES:
        raise _refuse(value, Text("lama waktu dengan satuan", "a time with its unit"), "10s / 5m / 1h")
    seconds = round(float(match[1]) * _TIMES[match[2]], 3)
    if seconds > 7 * 86400:
        raise _refuse(value, Text("lama waktu paling banyak 7 hari", "a time of at most 7 days"), "10s / 5m / 1h")
    return int(seconds) if seconds == int(seconds) else seconds


def time_of_day(value: object) -> str:
    """``18:00`` or ``18.00`` → ``HH:MM``, in quotes: YAML may take it for a number."""
    match = re.fullmatch(r"\s*([01]?\d|2[0-3])[:.]([0-5]\d)\s*", value) if isinstance(value, str) else None
    if not match:
        raise _refuse(value, Text("jam dalam tanda kutip", "a time of day in quotes"), '"18:00"')
    return f"{match[1]:0>2}:{match[2]}"


def path(value: object) -> str:
    """An absolute path of the computer, POSIX or Windows, or one of the user's home (``~/…``); without ``..``."""
    text = string(value)
    absolute = text.startswith(("/", "~/")) or text == "~" or re.match(r"[A-Za-z]:[\\/]|\\\\", text)
    if not absolute or "\0" in text or ".." in re.split(r"[\\/]", text):
        raise _refuse(
            value,
            Text("jalur mutlak tanpa '..'", "an absolute path without '..'"),
            "/opt/kilat / ~/kilat / C:\\Program Files\\Kilat",
        )
    return text


def watched(value: object) -> str:
    """A path, or a key of Windows' registry that is every user's: ``HKLM\\…``, ``HKU\\…``."""
    text = string(value)
    if re.match(r"(HKLM|HKU|HKEY_LOCAL_MACHINE|HKEY_USERS)\\[^\\]", text, re.IGNORECASE) and "\0" not in text:
        return text.rstrip("\\")
    return path(value)


REGISTRY_ROOTS = {
    "HKLM": "HKLM", "HKEY_LOCAL_MACHINE": "HKLM", "HKCR": "HKCR", "HKEY_CLASSES_ROOT": "HKCR",
    "HKU": "HKU", "HKEY_USERS": "HKU", "HKCC": "HKCC", "HKEY_CURRENT_CONFIG": "HKCC",
}  # fmt: skip
"""By what may be written the short name. HKCU is not among them: it is whoever the agent runs as."""


def registry_key(value: object) -> str:
    """A key of Windows' registry, with the short name of its root and no empty parts."""
    text = filled(value)
    root, *parts = (part for part in text.split("\\") if part)
    name = REGISTRY_ROOTS.get(root.upper())
    if root.upper() in ("HKCU", "HKEY_CURRENT_USER"):
        raise UnitError(
            Text(
                f"{root} adalah milik akun agen, bukan milik pengguna komputer itu",
                f"{root} is that of the account the agent runs as, not of the computer's user",
            ),
            Text("tulis HKLM\\…, atau HKU\\SID\\…", "write HKLM\\…, or HKU\\SID\\…"),
        )
    if name is None or not parts or "\0" in text:
        raise _refuse(value, Text("kunci registri", "a registry key"), "HKLM\\Software\\Contoh")
    return "\\".join([name, *parts])


def registry_view(value: object) -> str:
    """``64`` or ``32``: whose registry, where 32-bit programs have one of their own."""
    if value in (64, 32, "64", "32") and not isinstance(value, bool):
        return str(value)
    raise _refuse(value, Text("64 atau 32", "64 or 32"), "64")


def service_start(value: object) -> bool | str:
    """Whether a service starts with the computer; on Windows also how."""
    if value in SERVICE_STARTS:
        return str(value)
    try:
        return boolean(value)
    except UnitError as error:
        words = " / ".join(SERVICE_STARTS)
        raise UnitError(
            error.what,
            Text(f"tulis true / false, di Windows juga {words}", f"write true / false, on Windows also {words}"),
        ) from error


SERVICE_STARTS = ("manual", "delayed", "disabled")


def mode(value: object) -> str:
    """File permissions as octal text of four digits."""
    shown = ""
    if isinstance(value, int) and not isinstance(value, bool):
        from controller.source import Octal

        shown = f"{value:04o}" if isinstance(value, Octal) else f"{value:04d}"  # as it was written: 0644, or 644
    if re.fullmatch(MODE_PATTERN, shown):
        raise UnitError(
            Text("hak berkas harus ditulis dalam tanda kutip", "permissions must be written in quotes"),
            Text(f'tulis "{shown}"', f'write "{shown}"'),
        )
    if not isinstance(value, str) or not re.fullmatch(MODE_PATTERN, value):
        raise _refuse(value, Text("hak berkas dalam oktal", "permissions in octal"), '"0644"')
    return value.zfill(4)


def digest(value: object) -> str:
    """SHA-256 in lower-case hex."""
    if not isinstance(value, str) or not re.fullmatch(DIGEST_PATTERN, value):
        raise UnitError(
            Text(f"'{_show(value)}' bukan SHA-256", f"'{_show(value)}' is not a SHA-256"),
            Text(
                "tulis 64 angka heksadesimal, hasil 'sha256sum BERKAS'",
                "write the 64 hex digits that 'sha256sum FILE' prints",
            ),
        )
    return value.lower()


def pattern(value: object) -> str:
    """A regular expression."""
    text = filled(value)
    try:
        re.compile(text)
    except re.error as error:
        raise UnitError(
            Text(f"pola '{_show(text)}' keliru: {error}", f"the pattern '{_show(text)}' is wrong: {error}"),
            Text("perbaiki ungkapan regulernya", "mend the regular expression"),
        ) from error
    return text


def group_pattern(value: object) -> str:
    """A regular expression with exactly one group."""
    text = pattern(value)
    if re.compile(text).groups != 1:
        raise _refuse(value, Text("pola dengan satu grup", "a pattern with one group"), r"'version ([0-9.]+)'")
    return text


def version_range(value: object) -> str:
    """``>=12,<14`` → the same without spaces; a bare ``12`` means that one and all below it (12.7)."""
    if isinstance(value, str) and re.fullmatch(VERSION_PATTERN, value):
        return re.sub(r"\s+", "", value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return string(value)  # says to quote it
    raise _refuse(value, Text("rentang versi", "a version range"), '">=12" / ">=12,<14" / "12"')


def url(value: object) -> str:
    """``http://…`` or ``https://…`` with a host."""
    text = string(value)
    if not re.match(r"https?://[^\s/?#]+", text, re.IGNORECASE) or re.search(r"\s", text):
        raise _refuse(value, Text("alamat http(s)", "an http(s) address"), '"http://127.0.0.1/"')
    return text


def name(value: object) -> str:
    """A name of one word: a service, a user, a link."""
    text = string(value)
    if not re.fullmatch(NAME_PATTERN, text):
        kind = Text(
            f"nama satu kata, paling panjang {NAME_LIMIT} huruf", f"a name of one word of at most {NAME_LIMIT} letters"
        )
        raise _refuse(value, kind, "nginx")
    return text


def package(value: object) -> str:
    """A package of the computer's own apt: ``name`` or ``name=version``."""
    text = string(value)
    if not re.fullmatch(PACKAGE_PATTERN, text):
        raise _refuse(value, Text("nama paket", "a package name"), "curl / curl=7.88.1-10")
    return text


def architecture(value: object) -> str:
    """The processor as the kernel names it."""
    known = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64", "x86": "i686", "i386": "i686"}
    text = string(value).lower()
    text = known.get(text, text)
    if text not in ("x86_64", "aarch64", "i686", "armv7l", "riscv64", "ppc64le", "s390x"):
        raise _refuse(value, Text("arsitektur yang dikenal", "a known architecture"), "x86_64 / aarch64")
    return text


CONVERTERS: dict[str, Callable[[object], Any]] = {
    f.__name__: f
    for f in (
        anything, string, filled, argument, boolean, port, count, attempts, exit_code, http_status, size, duration,
        time_of_day, path, watched, mode, digest, pattern, group_pattern, version_range, url, name, package,
        architecture, registry_key, registry_view, service_start,
    )
}  # fmt: skip


def convert(to: str, value: object) -> Any:
    """``value`` by the converter ``to``: a name in ``CONVERTERS``, or ``choice:a|b|c``.

    Raises:
        UnitError: the value does not fit.
    """
    if not to.startswith("choice:"):
        return CONVERTERS[to](value)
    choices = to[7:].split("|")
    if isinstance(value, str) and value in choices:
        return value
    from controller.source import nearest

    near = nearest(value, choices, 1) if isinstance(value, str) else []
    shown, listed = _show(value), " | ".join(choices)
    raise UnitError(
        Text(f"'{shown}' tidak dikenal di sini", f"'{shown}' means nothing here"),
        Text(f"tulis {near[0]}", f"write {near[0]}") if near else Text(f"pilih: {listed}", f"choose: {listed}"),
    )
