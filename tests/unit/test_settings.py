"""Settings: the environment, and what an office writes into its settings file."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.errors import InputError
from controller.settings import Letterhead, Settings, load_settings

EXAMPLE = Path(__file__).parents[2] / "docs" / "settings.example.yaml"


def written(home: Path, content: str) -> Settings:
    (home / "settings.yaml").write_text(content, encoding="utf-8")
    return load_settings({"PASANG_HOME": str(home)})


def test_without_a_file_there_is_no_letterhead_and_the_clock_is_jakartas(tmp_path: Path) -> None:
    given = load_settings({"PASANG_HOME": str(tmp_path)})
    assert given.letterhead == Letterhead()
    assert given.file == tmp_path / "settings.yaml"
    assert given.zone.tzname(datetime.now(UTC)) == "WIB"


def test_the_example_is_taken(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE, tmp_path / "settings.yaml")
    given = load_settings({"PASANG_HOME": str(tmp_path)})
    assert given.letterhead.lines[0] == "PEMERINTAH KOTA CONTOH"
    assert given.zone.tzname(datetime.now(UTC)) == "WIB"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Asia/Jakarta", "19.00 WIB"),
        ("WITA", "20.00 WITA"),
        ("Asia/Makassar", "20.00 WITA"),
        ("WIT", "21.00 WIT"),
        ("Asia/Jayapura", "21.00 WIT"),
        ("Asia/Pontianak", "19.00 WIB"),
        ("UTC", "12.00 UTC"),
    ],
)
def test_the_office_chooses_its_clock(tmp_path: Path, name: str, shown: str) -> None:
    zone = written(tmp_path, f"timezone: {name}\n").zone
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert noon.astimezone(zone).strftime("%H.%M %Z") == shown


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("timezone: Asia/Tiada\n", "Asia/Tiada"),
        ("timezone: ../../etc/passwd\n", "passwd"),
        ("timezone: [WIB]\n", "WIB"),
        ("zona: WIB\n", "zona"),
        ("letterhead: {garis: x}\n", "garis"),
        ("letterhead: {lines: Satu}\n", "lines"),
        ("letterhead: {place: [a, b]}\n", "place"),
        ("letterhead: teks\n", "teks"),
        ("- letterhead\n", "letterhead"),
        ("letterhead: [\n", "settings.yaml"),
    ],
)
def test_what_means_nothing_is_named_with_what_to_write(tmp_path: Path, content: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        written(tmp_path, content)
    (problem,) = caught.value.problems
    assert named in caught.value.say("id")
    assert "settings.yaml" in problem.where
    assert problem.hint is not None


@pytest.mark.parametrize(("logo", "wanted"), [("lambang.png", "{home}/lambang.png"), ("/a/b.svg", "/a/b.svg")])
def test_a_logo_lies_beside_the_settings(tmp_path: Path, logo: str, wanted: str) -> None:
    assert written(tmp_path, f"letterhead: {{logo: {logo}}}\n").letterhead.logo == wanted.format(home=tmp_path)
