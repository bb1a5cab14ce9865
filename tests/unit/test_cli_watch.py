"""Watching a run on a terminal: a row for each computer, its bar, and what shows while a line breaks."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from controller.cli.watch import Live
from controller.run.work import HostResult, summed
from tests.unit.fleet import Office, work_on


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def picture(table: Live, *, width: int = 100) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO())
    try:
        console.print(table)
        return console.export_text().splitlines()
    finally:
        console.file.close()


def test_each_software_on_each_computer_has_a_row_of_its_own(office: Office) -> None:
    (host,) = office.inventory(["pc1"]).select("all")
    first, second = work_on(host), replace(work_on(host), software="guntur")
    summary = summed([(first, HostResult("needs_person")), (second, HostResult("not_started"))], "en")
    assert [(r["host"], r["software"], r["outcome"]) for r in summary["results"]] == [
        ("pc1", "kilat", "needs_person"),
        ("pc1", "guntur", "not_started"),
    ]
    assert summary["hosts"]["pc1"]["outcome"] == "needs_person"
    assert sum(summary["counts"].values()) == len(summary["results"])


@pytest.mark.parametrize("count", [3, 100])
@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_table_lives(office: Office, count: int, width: int) -> None:
    hosts = office.inventory([f"pc{n:03}" for n in range(count)]).select("all")
    table = Live(Console(width=width), count)
    title = {"id": "Pola [/a-z] [red]", "en": "Pattern [/a-z] [red]"}
    for host in hosts:
        table.event({"type": "step_started", "host": host.name, "step": 7})
        table.event({"type": "probe", "host": host.name, "title": title})
    table.pushing(hosts[1].name, "isi.deb", 50, 100)
    table.ended(work_on(hosts[0]), HostResult("installed", seconds=1.5))
    lines = picture(table, width=width)
    assert all(len(line) <= width for line in lines)
    shown = "\n".join(lines)
    assert f"1 dari {count}" in shown or f"1 of {count}" in shown
    assert hosts[2].name in shown
    if width > 60:
        assert "[/a-z] [red]" in shown, "what is written in a playbook is no markup"
        assert "━" in next(line for line in lines if hosts[1].name in line)
    assert len(lines) < 45
    if count == 100:
        assert "70" in lines[-1]


def test_a_line_that_breaks_shows_and_the_bar_goes_on_where_it_was() -> None:
    table = Live(Console(width=100), 1)
    table.event({"type": "step_started", "host": "pc1", "step": 5})
    table.pushing("pc1", "isi.deb", 60, 100)
    table.event({"type": "line_lost", "host": "pc1", "reason": {"id": "putus", "en": "lost"}})
    assert any(words in "\n".join(picture(table)) for words in ("sambungan terputus", "the line dropped"))
    table.event({"type": "resumed", "host": "pc1"})
    assert "dropped" not in "\n".join(picture(table))
    table.pushing("pc1", "isi.deb", 58, 100)
    assert "━" in "\n".join(picture(table))


def test_a_computer_that_reboots_says_so_until_it_is_back() -> None:
    table = Live(Console(width=100), 1)

    def says() -> bool:
        return any(
            words in "\n".join(picture(table)) for words in ("komputer dinyalakan ulang", "the computer reboots")
        )

    table.event({"type": "step_started", "host": "pc1", "step": 5})
    table.event({"type": "reboot", "host": "pc1", "state": "due"})
    assert not says()
    for event in ({"type": "reboot", "state": "begun"}, {"type": "line_lost"}, {"type": "resumed"}):
        table.event({**event, "host": "pc1"})
        assert says(), event
    table.event({"type": "reboot", "host": "pc1", "state": "done"})
    assert not says()


def test_the_table_stands_while_many_threads_write(office: Office) -> None:
    hosts = office.inventory([f"pc{n:03}" for n in range(20)]).select("all")
    table = Live(Console(width=100), 20)

    def carry(host: Any) -> None:
        for step in range(4, 12):
            table.event({"type": "step_started", "host": host.name, "step": step})
            table.pushing(host.name, "isi", step, 12)
        table.ended(work_on(host), HostResult("installed"))

    threads = [threading.Thread(target=carry, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        picture(table)
    for thread in threads:
        thread.join()
    assert "20" in picture(table)[0]
