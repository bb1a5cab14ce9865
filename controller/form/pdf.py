"""The form as a PDF on A4, by Typst: fonts out of its wheel, nothing fetched, the same bytes for the same form."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime, tzinfo
from importlib import resources
from pathlib import Path
from typing import Any

from controller.errors import FormError, InputError
from controller.form import wording
from controller.form.annex import Table
from controller.form.model import Form
from controller.form.sheet import Sheet, sheet
from controller.settings import WIB, Letterhead
from controller.text import Language, Text

LOGO_LIMIT_BYTES = 5 * 1024 * 1024
VALUE_LIMIT = 400
"""Characters of one value on paper; the record keeps all of it."""
_ROWS_LIMIT = 400
"""Rows of one table on paper."""
_LONG_RUN = re.compile(r"[^\s/\-\u200b]{18,}")
_WIDTHS = {
    "payloads": (2, 2, 1, 4),
    "requirements": (4, 2, 3, 2),
    "tests": (0, 4, 3, 3, 2),
    "changes": (0, 5, 1, 1),
    "stopped": (0, 2, 5, 1, 4),
}


def to_pdf(form: Form, language: Language, *, letterhead: Letterhead | None = None, zone: tzinfo = WIB) -> bytes:
    """The form on paper.

    Args:
        form: as projected.
        language: of all words.
        letterhead: the office's, with its logo; an empty one where None.
        zone: the office's clock.

    Raises:
        InputError: the letterhead's logo cannot be used.
        FormError: the page cannot be set.
    """
    import typst

    worded = sheet(form, language, letterhead=letterhead, zone=zone)
    logo = _logo(worded.letterhead.logo)
    template = resources.files("controller.form").joinpath("form.typ").read_bytes()
    moment = wording.local(form.ended_at or form.opened_at, zone) or datetime(2000, 1, 1, tzinfo=UTC)
    content = _content(worded, form, logo, moment)
    try:
        return bytes(
            typst.compile(
                template,
                sys_inputs={"sheet": json.dumps(content, ensure_ascii=True)},
                ignore_system_fonts=True,
                format="pdf",
                timestamp=int(moment.timestamp()),
            )
        )
    except typst.TypstError as error:
        if logo is not None:
            raise _bad_logo(worded.letterhead.logo) from error
        raise FormError(
            Text("PDF tidak dapat dibuat", "the PDF cannot be made"),
            where=form.number,
            hint=Text(f"laporkan: {error}", f"report this: {error}"),
        ) from error


def _content(worded: Sheet, form: Form, logo: bytes | None, moment: datetime) -> dict[str, Any]:
    """The sheet as Typst reads it, with what only paper needs."""
    head = worded.letterhead
    document = [
        (worded.words["document"], head.document_number),
        (worded.words["created"], head.created_on),
        (worded.words["revised"], head.revised_on),
        (worded.words["effective"], head.effective_on),
        (worded.words["approved"], head.approved_by),
    ]
    content = dataclasses.asdict(worded)
    content |= {
        "host": form.host,
        "caption": worded.fields[0][0],
        "fields": worded.fields[1:],
        "document": [pair for pair in document if pair[1]],
        "tables": [_table(table) for table in worded.tables],
        "logo": None if logo is None else list(logo),  # by value: Typst reads no file
        "date": [moment.year, moment.month, moment.day],
    }
    printable: dict[str, Any] = _printable(content)
    return printable


def _table(table: Table) -> dict[str, Any]:
    left_out = len(table.rows) - _ROWS_LIMIT
    rows, tones = list(table.rows[:_ROWS_LIMIT]), list(table.tones[:_ROWS_LIMIT])
    if left_out > 0:
        rows.append(("…", f"+ {left_out}", *[""] * (len(table.heads) - 2)))
        tones.append("plain")
    return {
        "title": table.title,
        "heads": table.heads,
        "rows": rows,
        "tones": tones,
        "widths": _WIDTHS.get(table.name, (1,) * len(table.heads)),
        "mono": len(table.heads) - 1 if table.name == "payloads" else -1,
    }


def _printable(value: Any) -> Any:
    """Values as paper can take them: no control characters, nothing without end, and places to break long words."""
    if isinstance(value, str):
        value = "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in value)
        if len(value) > VALUE_LIMIT:
            value = value[: VALUE_LIMIT - 1] + "…"
        return _LONG_RUN.sub(lambda run: "\u200b".join(re.findall(r".{1,6}", run.group(), re.DOTALL)), value)
    if isinstance(value, dict):
        return {key: _printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(item) for item in value]
    return value


def _logo(path: str) -> bytes | None:
    """The logo; None where the letterhead has none."""
    if not path:
        return None
    suffix = Path(path).suffix.lower()
    try:
        with Path(path).open("rb") as file:
            data = file.read(LOGO_LIMIT_BYTES + 1)
    except OSError as error:
        raise _bad_logo(path) from error
    if suffix not in (".png", ".svg", ".jpg", ".jpeg") or len(data) > LOGO_LIMIT_BYTES:
        raise _bad_logo(path)
    return data


def _bad_logo(path: str) -> InputError:
    return InputError(
        Text("logo kop surat tidak dapat dipakai", "the letterhead's logo cannot be used"),
        where=path,
        hint=Text(
            "pakai berkas PNG, SVG atau JPEG di bawah 5 MB, di `letterhead.logo` pada settings.yaml",
            "use a PNG, SVG or JPEG file below 5 MB, in `letterhead.logo` of settings.yaml",
        ),
    )
