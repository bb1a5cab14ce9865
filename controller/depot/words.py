"""What was found in an installer, line by line for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from controller.depot.inspect import Inspection
from controller.depot.makers import MAKERS
from controller.text import Text

_LABELS = {
    "package": Text("paket", "package"),
    "product": Text("nama", "name"),
    "version": Text("versi", "version"),
    "file_version": Text("versi berkas", "file version"),
    "manufacturer": Text("penerbit", "publisher"),
    "architecture": Text("prosesor", "processor"),
    "all_users": Text("untuk semua pengguna (ALLUSERS)", "for all users (ALLUSERS)"),
    "languages": Text("bahasa (LCID)", "languages (LCID)"),
    "subject": Text("perihal", "subject"),
    "product_code": Text("kode produk", "product code"),
    "upgrade_code": Text("kode pemutakhiran", "upgrade code"),
    "package_code": Text("kode paket", "package code"),
    "depends": Text("memerlukan", "depends on"),
    "pre_depends": Text("memerlukan lebih dulu", "depends beforehand on"),
    "description": Text("keterangan", "description"),
    "execution_level": Text("hak yang diminta", "rights asked for"),
}
_LEVELS = {
    "asInvoker": Text("tidak ada (asInvoker)", "none (asInvoker)"),
    "highestAvailable": Text("tertinggi milik pengguna (highestAvailable)", "the user's highest (highestAvailable)"),
    "requireAdministrator": Text("administrator (requireAdministrator)", "administrator (requireAdministrator)"),
}


def lines_of(found: Inspection) -> Iterator[tuple[Text, Text]]:
    """Label and value; nothing for what is empty."""
    meta = dict(found.meta)
    for key, value in meta.items():
        if key in ("silent", "silent_source") or (value in ("", [], None) and key != "signed"):
            continue
        if key == "conditions":
            for row in value:
                yield Text("syarat", "condition"), _same(f"{row['condition']}: {row['message']}")
        elif key == "features":
            for row in value:
                yield Text("fitur", "feature"), _same(f"{row['name']} {row['title']}".strip())
        elif key == "signed":
            yield (
                Text("tanda tangan digital", "digital signature"),
                Text("ada, tidak diperiksa", "there, not checked") if value else Text("tidak ada", "none"),
            )
        elif key == "maker":
            yield from _maker(str(value), meta)
        elif key == "execution_level":
            yield _LABELS[key], _LEVELS.get(str(value), _same(value))
        else:
            yield _LABELS.get(key, _same(key)), _same(value)
    if found.format == "msi" and not meta.get("all_users"):
        yield _LABELS["all_users"], _ONE_USER


_ONE_USER = Text(
    'tidak disebut: bila bukan untuk satu pengguna saja, tulis properties: {ALLUSERS: "1"}',
    'not said: unless it is for one user alone, write properties: {ALLUSERS: "1"}',
)


def _maker(value: str, meta: dict[str, Any]) -> Iterator[tuple[Text, Text]]:
    label = Text("pembuat pemasang", "made with")
    if value not in MAKERS:
        yield label, Text("tidak dikenali (plain)", "not recognised (plain)")
        return
    yield label, _same(f"{MAKERS[value].name} (maker: {value})")
    yield (
        Text("usulan, tanpa tanya", "proposed, to ask nothing"),
        Text(
            f"silent: [{', '.join(meta['silent'])}], periksa dahulu; menurut {meta['silent_source']}",
            f"silent: [{', '.join(meta['silent'])}], to be checked; says {meta['silent_source']}",
        ),
    )


def _same(value: object) -> Text:
    said = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return Text(said, said)
