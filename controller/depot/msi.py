"""A Windows Installer package read without Windows: what it says of itself, never what it would do.

The tables stand in streams of a compound file, column by column; texts are numbers of one pool of strings. Names of
streams are packed two characters into one.

Source: the format is not published; this follows libmsi of GNOME/msitools (``libmsi/table.c``, ``libmsi/string.c``)
and Microsoft's Windows Installer reference ("Template Summary property", "ProductVersion property").
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

from controller.depot.archives import damaged
from controller.depot.compound import Compound, CompoundError
from controller.errors import DepotError
from controller.text import Text

TEXT_LIMIT = 300
"""Characters of a text that is kept; the plan carries it to every computer."""
_TEXT_BYTES = 8 * TEXT_LIMIT
"""Of a text that are read: more than is kept of it in any encoding, blanks that ``cut`` takes out included."""
ROW_LIMIT = 50
"""Conditions and features that are kept."""
TABLE_LIMIT = 1_000_000
"""Rows of a table and strings of the pool."""
ARCHITECTURES = {"": "x86", "intel": "x86", "x64": "x86_64", "amd64": "x86_64", "arm64": "aarch64", "arm": "arm"}
"""Of the template in the summary information.

Source: Microsoft, Windows Installer, "Template Summary property": empty means Intel."""
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._"
_CODE_PAGES = {0: "cp1252", 10000: "mac_roman", 20127: "ascii", 65001: "utf-8"}
_SUMMARY, _SIGNATURE = "\x05SummaryInformation", "\x05DigitalSignature"
_SUBJECT, _TEMPLATE, _PACKAGE_CODE = 3, 7, 9
_ASKED = ("Property", "LaunchCondition", "Feature", "File")
_PROPERTIES = {
    "product": "ProductName",
    "version": "ProductVersion",
    "manufacturer": "Manufacturer",
    "product_code": "ProductCode",
    "upgrade_code": "UpgradeCode",
    "all_users": "ALLUSERS",
}


def read_msi(path: Path, where: str) -> dict[str, Any]:
    """What a .msi says of itself.

    Returns:
        ``product``, ``version``, ``manufacturer``, ``product_code``, ``upgrade_code``, ``all_users`` (as far as they
        are set), ``architecture`` (``x86``, ``x86_64``, ``aarch64`` …), ``languages`` (LCIDs), ``subject``,
        ``package_code``, ``conditions`` (each ``condition`` and ``message``), ``features`` (each ``name``, ``title``,
        ``level``), ``signed`` (whether there is a signature; nothing is said of its worth), ``unpacked_size_bytes``
        (its files, and the copy of itself that Windows Installer keeps).

    Raises:
        DepotError: damaged, cut off, or no package that installs something.
    """
    try:
        with path.open("rb") as file:
            size_bytes = path.stat().st_size
            return _meta(Compound(file, size_bytes), size_bytes, where)
    except CompoundError as error:
        raise _damaged(where, error.what) from error
    except (struct.error, ValueError, IndexError, LookupError, OverflowError) as error:
        raise damaged(where, str(error) or type(error).__name__) from error


def _damaged(where: str, what: Text) -> DepotError:
    plain = damaged(where, "").problems[0]
    return DepotError(
        Text(f"berkas MSI ini rusak atau terpotong ({what.id})", f"the MSI is damaged or cut off ({what.en})"),
        where=where,
        hint=plain.hint,
    )


def _meta(compound: Compound, size_bytes: int, where: str) -> dict[str, Any]:
    database = _Database(compound)
    properties = {str(row["Property"]): str(row["Value"]) for row in database.rows("Property")}
    if not all(properties.get(name) for name in ("ProductName", "ProductVersion", "ProductCode")):
        raise DepotError(
            Text(
                "bukan paket MSI yang memasang sesuatu: ProductName, ProductVersion, atau ProductCode tidak ada",
                "no MSI that installs something: ProductName, ProductVersion or ProductCode is missing",
            ),
            where=where,
            hint=Text(
                "ambil paket .msi dari penerbitnya; tambalan (.msp) dan modul (.msm) tidak dapat dipasang sendiri",
                "get the .msi from its publisher; a patch (.msp) or a module (.msm) cannot be installed by itself",
            ),
        )
    summary = _summary(compound.read(_SUMMARY))
    platform, _, languages = summary.get(_TEMPLATE, "").partition(";")
    return {
        **{key: cut(properties[name]) for key, name in _PROPERTIES.items() if properties.get(name)},
        "architecture": ARCHITECTURES.get(platform.strip().lower(), cut(platform.strip().lower())),
        "languages": [int(code) for code in languages.split(",")[:ROW_LIMIT] if code.strip().isdigit()],
        "subject": cut(summary.get(_SUBJECT, "")),
        "package_code": cut(summary.get(_PACKAGE_CODE, "")),
        "conditions": [
            {"condition": cut(str(row["Condition"])), "message": cut(str(row["Description"]))}
            for row in database.rows("LaunchCondition", ROW_LIMIT)
        ],
        "features": [
            {"name": cut(str(row["Feature"])), "title": cut(str(row["Title"])), "level": row["Level"]}
            for row in database.rows("Feature", ROW_LIMIT)
        ],
        "signed": _SIGNATURE in compound,
        "unpacked_size_bytes": size_bytes
        + sum(max(0, row["FileSize"]) for row in database.rows("File", only="FileSize")),
    }


def cut(said: str) -> str:
    """A text from a file as one printable line, not longer than ``TEXT_LIMIT``."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    return clean if len(clean) <= TEXT_LIMIT else clean[: TEXT_LIMIT - 1] + "…"


