"""The check of an exported form, without a database: is every byte as it was written, and do the signatures hold?"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from controller.errors import FormError
from controller.form import keys
from controller.form.json import FORMAT, canonical, digest_of_record, part_lines, spelled
from controller.form.model import Signature
from controller.form.sign import is_in_its_place, is_valid, unsigned_roles
from controller.text import Text

SIZE_LIMIT_BYTES = 32 * 1024 * 1024
RECORD_KEYS = tuple(
    """pasang_form number software host hostname address location owner asset_tag site run mode by playbook plan_digest
    opened_at ended_at outcome reason steps arcs facts payloads requirements tests changes decision rollback
    reboots stop stopped others""".split()  # noqa: SIM905 - a list of words reads as one
)
_OPTIONAL = ("reboots", "stop", "stopped")
"""Keys of forms that have something to say there; the others are as they always were, and so are their digests."""
_SEALS = ("digest", "parts", "signatures")
_SIGNATURE_KEYS = {"as", "name", "at", "key", "digest", "signature"}
_LATER_KEYS = _SIGNATURE_KEYS | {"earlier"}
"""Of a signature that covers those before it."""


@dataclass(frozen=True)
class Fault:
    """Something in the file that is not as it was written."""

    part: str
    """The field or list item, such as ``steps[4]``; empty for the file as a whole."""
    first_byte: int
    """Where the faulty stretch begins, counted from 0."""
    last_byte: int
    """Its last byte; equal to ``first_byte`` where the fault is at one place."""
    what: Text


@dataclass(frozen=True)
class SignatureReport:
    """One signature in the file."""

    role: str
    name: str
    at: str
    fingerprint: str
    is_valid: bool
    is_known: bool | None
    """Whether the key is one of ours; None where no keys were given to compare with."""


@dataclass(frozen=True)
class Report:
    """What the check found. A file without signatures can be sound: it is then whole, and nobody vouches for it."""

    number: str
    outcome: str
    digest: str
    """Of the record as it stands in the file, computed here."""
    faults: tuple[Fault, ...]
    signatures: tuple[SignatureReport, ...]
    unsigned: tuple[str, ...] = ()
    """Roles that can sign this form and whose signature is not in the file: never there, or taken out at the end."""

    @property
    def is_sound(self) -> bool:
        """Whether every byte is as it was written and every signature holds."""
        return not self.faults


class _Broken(Exception):
    """The file cannot be read any further than this."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.what.en)
        self.fault = fault


def verify(path: Path, *, known: frozenset[str] | None = None) -> Report:
    """Checks an exported form.

    Args:
        path: the JSON file.
        known: public keys to compare the signers' with, see ``keys.known_keys``.

    Raises:
        FormError: there is no such file, or it is larger than any form.
    """
    return verify_bytes(_read(path), known=known)


def verify_bytes(data: bytes, *, known: frozenset[str] | None = None) -> Report:
    """As ``verify``, for the content of a file."""
    try:
        content = _parsed(data)
        record = {key: value for key, value in content.items() if key not in _SEALS}
        _check_shape(data, content)
        _check_spelling(data, content, record)
    except _Broken as broken:
        return Report("", "", "", (broken.fault,), ())
    except (RecursionError, ValueError):  # nested without end, or a number that is none: no form has them
        fault = Fault("", 0, max(len(data) - 1, 0), Text("JSON ini tidak dapat dibaca", "this JSON cannot be read"))
        return Report("", "", "", (fault,), ())
    digest = digest_of_record(record)
    faults = _content_faults(record, content, digest)
    signatures: list[SignatureReport] = []
    given = [
        Signature(
            one["as"], one["name"], one["at"], one["key"], one["digest"], one["signature"], one.get("earlier", "")
        )
        for one in content["signatures"]
    ]
    for index, (name, place) in enumerate(_places(record, content)["signatures"]):
        signature = given[index]
        valid = is_valid(record["number"], signature, digest, given[:index])
        if not valid:
            faults.append(Fault(name, *place, _why_not(signature, digest, given[:index])))
        signatures.append(
            SignatureReport(
                role=signature.role,
                name=signature.name,
                at=signature.at,
                fingerprint=keys.fingerprint(signature.key),
                is_valid=valid,
                is_known=None if known is None else signature.key in known,
            )
        )
    outcome = str(record["outcome"])
    signed = {signature.role for signature in signatures if signature.is_valid}
    unsigned = unsigned_roles(str(record["mode"]), outcome, str(record["location"]), signed)
    return Report(record["number"], outcome, digest, tuple(faults), tuple(signatures), unsigned)


