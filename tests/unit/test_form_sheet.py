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
from controller.form.json import to_json
from controller.form.model import Form
from controller.form.notes import notes_of
from controller.form.pdf import to_pdf
from controller.form.project import project
from controller.form.sheet import sheet
from controller.form.sign import sign
from controller.form.text import to_text
from controller.settings import ZONES, Letterhead
from controller.text import Language, Text
from tests.cases.forms import NAMES, events


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


def failing_change(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records with an effect that failed, and what the computer answered."""
    (effect,) = [r for r in records if r["type"] == "effect" and (r["step"], r["verb"]) == (5, "apply")]
    effect["result"] = "failed"
    effect["evidence"] = {
        "define": {"argv": ["dpkg", "--install", "x.deb"], "exit_code": 100, "output": "dpkg: error\n  no room\n"},
        "found": {"id": "isi lain", "en": "other content"},
        "brand_new": 7,
    }
    return records


def test_a_playbook_that_runs_nothing_is_not_said_to_have_found_it_running() -> None:
    records = [r for r in events("already_installed") if r.get("step") != 6 or r["type"].startswith("step_")]
    form = project(records)
    (said,) = notes_of(form.steps[5], form, ZONES["Asia/Jakarta"])
    assert said.en == "the playbook has nothing to run"
    whole = form_of("already_installed")
    assert said not in notes_of(whole.steps[5], whole, ZONES["Asia/Jakarta"])


def test_what_a_computer_says_is_read_in_the_readers_language() -> None:
    records = failing_change(events("rolled_back_clean"))
    requirement, probe = (next(r for r in records if r["type"] == kind) for kind in ("requirement", "probe"))
    requirement |= {"needed": {"id": "20,1 MB", "en": "20.1 MB"}, "found": {"id": "hanya baca", "en": "read-only"}}
    probe |= {"needed": {"id": "kode keluar 7", "en": "exit 7"}, "found": "/usr/bin/x"}
    form = project(records)
    answers = {
        "id": "$ dpkg --install x.deb · kode keluar: 100 · dpkg: error · no room · didapati: isi lain · brand_new: 7",
        "en": "$ dpkg --install x.deb · exit code: 100 · dpkg: error · no room · found: other content · brand_new: 7",
    }
    wanted = {"id": ("20,1 MB", "hanya baca", "kode keluar 7"), "en": ("20.1 MB", "read-only", "exit 7")}
    other: dict[Language, Language] = {"id": "en", "en": "id"}
    for language, against in other.items():
        shown = " ".join(printed(form, language, 400).split())
        assert answers[language] in shown
        assert "/usr/bin/x" in shown
        for word, foreign in zip(wanted[language], wanted[against], strict=True):
            assert word in shown
            assert foreign not in shown
    exported = json.loads(to_json(form))
    assert exported["requirements"][0]["found"] == {"id": "hanya baca", "en": "read-only"}
    assert [test["found"] for test in exported["tests"]].count("/usr/bin/x") == 1, "words of one kind stay one string"
    (change,) = [c for c in exported["changes"] if c["result"] == "failed"]
    assert change["evidence"].splitlines()[:2] == ["$ dpkg --install x.deb", "exit_code: 100"]


def test_what_was_not_ours_is_said_to_be_gone_and_no_more_than_that() -> None:
    worded = sheet(form_of("removed_foreign"), "id")
    remarks = dict(worded.remarks)
    assert remarks["Keterangan"].startswith("bukan Pasang yang memasangnya")
    assert remarks["Pengembalian"] == "bersih, sejauh yang dapat dibuktikan"
    assert (worded.lines[7].result, worded.tone) == ("dicopot", "good")
    assert "semula" not in str(worded)
    assert dict(sheet(form_of("rolled_back_clean"), "id").remarks)["Pengembalian"].endswith("seperti semula")


@pytest.mark.parametrize("name", NAMES)
def test_the_clock_is_the_offices_and_the_record_knows_none(name: str) -> None:
    form = form_of(name)
    west, east = (sheet(form, "id", zone=ZONES[zone]) for zone in ("Asia/Jakarta", "Asia/Jayapura"))
    assert west.digest == east.digest
    fields = [dict(each.fields) for each in (west, east)]
    assert fields[0]["Dibuka"] == "22 Nov 2026 21.30.00 WIB"
    assert fields[1]["Dibuka"] == "22 Nov 2026 23.30.00 WIT"
    assert "WIB" not in str(east)
    if form.notice:
        assert "jadwal 22 Nov 2026 23.30.00 WIT" in str(east.lines[2].notes)


def test_what_is_not_known_is_shown_not_hidden() -> None:
    assert "brand_new_kind" in printed(form_of("line_lost"))
    assert wording.word(wording.OUTCOMES, "quarantined") == Text("quarantined", "quarantined")


def test_records_of_no_form_or_of_two_are_refused() -> None:
    records = events("installed")
    with pytest.raises(FormError, match="do not belong to one"):
        project(records[1:])
    with pytest.raises(FormError, match="do not belong to one"):
        project([*records, {**records[0], "seq": 999, "number": "FI-2026-000002"}])


def test_times_read_as_the_office_says_them() -> None:
    at, east = "2026-05-31T15:59:07.123Z", ZONES["Asia/Jayapura"]
    assert wording.moment(at, east) == Text("1 Jun 2026 00.59.07 WIT", "1 Jun 2026 00.59.07 WIT")
    assert wording.minute("2026-08-22T14:30:05.000Z", east) == Text("22 Agu 2026 23.30", "22 Aug 2026 23.30")
    assert wording.moment("kemarin", east) == wording.minute("kemarin", east) == Text("kemarin", "kemarin")
    assert wording.moment(None, east) == Text("", "")


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


def test_who_stopped_a_run_and_what_was_at_work_then() -> None:
    worded = sheet(form_of("stopped"), "en")
    assert dict(worded.remarks)["Stopped"] == "asked for by ani@pusat, 22 Nov 2026 21.30.46 WIB; in step 6"
    (table,) = [table for table in worded.tables if table.name == "stopped"]
    assert [row[1] for row in table.rows] == ["", "5120 (4182)", "5121 (1)", "5122 (5121)"]
    assert table.rows[0][2] == "systemctl start --quiet -- nginx.service"
    assert table.rows[0][4].startswith("stopped by a person, waiting for the service nginx.service: sleep 600")
    assert table.rows[3][2:] == ("nginx.service: sleep 600", "21.30.06", "S clock_nanosleep")
    assert table.tones == ("bad", "plain", "plain", "plain")
    said = dict(sheet(form_of("stopped"), "id").remarks)["Penghentian"]
    assert said == "diminta oleh ani@pusat, 22 Nov 2026 21.30.46 WIB; di langkah 6"
    late = [event for event in events("stopped") if event["type"] != "stopped"]
    told = dict(sheet(project(late), "en").remarks)["Stopped"]
    assert told.endswith("; there was nothing left to stop")


def test_a_reboot_has_a_line_with_both_boot_ids_and_times() -> None:
    told = (
        "langkah 5 (linux-image-6.1.0-44-amd64): 22 Nov 2026 21.30, kembali 22 Nov 2026 21.31; boot 6a1e0f6c → c90e7d44"
    )
    assert dict(sheet(form_of("rebooted"), "id").remarks)["Penyalaan ulang"] == told
    evidence = [line.en for line in form_of("rebooted").steps[4].evidence if "reboot" in line.en or "boot" in line.en]
    assert evidence[0] == "a reboot is due: linux-image-6.1.0-44-amd64"
    assert evidence[-1].endswith("boot 6a1e0f6c-52d1-4c1b-9f35-0b7a6f1f3a10 → c90e7d44-7c0e-4b5c-8a63-5f4f2b9d7e21")
    records = events("rebooted")
    for state, words in (("begun", "belum kembali"), ("due", "belum terjadi")):
        records = [r for r in records if r["type"] != "reboot" or r["state"] in ("due", state)]
        assert dict(sheet(project(records), "id").remarks)["Penyalaan ulang"].endswith(words)


def test_what_the_computer_still_waits_for_is_named() -> None:
    records = events("installed")
    next(r for r in records if r["type"] == "run_ended" and r["source"] == "agent")["pending_reboot"] = "linux-image"
    form = project(records)
    assert dict(sheet(form, "en").remarks)["Reboot"] == "this computer still waits for a reboot: linux-image"
    assert json.loads(to_json(form))["reboots"][0]["state"] == "pending"
    assert "reboots" not in json.loads(to_json(form_of("installed")))


def test_what_the_agent_decided_alone_stands_over_a_decision_that_came_too_late() -> None:
    worded = sheet(form_of("decided_alone"), "id")
    said = dict(worded.remarks)["Keputusan"]
    assert said.startswith("dipertahankan tanpa konfigurasi, oleh agen di komputer itu sendiri: tidak ada pengendali")
    assert any("ani" in line.id for line in form_of("decided_alone").steps[8].evidence), "what came late is not hidden"
