"""The form on paper and on the terminal: what a reader finds there, and what a computer cannot smuggle in."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from rich.console import Console

from controller import sop
from controller.errors import FormError, InputError
from controller.form import wording
from controller.form.model import Form
from controller.form.pdf import to_pdf
from controller.form.project import project
from controller.form.sheet import sheet
from controller.form.sign import sign
from controller.form.text import to_text
from controller.settings import Letterhead
from controller.text import Language, Text

CASES = Path(__file__).parents[1] / "cases" / "form"
NAMES = sorted(path.stem for path in CASES.glob("*.ndjson"))


def events(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (CASES / f"{name}.ndjson").read_text(encoding="utf-8").splitlines()]


def form_of(name: str) -> Form:
    return project(events(name))


def printed(form: Form, language: Language = "id", width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(to_text(form, language))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def pages(pdf: bytes) -> list[str]:
    return [page.extract_text().replace("\u200b", "") for page in PdfReader(io.BytesIO(pdf)).pages]


@pytest.mark.parametrize("name", NAMES)
def test_every_form_fits_one_page_and_an_annex(name: str) -> None:
    pdf = to_pdf(form_of(name), "id", letterhead=Letterhead(lines=("Kota Contoh", "Dinas Contoh"), place="Contoh"))
    first, *others = pages(pdf)
    assert len(others) <= 1
    assert "FORM INSTALASI PIRANTI LUNAK" in first
    assert "FI-2026-000001" in first
    assert "Sub Koordinator IIDC" in first
    assert f"halaman 1 dari {1 + len(others)}" in first
    together = "".join(first.split())
    assert all("".join(step.activity.id.split()) in together for step in sop.STEPS)


def test_the_same_form_makes_the_same_pdf() -> None:
    assert to_pdf(form_of("installed"), "id") == to_pdf(form_of("installed"), "id")
    assert to_pdf(form_of("installed"), "id") != to_pdf(form_of("installed"), "en")


def test_the_paper_says_what_was_measured() -> None:
    text = " ".join(" ".join(pages(to_pdf(form_of("residue"), "id"))).split())
    for wanted in (
        "gagal dan dikembalikan ke keadaan semula",
        "layanan nginx tidak bertahan 2 detik",
        "/var/lib/nginx/body",
        "Ruang disk kosong di /",
        "≥ 502,4 MB",
        "21,8 GB",
        "tidak dapat dipastikan",
        "dibatalkan",
    ):
        assert wanted in text, wanted


def test_a_signed_form_shows_who_signed(tmp_path: Path) -> None:
    records = events("installed")
    at = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
    fields = sign(project(records), role="user", name="Siti Contoh", folder=tmp_path, at=at)
    stamp = {key: records[0][key] for key in ("run", "host", "form")}
    signed = {"type": "signed", "source": "controller", "writer": "s", "seq": 1, "step": 12, **stamp, **fields}
    form = project([*records, signed])
    (first, _) = pages(to_pdf(form, "id", letterhead=Letterhead(place="Contoh")))
    for wanted in (
        "Ditandatangani secara elektronik",
        "Siti Contoh",
        "22 Nov 2026 22.00.00 WIB",
        "Contoh, 22 Nov 2026",
    ):
        assert wanted in first
    assert "Siti Contoh — Ditandatangani secara elektronik" in printed(form)
    forged = project([*records, {**signed, "name": "Orang Lain"}])
    assert "tidak cocok" in pages(to_pdf(forged, "id"))[0]
    assert "menunggu tanda tangan" in pages(to_pdf(forged, "id"))[0]
    assert "tidak cocok" in printed(forged)


HOSTILE = [
    '#read("/etc/passwd")',
    "#strong[tebal] $x$ \\ `a` <b> @c *d* _e_",
    "[bold red]x[/bold red]",
    "\x1b[2J\x07",
    "x" * 5000,
]


@pytest.mark.parametrize("value", HOSTILE)
def test_what_a_computer_sends_is_words_and_nothing_else(value: str) -> None:
    records = events("rolled_back_clean")
    for record in records:
        if record["type"] == "form_opened":
            record["owner"] = value
        if record["type"] in ("requirement", "probe"):
            record["found"] = value
        if record["type"] in ("intent", "effect", "probe"):
            record["title"] = {"id": value, "en": value}
    form = project(records)
    text = "".join(pages(to_pdf(form, "id"))).replace("\n", "")
    wanted = value.replace("\x1b", "\ufffd").replace("\x07", "\ufffd")[:60].replace(" ", "")
    assert wanted in text.replace(" ", "")
    assert "root:" not in text
    shown = printed(form)
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert wanted[:20] in shown.replace(" ", "").replace("\n", "")


def test_many_and_long_things_run_over_pages_and_nothing_is_lost() -> None:
    records = events("residue")
    last = max(r["seq"] for r in records if r["source"] == "agent")
    example = next(r for r in records if r["type"] == "requirement")
    records += [
        {
            **example,
            "seq": last + n,
            "title": {"id": f"Persyaratan nomor {n}", "en": f"Requirement {n}"},
            "found": "y" * 300,
        }
        for n in range(1, 41)
    ]
    all_pages = pages(to_pdf(project(records), "id"))
    assert len(all_pages) > 3
    text = " ".join(all_pages)
    assert all(f"Persyaratan nomor {n}" in text for n in range(1, 41))
    assert f"halaman {len(all_pages)} dari {len(all_pages)}" in all_pages[-1]


def test_the_letterhead_is_the_offices(tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>')
    head = Letterhead(
        lines=("Pemerintah Contoh", "Dinas Contoh"),
        address="Jalan Contoh 1",
        document_number="POS/1",
        approved_by="Kepala Dinas",
        legal_basis=("Peraturan Contoh Nomor 1",),
        logo=str(logo),
    )
    first, annex = pages(to_pdf(form_of("installed"), "id", letterhead=head))
    for wanted in ("PEMERINTAH CONTOH", "DINAS CONTOH", "Jalan Contoh 1", "POS/1", "Kepala Dinas"):
        assert wanted in first
    assert "Peraturan Contoh Nomor 1" in annex
    assert "Tangerang" not in first + annex


@pytest.mark.parametrize("content", [b"not a picture", b"", None])
def test_a_logo_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    logo = tmp_path / "logo.png"
    if content is not None:
        logo.write_bytes(content)
    with pytest.raises(InputError, match=r"logo\.png"):
        to_pdf(form_of("installed"), "id", letterhead=Letterhead(logo=str(logo)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["id", "en"])
def test_the_terminal_shows_every_form_in_both_languages(name: str, language: Language) -> None:
    shown = printed(form_of(name), language)
    assert "FI-2026-000001" in shown
    assert sheet(form_of(name), language).digest in shown.replace("\n", "")
    assert ("Hasil akhir" in shown) == (language == "id")
    assert max(len(line) for line in printed(form_of(name), language, 80).splitlines()) <= 80


def test_what_is_not_known_is_shown_not_hidden() -> None:
    assert "brand_new_kind" in printed(form_of("line_lost"))
    assert wording.word(wording.OUTCOMES, "quarantined") == Text("quarantined", "quarantined")


def test_records_of_no_form_or_of_two_are_refused() -> None:
    records = events("installed")
    with pytest.raises(FormError, match="do not belong to one"):
        project(records[1:])
    with pytest.raises(FormError, match="do not belong to one"):
        project([*records, {**records[0], "seq": 999, "number": "FI-2026-000002"}])


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [
        (0, "< 1 dtk"),
        (1.24, "1,2 dtk"),
        (59.6, "1 mnt"),
        (75, "1 mnt 15 dtk"),
        (3600, "1 jam"),
        (7384, "2 jam 3 mnt 4 dtk"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float, wanted: str) -> None:
    assert wording.duration(seconds).id == wanted


@pytest.mark.parametrize(
    ("size_bytes", "wanted"),
    [(0, "0 B"), (999, "999 B"), (112628, "113 kB"), (1_500_000, "1,5 MB"), (8_246_337_536, "8,2 GB")],
)
def test_sizes_read_as_people_say_them(size_bytes: int, wanted: str) -> None:
    assert wording.size(size_bytes).id == wanted