def _why_not(signature: Signature, digest: str, earlier: list[Signature]) -> Text:
    """Why a signature is not valid."""
    if signature.digest != digest:
        return Text("tanda tangan ini untuk isi yang lain", "this signature is over other content")
    if not is_in_its_place(signature, earlier):
        return Text(
            "tanda tangan sebelum yang ini telah dihapus atau diubah",
            "a signature before this one has been removed or changed",
        )
    return Text("tanda tangan ini tidak sah", "this signature does not hold")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_LIMIT_BYTES + 1)
    except OSError as error:
        raise FormError(
            Text("berkas form tidak dapat dibaca", "the form's file cannot be read"),
            where=str(path),
            hint=Text("periksa nama dan hak bacanya", "check its name and permissions"),
        ) from error
    if len(data) > SIZE_LIMIT_BYTES:
        raise FormError(
            Text("berkas ini terlalu besar untuk sebuah form", "this file is too large for a form"),
            where=str(path),
            hint=Text("berikan berkas dari `pasang form export`", "give a file made by `pasang form export`"),
        )
    return data


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _broken(error.start, Text("bukan teks UTF-8", "not UTF-8 text")) from error

    def refuse(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = dict(pairs)
        if len(seen) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            at = max(data.rfind(canonical(twice).encode("utf-8")), 0)
            raise _broken(at, Text(f"kunci “{twice}” ada dua kali", f"the key “{twice}” stands there twice"))
        return seen

    def no_constant(name: str) -> NoReturn:
        raise _broken(max(data.find(name.encode()), 0), Text(f"{name} bukan JSON", f"{name} is not JSON"))

    try:
        content = json.loads(text, object_pairs_hook=refuse, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        at = len(text[: error.pos].encode("utf-8"))
        raise _broken(at, Text("JSON rusak di sini", "the JSON is broken here")) from error
    if not isinstance(content, dict):
        raise _broken(0, Text("bukan Form Instalasi", "not an installation form"))
    return content


def _broken(at: int, what: Text, *, part: str = "") -> _Broken:
    return _Broken(Fault(part, at, at, what))


def _check_shape(data: bytes, content: dict[str, Any]) -> None:
    """Every key that must be there, none that must not, in the order of the format."""
    if content.get("pasang_form") != FORMAT:
        raise _broken(0, Text("bukan Form Instalasi yang dikenal", "not an installation form of a known format"))
    wanted = [key for key in (*RECORD_KEYS, *_SEALS) if key in content or key not in _OPTIONAL]
    for key in wanted:
        if key not in content:
            raise _broken(0, Text(f"kunci “{key}” hilang", f"the key “{key}” is missing"), part=key)
    for key, place in zip(content, wanted, strict=False):
        if key != place:
            at = max(data.find(b"\n" + canonical(key).encode("utf-8") + b":") + 1, 0)
            what = (
                Text("kunci tidak pada tempatnya", "a key out of its place")
                if key in wanted
                else Text("kunci ini tidak ada pada form", "a form has no such key")
            )
            raise _broken(at, what, part=key)
    if len(content) > len(wanted):
        extra = list(content)[len(wanted)]
        raise _broken(len(data) - 1, Text("kunci ini tidak ada pada form", "a form has no such key"), part=extra)
    signatures = content["signatures"]
    if not (
        isinstance(content["number"], str)
        and isinstance(content["digest"], str)
        and isinstance(content["parts"], dict)
        and isinstance(signatures, list)
        and all(
            isinstance(item, dict)
            and set(item) in (_SIGNATURE_KEYS, _LATER_KEYS)
            and all(isinstance(value, str) for value in item.values())
            and item.get("earlier") != ""
            for item in signatures
        )
    ):
        raise _broken(0, Text("segel form tidak lengkap", "the form's seals are not complete"), part="signatures")


def _check_spelling(data: bytes, content: dict[str, Any], record: dict[str, Any]) -> None:
    """The bytes must be the one spelling of this content: nothing re-ordered, re-formatted or added around it."""
    expected = spelled(record, digest=content["digest"], parts=content["parts"], signatures=content["signatures"])
    if expected == data:
        return
    at = next(
        (i for i, (a, b) in enumerate(zip(expected, data, strict=False)) if a != b), min(len(expected), len(data))
    )
    raise _broken(
        at,
        Text(
            "penulisan berbeda dari berkas yang diekspor (disusun ulang, diformat ulang, atau ditambah)",
            "spelled otherwise than it was exported (re-ordered, re-formatted, or added to)",
        ),
    )


def _places(record: dict[str, Any], content: dict[str, Any]) -> dict[str, list[tuple[str, tuple[int, int]]]]:
    """First and last byte of every line, as ``record``, ``digest``, ``parts`` and ``signatures``."""
    at = len("{\n")
    places: dict[str, list[tuple[str, tuple[int, int]]]] = {key: [] for key in ("record", *_SEALS)}
    sections: list[tuple[str, list[tuple[str, str]]]] = [
        ("record", part_lines(record)),
        ("digest", part_lines({"digest": content["digest"]})),
        ("parts", part_lines({"parts": content["parts"]})),
        ("signatures", part_lines({"signatures": content["signatures"]})),
    ]
    for section, lines in sections:
        for name, line in lines:
            size = len(line.encode("utf-8"))
            places[section].append((name, (at, at + size - 1)))
            at += size + len(",\n")
    if not content["signatures"]:
        places["signatures"] = []
    return places


def _content_faults(record: dict[str, Any], content: dict[str, Any], digest: str) -> list[Fault]:
    """Lines that are not those the digest was made of; the seals themselves where all lines are."""
    places = _places(record, content)
    seals = content["parts"]
    faults = [
        Fault(name, *place, Text("isi ini telah diubah", "this content has been changed"))
        for (name, line), (_, place) in zip(part_lines(record), places["record"], strict=True)
        if seals.get(name) != hashlib.sha256(line.encode("utf-8")).hexdigest()
    ]
    gone = sorted(set(seals) - {name for name, _ in places["record"]})
    if digest == content["digest"]:
        if faults or gone:  # the content is proved by the digest, so it is the list of parts that was changed
            name, place = places["parts"][0]
            return [Fault(name, *place, Text("daftar bagian telah diubah", "the list of parts has been changed"))]
        return []
    for name in gone:
        what = Text(f"bagian {name} telah dihapus", f"the part {name} has been removed")
        faults.append(Fault(name, *places["record"][-1][1], what))
    if not faults:
        name, place = places["digest"][0]
        faults.append(Fault(name, *place, Text("digest tidak cocok dengan isi", "the digest does not fit the content")))
    return faults
