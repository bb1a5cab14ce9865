"""The command line as programs and people see it: stdout, stderr, exit codes, both languages, no traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from controller.cli import mishaps
from controller.cli.watch import Lines, observer
from controller.errors import RecordError, Unreachable
from controller.run.work import HostResult
from controller.text import Text
from controller.transport.memory import Refuse
from tests.unit.fleet import Computer, Office, journal, tell, work_on

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


def pasang(
    place: Path,
    *words: str,
    language: str = "en",
    stdin: int | None = None,
    closed: str = "",
    encoding: str = "utf-8",
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, in a folder of its own; ``closed``: a shell's words for its streams."""
    known = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "PASANG_HOME": str(place / "home"),
        "PASANG_LANG": language,
    }
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-m", "controller", *words],
        cwd=place,
        env={**known, "PYTHONPATH": str(Path(mishaps.__file__).parents[2]), **environment},
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        capture_output=True,
        encoding=encoding,
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
    assert set(summary) == {"type", "run", "software", "seconds", "hosts", "results", "counts"}
    assert summary["type"] == "summary"
    assert summary["counts"] == {"installed": 1, "unreachable": 1}
    assert [(row["host"], row["software"]) for row in summary["results"]] == [("a", "kilat"), ("b", "kilat")]
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


SPEAKING = """\
pasang: 1
software: {name: bicara, version: "1.0", publisher: Contoh, licence: MIT}
variants:
  - when: {os: linux}
    requirements:
      disk_free: {path: /, at_least: 1.5 kB}
      ports_free: [1]
      commands: [sh]
      package_manager_free: true
    install:
      - file: {path: "%(path)s", content: halo, mode: "0640"}
      - command: {argv: [touch, "%(path)s.2"], creates: "%(path)s.2"}
    test:
      - file: {path: "%(path)s", contains: halo, mode: "0640"}
      - command: {argv: [sh, -c, "echo halo"]}
      - port: {port: 1, state: free}
      - process: {name: tiada, count: {at_least: 0, at_most: 1}, user: root}
      - version: {argv: [echo, "bicara 1.0"], pattern: "bicara (.+)", equals: "1.0"}
"""
ENGLISH = (
    r"\b(free|exit|bytes|file|directory|other|content|mode|owner|as asked|absent|missing|listening|version of)\b"
    r"|\d\.\d+ ([kMGT]i?B|s)\b"
)


def test_no_english_is_left_on_an_indonesian_form(place: Path) -> None:
    """The computer's own words stay; ours are Indonesian: in what is looked at, in the form, in the summary."""
    (place / "bicara").mkdir()
    (place / "bicara" / "playbook.yaml").write_text(SPEAKING % {"path": place / "hasil"})
    (place / "hasil").write_text("isi lain")
    shown = [
        pasang(place, command, "./bicara", "-l", "pc1", language="id")
        for command in ("plan", "install", "plan", "verify")
    ]
    numbers = [json.loads(row)["number"] for row in pasang(place, "form", "list", "--json").stdout.splitlines()]
    assert len(numbers) == 2
    shown += [pasang(place, "form", "show", number, language="id") for number in numbers]
    for found in shown:
        assert found.returncode == 0, found.stderr
        said = re.sub(rf"{place}\S*", "", found.stdout)
        assert not re.search(ENGLISH, said, re.IGNORECASE), said
    assert "kode keluar 0" in shown[-1].stdout


