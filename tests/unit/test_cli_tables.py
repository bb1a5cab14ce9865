"""Lists on the terminal: they fit it, whatever its width, and nothing that is there to be copied is broken."""

from __future__ import annotations

import pytest
from rich.console import Console

from controller.cli import summary, tables
from controller.inventory import Host
from controller.inventory.connection import Connection
from controller.run.opening import RunResult
from controller.run.work import HostResult
from controller.text import Text
from tests.unit.fleet import work_on

HEADS = ("Form", "Dibuka", "Komputer", "SW", "Hasil")
ROWS = [
    (
        "FI-2026-000001",
        "22 Nov 2026 21.30.00 WIB",
        "loket-07",
        "nginx [x] 1.22.1",
        "gagal dan dikembalikan ke keadaan semula",
    ),
    ("FI-2026-000002", "22 Nov 2026 21.30.05 WIB", "pc-arsip-lantai-2", "libreoffice 7.4.1", None),
]


def printed(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setattr(tables, "console", lambda: Console(markup=False, highlight=False, width=width))
    tables.print_table(HEADS, ROWS)
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 200])
def test_a_list_fits_every_terminal_and_breaks_no_name(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = printed(width, monkeypatch, capsys)
    assert all(len(line.rstrip()) <= width for line in shown.splitlines())
    for row in ROWS:
        for name in (row[0], row[2]):
            assert any(name in line for line in shown.splitlines()), name
    words = " ".join(shown.split())
    assert "nginx [x]" in words
    assert "None" not in words
    assert all(head in words for head in HEADS[1:])


def test_where_nobody_sees_it_a_row_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    tables.print_table(HEADS, [*ROWS, ("FI-2026-000003", "", "pc1", "x", "kata " * 100)])
    (long,) = [line for line in capsys.readouterr().out.splitlines() if "FI-2026-000003" in line]
    assert long.count("kata") == 100


def test_where_nobody_sees_it_a_row_ends_with_its_last_letter(capsys: pytest.CaptureFixture[str]) -> None:
    tables.print_table(HEADS, [*ROWS, ("FI-2026-000003", "", "pc1", "x", "kata " * 100)])
    assert [line for line in capsys.readouterr().out.splitlines() if line != line.rstrip()] == []


def test_a_remark_that_would_fill_a_page_is_cut_and_says_where_the_rest_is(capsys: pytest.CaptureFixture[str]) -> None:
    probe = "http://127.0.0.1/ did not answer " * 90
    why = Text(probe, probe).as_json()
    results = [
        (
            work_on(Host("pc1", {}, (), Connection("local", "pc1"), "user")),
            HostResult("rolled_back", form="FI-2026-000007", step=7, reason=why),
        )
    ]
    summary.print_summary(RunResult("20261122-143000-3f9a", results, 1.0), {})
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) < 500
    assert "pasang form show FI-2026-000007" in shown
    assert summary.remark(HostResult("not_eligible", step=4, reason=why)).count("answer") == 90


def test_a_list_of_nothing_is_its_heads(capsys: pytest.CaptureFixture[str]) -> None:
    tables.print_table(HEADS, [])
    assert capsys.readouterr().out.split()[: len(HEADS)] == list(HEADS)