class _Database:
    """The tables of a package."""

    def __init__(self, compound: Compound) -> None:
        self._compound = compound
        pool = compound.read(packed_name("_StringPool"))
        if len(pool) < 4:
            raise CompoundError(Text("daftar teksnya tidak ada", "its list of texts is missing"))
        self._data = compound.read(packed_name("_StringData"))
        page = struct.unpack_from("<I", pool)[0]
        self._number_bytes = 3 if page & 0x80000000 else 2
        self._encoding = _CODE_PAGES.get(page & 0x7FFFFFFF, f"cp{page & 0x7FFFFFFF}")
        "".encode(self._encoding)  # LookupError: a code page that does not exist
        self._starts = array("Q", accumulate(_lengths(pool), initial=0))
        if self._starts[-1] > len(self._data):
            raise CompoundError(Text("teks di dalamnya terpotong", "its texts are cut off"))
        self._texts: dict[int, str] = {}
        self._columns: dict[str, dict[int, tuple[str, int]]] = {table: {} for table in _ASKED}
        shape = [(1, "Table", 0x0D40), (2, "Number", 0x0502), (3, "Name", 0x0D40), (4, "Type", 0x0502)]
        for row in self._read("_Columns", shape, TABLE_LIMIT):
            if row["Table"] in self._columns:
                self._columns[row["Table"]][row["Number"]] = row["Name"], row["Type"] & 0xFFFF

    def rows(self, table: str, limit: int = TABLE_LIMIT, *, only: str = "") -> Iterator[dict[str, Any]]:
        """The first rows of a table of ``_ASKED``, texts as text ("" for none); none where there is no such table.

        Args:
            table: its name.
            limit: how many.
            only: the one column that is asked for; without it all.
        """
        columns = [(number, name, kind) for number, (name, kind) in sorted(self._columns[table].items())]
        return self._read(table, columns, limit, only) if columns else iter(())

    def _read(
        self, table: str, columns: list[tuple[int, str, int]], limit: int, only: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Row by row: a row is larger here than in the file."""
        content = self._compound.read(packed_name(table))
        widths = [self._width(kind) for _, _, kind in columns]
        count, rest = divmod(len(content), sum(widths))
        if rest or count > TABLE_LIMIT:
            raise CompoundError(Text(f"tabel {table} rusak", f"the table {table} is broken"))
        starts = list(accumulate((width * count for width in widths), initial=0))
        for at in range(min(count, limit)):
            row: dict[str, Any] = {}
            for (_, name, kind), width, start in zip(columns, widths, starts, strict=False):
                if only and name != only:
                    continue
                number = int.from_bytes(content[start + at * width : start + (at + 1) * width], "little")
                row[name] = self._text(number) if kind & 0x0800 else number - (1 << (8 * width - 1))
            yield row

    def _width(self, kind: int) -> int:
        if kind & ~0x1000 == 0x0900:
            return 2  # binary: a mark that its stream exists
        if kind & 0x0800:
            return self._number_bytes
        return 4 if kind & 0xFF == 4 else 2

    def _text(self, number: int) -> str:
        """The beginning of a text, decoded once: any number of cells may name the same."""
        if number == 0:
            return ""
        if number >= len(self._starts):
            raise CompoundError(Text("sebuah teks tidak ada", "a text is missing"))
        if number not in self._texts:
            start, end = self._starts[number - 1], self._starts[number]
            self._texts[number] = self._data[start : min(end, start + _TEXT_BYTES)].decode(self._encoding, "replace")
        return self._texts[number]


def _lengths(pool: bytes) -> Iterator[int]:
    """Bytes of each string. One of 64 KiB and more takes two places; the first holds no length but its high half.

    Source: GNOME/msitools, ``libmsi/string.c`` (msi_save_string_table); mdsteele/rust-msi, ``stringpool.rs``.
    """
    at, count = 4, 0
    while at + 4 <= len(pool):
        length, references = struct.unpack_from("<HH", pool, at)
        at += 4
        if not length and references:
            length = references << 16 | int(struct.unpack_from("<H", pool, at)[0])
            at += 4
        count += 1
        if count > TABLE_LIMIT:
            raise CompoundError(Text("terlalu banyak teks", "too many texts"))
        yield length


def packed_name(table: str) -> str:
    """The name of a table's stream."""
    packed = "\u4840"
    for at in range(0, len(table), 2):
        pair = [_LETTERS.index(letter) for letter in table[at : at + 2]]
        packed += chr(0x3800 + pair[0] + (pair[1] << 6)) if len(pair) == 2 else chr(0x4800 + pair[0])
    return packed


def _summary(content: bytes) -> dict[int, str]:
    """The texts of the summary information by their number.

    Source: [MS-OLEPS] 2.15 (TypedPropertyValue); GNOME/msitools, ``libmsi/libmsi-summary-info.c``.
    """
    if len(content) < 56 or content[:2] != b"\xfe\xff":
        raise CompoundError(Text("ringkasannya tidak ada", "its summary information is missing"))
    start = struct.unpack_from("<I", content, 44)[0]
    count = struct.unpack_from("<I", content, start + 4)[0]
    places = dict(struct.unpack_from("<II", content, start + 8 + 8 * at) for at in range(min(count, 64)))
    encoding = "cp1252"
    if 1 in places:
        page = struct.unpack_from("<H", content, start + places[1] + 4)[0]
        encoding = _CODE_PAGES.get(page, f"cp{page}")
    found: dict[int, str] = {}
    for number in (_SUBJECT, _TEMPLATE, _PACKAGE_CODE):
        if number in places:
            kind, size_bytes = struct.unpack_from("<II", content, start + places[number])
            text = content[start + places[number] + 8 :][:size_bytes]
            if kind == 30:  # VT_LPSTR
                found[number] = text.split(b"\0")[0].decode(encoding, "replace")
    return found