BAD = [
    (("install", "tiada"), "tiada"),
    (("install", "./kilat", "-l", "tiada"), "tiada"),
    (("install", "./kilat", "-l", ""), "-l all"),
    (("hosts", "clean", "--all"), "--yes"),
    (("install", "./kilat", "-i", "tiada.yaml"), "tiada.yaml"),
    (("install", "./kilat", "--tiada"), "--tiada"),
    (("install", "./kilat", "-f", "tiada"), "tiada"),
    (("tiada",), "tiada"),
    (("install",), "PLAYBOOK"),
    (("install", "./kilat", "./kilat/playbook.yaml"), "kilat/playbook.yaml: kilat "),
    (("form", "show", "FI-2026-999999"), "FI-2026-999999"),
    (("resume", "tiada"), "tiada"),
    (("depot", "show", "tiada"), "tiada"),
    (("depot", "add", "tiada.deb"), "tiada.deb"),
    (("runtime", "add", "tiada.whl"), "tiada.whl"),
    (("form", "verify", "tiada.json"), "tiada.json"),
    (("form", "decide", "FI-2026-000001", "--configure", "--no-configure", "--reason", "x"), "--no-configure"),
    (("form", "decide", "FI-2026-000001", "--reason", "x"), "--no-configure"),
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


@pytest.mark.parametrize("words", [["install", "./kilat", "-l", "tiada"], ["form", "list"], ["install"], ["tiada"]])
def test_a_program_finds_a_summary_of_what_went_wrong(place: Path, words: list[str]) -> None:
    if words == ["form", "list"]:
        (place / "home" / "pasang.sqlite3").mkdir(parents=True)
    found = pasang(place, *words, "--json", language="id")
    (line,) = found.stdout.splitlines()
    summary = json.loads(line)
    assert (summary["type"], summary["run"], summary["hosts"], summary["counts"]) == ("summary", None, {}, {})
    assert summary["error"]["code"] == found.returncode
    assert found.returncode == (3 if words == ["form", "list"] else 2)
    assert found.stderr == f"pasang: {summary['error']['message']}\n"


@pytest.mark.parametrize("words", [("form", "list"), ("install", "./kilat", "-l", "pc1"), ("depot", "list")])
@pytest.mark.parametrize("home", ["/dev/null/x", "/proc/x"])
def test_a_home_that_cannot_be_is_bad_input(place: Path, words: tuple[str, ...], home: str) -> None:
    found = pasang(place, *words, PASANG_HOME=home)
    assert found.returncode == 2
    assert found.stderr.startswith(f"pasang: PASANG_HOME={home}: this folder cannot be made")


def test_a_database_that_cannot_be_had_is_exit_3(place: Path) -> None:
    (place / "home" / "pasang.sqlite3").mkdir(parents=True)
    found = pasang(place, "install", "./kilat", "-l", "pc1", "--json")
    assert found.returncode == 3
    assert "the record cannot be kept" in found.stderr
    assert "the record cannot be kept" in json.loads(found.stdout.splitlines()[-1])["error"]["message"]
    assert not (place / "agen").exists(), "nothing was touched"


def test_what_was_known_when_the_record_broke_is_in_the_summary(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    (host,) = office.inventory(["pc1"]).select("all")

    def breaks() -> None:
        with observer(json=True, total=2) as watching:
            watching.event({"type": "run_opened", "run": "20261122-143000-3f9a"})
            watching.ended(work_on(host), HostResult("installed", form="FI-2026-000001"))
            raise RecordError(Text("disk penuh", "the disk is full"))

    with pytest.raises(RecordError) as caught:
        breaks()
    assert mishaps.tell(caught.value, "en", as_json=True) == 3
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["run"] == "20261122-143000-3f9a"
    assert summary["counts"] == {"installed": 1}
    assert summary["hosts"]["pc1"]["form"] == "FI-2026-000001"
    assert summary["error"] == {"code": 3, "message": "the disk is full"}


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing(place: Path, closed: str) -> None:
    """As under a scheduler that gives a command nothing to write to."""
    assert pasang(place, "install", "kilat", "-i", "inventory.yaml", "-l", "pc1", closed=closed).returncode == 0
    assert (place / "hasil.txt").read_text() == "halo"
    assert pasang(place, "install", "kilta", "-i", "inventory.yaml", "--json", closed=closed).returncode == 2


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["latin-1", "ascii", "C"],
)
def test_a_terminal_without_our_letters_gets_question_marks_and_a_program_gets_them_escaped(
    place: Path, environment: dict[str, str]
) -> None:
    (place / "inventory.yaml").write_text(INVENTORY.replace("pc1: {", "pc1: {owner: Ştefan, ") % {"root": place / "r"})
    found = pasang(place, "install", "./kilat", "-l", "pc1", encoding="latin-1", **environment)
    assert (found.returncode, found.stderr) == (0, "")
    (number,) = re.findall(r"\? see the form: pasang form show (\S+)", found.stdout)
    shown = pasang(place, "form", "show", number, encoding="latin-1", **environment)
    assert (shown.returncode, "?tefan" in shown.stdout) == (0, True)
    found = pasang(place, "install", "./kilat", "-l", "pc1", "--json", **environment)
    opened = [json.loads(line) for line in found.stdout.splitlines()][1]
    assert (found.returncode, opened["owner"]) == (0, "Ştefan")
    assert pasang(place, "install", "kiłat", "-l", "pc1", "--json", **environment).returncode == 2


HELPS = """
import typer
from controller.cli.app import app
def walk(command, context):
    print(command.get_help(context))
    for name in getattr(command, "commands", {}):
        inner = command.get_command(context, name)
        walk(inner, inner.make_context(name, [], parent=context, resilient_parsing=True))
command = typer.main.get_command(app)
walk(command, command.make_context("pasang", [], resilient_parsing=True))
"""


def test_every_help_is_in_the_readers_language(place: Path) -> None:
    shown = {}
    for language in ("id", "en"):
        environment = {"PASANG_LANG": language, "PYTHONPATH": str(Path(mishaps.__file__).parents[2])}
        shown[language] = subprocess.run(
            [sys.executable, "-c", HELPS], env=environment, capture_output=True, text=True, timeout=60, check=True
        ).stdout
    assert "seluruh prosedur" in shown["id"]
    assert "the whole procedure" in shown["en"]
    for command in ("check", "plan", "install", "verify", "uninstall", "resume", "hosts", "depot", "form", "runtime"):
        assert f"\n  {command} " in shown["en"]
    shown = {language: " ".join(words.split()) for language, words in shown.items()}
    for indonesian, english in (
        ("Pemakaian: ", "Usage: "),
        ("Opsi:", "Options:"),
        ("Perintah:", "Commands:"),
        ("Argumen:", "Arguments:"),
        ("[wajib]", "[required]"),
        ("[bawaan: ", "[default: "),
        ("bantuan ini", "this help"),
        ("<berkas>", "<file>"),
    ):
        assert shown["id"].count(indonesian) == shown["en"].count(english) > 0
        assert english not in shown["id"]
        assert indonesian not in shown["en"]
    assert not re.search(r"\b(exit|message|path|str|range)\b", shown["id"].replace("nama di playbooks/", ""))


def test_the_schema_is_in_the_readers_language(place: Path) -> None:
    indonesian, english = (
        json.loads(pasang(place, "schema", "playbook", language=language).stdout) for language in ("id", "en")
    )
    assert indonesian["properties"]["software"]["description"] == "piranti lunak yang dipasang"
    assert english["properties"]["software"]["description"] == "the software that is installed"
    assert {name for name, model in indonesian["$defs"].items() if "description" in model} == set()


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
        assert found.returncode == 0
        assert (number if words[0] != "pdf" else "f.pdf") in found.stdout
        assert ("settings.yaml" in found.stderr) == (words[0] == "pdf"), "where a letterhead is written"
    (place / "home" / "settings.yaml").write_text("timezone: WITA\nletterhead: {lines: [Kantor Contoh]}\n")
    headed = pasang(place, "form", "pdf", number, "-o", str(place / "f.pdf"), PASANG_DATABASE_URL=str(url))
    assert (headed.returncode, headed.stderr) == (0, "")
    listed, shown = (
        pasang(place, "form", *words, PASANG_DATABASE_URL=str(url)).stdout for words in (("list",), ("show", number))
    )
    assert "(WITA)" in listed
    assert " WITA" in shown
    assert "Kantor Contoh" in shown
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


def test_of_several_installers_those_that_are_good_are_taken_in_and_all_others_named(place: Path) -> None:
    (place / "baik.sh").write_text("#!/bin/sh\n")
    (place / "rusak.deb").write_text("<html>")
    found = pasang(place, "depot", "add", "tiada.deb", "baik.sh", "rusak.deb")
    assert (found.returncode, found.stdout.splitlines()[0].split(":")[0]) == (2, "baik.sh")
    assert [line.split(":")[0] for line in found.stderr.splitlines()[::2]] == ["pasang", "rusak.deb"]
    assert "tiada.deb" in found.stderr
    assert "baik.sh" in pasang(place, "depot", "list").stdout


@pytest.mark.parametrize("words", [("resume",), ("resume", "RUN")])
def test_what_is_over_needs_no_inventory_to_be_over(office: Office, place: Path, words: tuple[str, ...]) -> None:
    office.computers = {"a": Computer(tell(journal()))}
    run = office.run().run
    (place / "inventory.yaml").unlink()
    database = {"PASANG_DATABASE_URL": office.settings.database_url}
    found = pasang(place, *(run if word == "RUN" else word for word in words), **database)
    assert (found.returncode, found.stdout, found.stderr) == (0, "nothing is left open\n", "")
    for unknown in (("stop", "tiada"), ("resume", "tiada")):
        found = pasang(place, *unknown, **database)
        assert (found.returncode, "there is no run tiada" in found.stderr) == (2, True)


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


def test_without_ssh_there_are_no_keys_and_that_is_said(place: Path) -> None:
    found = pasang(place, "hosts", "trust", "-l", "pc1", "--yes")
    assert (found.returncode, found.stdout) == (0, "")
    assert "none of them is reached by SSH" in found.stderr


@pytest.mark.parametrize(
    ("answer", "words", "is_removed"),
    [
        ("t\n", ["--all"], False),
        ("\n", ["--all"], False),
        ("ya\n", ["--all"], True),
        ("", ["--all", "--yes"], True),
        (None, ["--all"], False),
    ],
    ids=["no", "nothing", "yes", "--yes", "no terminal"],
)
def test_what_is_needed_for_the_way_back_is_not_removed_unasked(
    place: Path, answer: str | None, words: list[str], is_removed: bool
) -> None:
    assert pasang(place, "install", "./kilat", "-l", "pc1").returncode == 0
    terminal = os.openpty() if answer is not None else None
    try:
        if terminal and answer:
            os.write(terminal[0], answer.encode())
        found = pasang(
            place, "hosts", "clean", "-l", "pc1", *words, language="id", stdin=terminal[1] if terminal else None
        )
    finally:
        for descriptor in terminal or ():
            os.close(descriptor)
    assert ("pasang uninstall" in found.stderr) == (not is_removed or bool(answer))
    assert bool(list((place / "agen").glob("installed/*"))) != is_removed
    assert found.returncode == (0 if is_removed else 2 if answer is None else 1)
    assert re.search(r"pc1: [0-9,]+ [kM]?B dihapus", found.stdout) if is_removed else found.stdout == ""


def test_what_is_sent_and_how_large(place: Path) -> None:
    rows = [json.loads(line) for line in pasang(place, "runtime", "list", "--json").stdout.splitlines()]
    both = [(name, platform) for name in ("stage", "agent") for platform in ("linux", "windows")]
    assert [(row["name"], row["platform"]) for row in rows[:4]] == both
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


@pytest.mark.parametrize("wait", ["sebentar", "10", "-5m"])
def test_a_time_that_is_none_is_bad_input(place: Path, wait: str) -> None:
    found = pasang(place, "install", "./kilat", "-l", "pc1", f"--wait={wait}")
    assert found.returncode == 2
    assert "--wait" in found.stderr
    assert not (place / "hasil.txt").exists()
