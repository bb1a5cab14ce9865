"""The command line as programs and people see it: stdout, stderr, exit codes, both languages, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from controller.cli import mishaps
from controller.cli.watch import Lines, Live
from controller.errors import Unreachable
from controller.run.work import HostResult, HostWork
from controller.text import Text
from controller.transport.memory import Refuse
from tests.unit.fleet import Computer, Office, journal, tell

INVENTORY = """\
all:
  children:
    loket:
      hosts:
        pc1: {ansible_connection: local, pasang_root: %(root)s}
        pc2: {ansible_connection: ssh, ansible_host: pc2.example.invalid}
"""
PLAYBOOK = """\
pasang: 1
software: {name: kilat, version: "1.0", publisher: Contoh, licence: MIT}
variants:
  - when: {os: linux}
    install: [{file: {path: "%(path)s", content: halo}}]
    test: [{file: {path: "%(path)s", contains: halo}}]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "inventory.yaml").write_text(INVENTORY % {"root": tmp_path / "agen"})
    (tmp_path / "kilat").mkdir()
    (tmp_path / "kilat" / "playbook.yaml").write_text(PLAYBOOK % {"path": tmp_path / "hasil.txt"})
    return tmp_path


def pasang(place: Path, *words: str, language: str = "en", **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, in a folder of its own."""
    known = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "PASANG_HOME": str(place / "home"),
        "PASANG_LANG": language,
    }
    return subprocess.run(
        [sys.executable, "-m", "controller", *words],
        cwd=place,
        env={**known, "PYTHONPATH": str(Path(mishaps.__file__).parents[2]), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_json_is_alone_on_stdout_and_ends_with_the_summary(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    office.computers = {"a": Computer(tell(journal())), "b": Computer(Refuse(Unreachable(Text("mati", "off"))))}
    office.watch = Lines()
    office.watch.finished(office.run())
    captured = capsys.readouterr()
    assert captured.err == ""
    *events, summary = [json.loads(line) for line in captured.out.splitlines()]
    assert all(event["type"] and event["at"].endswith("Z") for event in events)
    assert {event["type"] for event in events} >= {
        "run_opened",
        "form_opened",
        "step_started",
        "host_ended",
        "run_ended",
    }
    assert set(summary) == {"type", "run", "software", "seconds", "hosts", "counts"}
    assert summary["type"] == "summary"
    assert summary["counts"] == {"installed": 1, "unreachable": 1}
    for host in summary["hosts"].values():
        assert set(host) >= {"outcome", "form", "seconds", "step", "reason", "rollback"}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_looking_at_this_computer(place: Path) -> None:
    found = pasang(place, "check", "./kilat", "-l", "pc1", "--json")
    assert (found.returncode, found.stderr) == (0, "")
    summary = json.loads(found.stdout.splitlines()[-1])
    assert summary["hosts"]["pc1"]["outcome"] == "eligible"
    assert not (place / "hasil.txt").exists()


BAD = [
    (("install", "tiada"), "tiada"),
    (("install", "./kilat", "-l", "tiada"), "tiada"),
    (("install", "./kilat", "-i", "tiada.yaml"), "tiada.yaml"),
    (("install", "./kilat", "--tiada"), "--tiada"),
    (("install", "./kilat", "-f", "tiada"), "tiada"),
    (("tiada",), "tiada"),
    (("install",), "PLAYBOOK"),
    (("form", "show", "FI-2026-999999"), "FI-2026-999999"),
    (("resume", "tiada"), "tiada"),
    (("depot", "show", "tiada"), "tiada"),
    (("depot", "add", "tiada.deb"), "tiada.deb"),
    (("runtime", "add", "tiada.whl"), "tiada.whl"),
    (("form", "verify", "tiada.json"), "tiada.json"),
]


@pytest.mark.parametrize(("words", "named"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_bad_input_is_exit_2_and_says_what_and_what_to_do(place: Path, words: tuple[str, ...], named: str) -> None:
    said = {}
    for language in ("id", "en"):
        found = pasang(place, *words, language=language)
        said[language] = found.stderr
        assert found.returncode == 2, found.stderr
        assert found.stdout == ""
        assert found.stderr.startswith("pasang: ")
        assert named in found.stderr
        assert "→" in found.stderr
        assert "Traceback" not in found.stderr
        assert len(found.stderr.splitlines()) <= 4
    assert said["id"] != said["en"]


def test_a_database_that_cannot_be_had_is_exit_3(place: Path) -> None:
    (place / "home" / "pasang.sqlite3").mkdir(parents=True)
    found = pasang(place, "install", "./kilat", "-l", "pc1")
    assert found.returncode == 3
    assert "the record cannot be kept" in found.stderr
    assert not (place / "agen").exists(), "nothing was touched"


def test_help_in_both_languages(place: Path) -> None:
    indonesian, english = (pasang(place, "--help", language=language).stdout for language in ("id", "en"))
    assert "seluruh prosedur" in indonesian
    assert "the whole procedure" in english
    for command in ("check", "plan", "install", "verify", "uninstall", "resume", "hosts", "depot", "form", "runtime"):
        assert f"\n  {command} " in english


@pytest.mark.parametrize(
    "words",
    [("form", "list"), ("form", "list", "--json"), ("depot", "list"), ("depot", "list", "--json"), ("depot", "verify")],
    ids=" ".join,
)
def test_empty_stores_are_no_trouble(place: Path, words: tuple[str, ...]) -> None:
    found = pasang(place, *words)
    assert (found.returncode, found.stderr) == (0, "")
    if "--json" in words:
        assert found.stdout == ""


def test_forms_that_are_there(office: Office, place: Path) -> None:
    office.computers = {"pc1": Computer(tell(journal()))}
    office.run()
    url = office.settings.database_url
    (row,) = pasang(place, "form", "list", "--json", PASANG_DATABASE_URL=str(url)).stdout.splitlines()
    number = json.loads(row)["number"]
    assert json.loads(row)["state"] == "installed"
    for words in (("list",), ("show", number), ("export", number), ("pdf", number, "-o", str(place / "f.pdf"))):
        found = pasang(place, "form", *words, PASANG_DATABASE_URL=str(url))
        assert (found.returncode, found.stderr) == (0, "")
        assert (number if words[0] != "pdf" else "f.pdf") in found.stdout
    refused = pasang(place, "form", "decide", number, "--configure", "--reason", "x", PASANG_DATABASE_URL=str(url))
    assert refused.returncode == 2
    assert "does not wait" in refused.stderr


def test_an_installer_in_the_depot(place: Path) -> None:
    (place / "alat[x64].txt").write_text("isi")
    assert pasang(place, "depot", "add", "alat[x64].txt").returncode == 0
    assert "alat[x64].txt" in pasang(place, "depot", "list").stdout, "a name is no markup"
    (row,) = pasang(place, "depot", "list", "--json").stdout.splitlines()
    digest = json.loads(row)["digest"]
    assert json.loads(pasang(place, "depot", "show", digest[:8]).stdout)["digest"] == digest
    assert pasang(place, "depot", "verify").returncode == 0


def test_nothing_to_resume(place: Path) -> None:
    assert "nothing is left open" in pasang(place, "resume").stdout
    (line,) = pasang(place, "resume", "--json").stdout.splitlines()
    assert json.loads(line)["type"] == "summary"


def test_the_inventory_as_understood(place: Path) -> None:
    rows = [json.loads(line) for line in pasang(place, "hosts", "list", "--json").stdout.splitlines()]
    assert [(row["host"], row["connection"], row["groups"]) for row in rows] == [
        ("pc1", "local", ["loket"]),
        ("pc2", "ssh", ["loket"]),
    ]
    assert "pc2" in pasang(place, "hosts", "list").stdout


def test_what_is_sent_and_how_large(place: Path) -> None:
    rows = [json.loads(line) for line in pasang(place, "runtime", "list", "--json").stdout.splitlines()]
    assert [row["name"] for row in rows[:2]] == ["stage", "agent"]
    assert all(row["size_bytes"] > 1000 and len(row["digest"]) == 64 for row in rows)


def test_a_reader_that_goes_is_no_trouble(place: Path) -> None:
    script = f"{sys.executable} -m controller hosts list --json | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}"
    many = "all:\n  hosts:\n    pc[0001:9999]: {ansible_connection: local}\n"
    (place / "inventory.yaml").write_text(many)
    environment = {"PATH": os.environ["PATH"], "HOME": str(place), "PASANG_HOME": str(place / "home")}
    environment["PYTHONPATH"] = str(Path(mishaps.__file__).parents[2])
    found = subprocess.run(
        ["bash", "-c", script], cwd=place, env=environment, capture_output=True, text=True, timeout=60
    )
    assert found.stderr == ""
    assert found.stdout.strip() in ("0", "1")


def test_a_mistake_of_our_own_is_told_briefly_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PASANG_HOME", str(tmp_path))

    def divide() -> None:
        raise ZeroDivisionError("postgresql://pasang:rahasia-sekali@db/x password=juga-rahasia")

    with pytest.raises(ZeroDivisionError) as caught:
        divide()
    assert mishaps.explain(caught.value, "id") == 70
    assert mishaps.explain(caught.value, "en") == 70
    said = capsys.readouterr().err
    (kept,) = tmp_path.glob("crash-*.txt")
    assert "maaf" in said
    assert "sorry" in said
    assert str(kept) in said
    assert "Traceback" not in said
    assert "Traceback" in kept.read_text()
    assert "rahasia" not in said + kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600


def picture(table: Live, *, width: int = 100) -> list[str]:
    console = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - closed with the console
    try:
        console.print(table)
        return console.export_text().splitlines()
    finally:
        console.file.close()


def work_on(host: Any) -> HostWork:
    return HostWork("r", host, "kilat", "FI-2026-000001", "install", "user")


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
