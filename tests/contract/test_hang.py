"""Programs that do not get on: real ones, watched, recorded and stopped with all that they started."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agent import program
from agent.hang import command_of, question
from agent.host import trees
from agent.redact import NOTHING

STALL_S = 1.0
ASKS = """
import os, pty, sys
pid, line = pty.fork()
if pid == 0:
    os.write(1, b"Lanjutkan pemasangan? [y/T] ")
    os.read(0, 10)
    os._exit(0)
while True:
    os.write(1, os.read(line, 1000))
"""
"""Asks at a terminal that it makes for itself, as package managers do."""


HIDES = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
    os._exit(0)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "SHORTEST_LOOK_S", 0.2)


@pytest.fixture
def tag(tmp_path: Path) -> str:
    """What only processes of this test have in their command line."""
    return f"uji-macet-{os.getpid()}-{tmp_path.name}"


def alive(tag: str) -> list[str]:
    """Processes that run and have a tag in their command line."""
    found = []
    for number in trees.numbers():
        words = trees.words_of(number)
        if tag in " ".join(words) and trees.row_of(number):
            found.append(" ".join(words))
    return found


def run(*argv: str, stall_s: float | None = STALL_S, timeout_s: float = 20, **options: Any) -> program.Result:
    return program.run(argv, stall_s=stall_s, timeout_s=timeout_s, **options)


def stopped(result: program.Result) -> dict[str, Any]:
    assert result.code is None
    assert result.stopped is not None, "it was stopped, not left"
    return result.stopped


def test_one_that_only_sleeps_is_stopped_and_recorded(tag: str) -> None:
    began = time.monotonic()
    done = run("sh", "-c", f"echo mulai; sleep 600; : {tag}")
    how = stopped(done)
    assert time.monotonic() - began < STALL_S + 3
    assert (how["why"], done.out) == ("stall", "mulai\n")
    assert how["idle_s"] >= STALL_S
    shell, sleep = how["processes"]
    assert sleep["command"] == "sleep 600"
    assert sleep["parent"] == shell["pid"]
    assert sleep["state"] == "S"
    assert shell["began"].endswith("Z")
    assert "sleep 600" in how["waits"]["id"]
    assert how["waits"]["en"].startswith("waiting for sleep 600")
    assert "left" not in how
    assert alive(tag) == []
    assert done.evidence()["stopped"] == how


def test_one_that_asks_at_a_terminal_says_what_it_asks(tag: str) -> None:
    how = stopped(run(sys.executable, "-c", ASKS, tag))
    asked = "Lanjutkan pemasangan? [y/T]"
    assert how["waits"]["en"] == f"waiting for an answer to “{asked}”"
    assert {"asks": asked} in how["prompts"]
    reads = [prompt["reads"] for prompt in how["prompts"] if "reads" in prompt]
    assert len(reads) == 1
    assert "/dev/pts/" in reads[0]
    assert alive(tag) == []


def test_one_that_asks_into_a_pipe_of_its_own(tag: str, tmp_path: Path) -> None:
    """Without a terminal: the question is known by how the output ends."""
    script = f'mkfifo "$1"; printf "Nama loket: "; read name <"$1"; : {tag}'
    how = stopped(run("sh", "-c", script, "sh", str(tmp_path / "jawaban")))
    assert how["waits"]["id"] == "menunggu jawaban atas “Nama loket:”"
    assert alive(tag) == []


def test_its_input_is_empty_so_that_most_questions_end_at_once() -> None:
    done = run("sh", "-c", 'printf "Lanjut? "; read x || echo "tidak ada jawaban"')
    assert (done.code, done.out) == (0, "Lanjut? tidak ada jawaban\n")


def test_what_forked_twice_into_a_session_of_its_own_is_stopped_too(tag: str) -> None:
    how = stopped(run(sys.executable, "-c", HIDES, tag))
    assert any(tag in row["command"] and row["parent"] == 1 for row in how["processes"]), how
    assert alive(tag) == []


def test_one_that_does_not_end_when_asked_is_ended(tag: str) -> None:
    script = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('siap'); time.sleep(600)"
    began = time.monotonic()
    how = stopped(run(sys.executable, "-u", "-c", script, tag))
    assert trees.GRACE_S <= how["seconds"] < trees.GRACE_S + 1
    assert time.monotonic() - began < STALL_S + trees.GRACE_S + 3
    assert alive(tag) == []


@pytest.mark.parametrize(
    "work",
    [
        "end = time.monotonic() + 0.25\n while time.monotonic() < end: pass",
        "print(1)",
        "os.write(file.fileno(), b'x')",
        "child()",
    ],
)
def test_one_that_gets_on_is_not_stopped(work: str, tmp_path: Path) -> None:
    """By CPU alone, by its output, by a file that grows by a byte, by children that come and go."""
    script = (
        "import os, sys, time\nfile = open(sys.argv[1], 'w')\n"
        "def child():\n if os.fork() == 0: os._exit(0)\n os.wait()\n"
        f"for _ in range(9):\n time.sleep(0.25)\n {work}\n"
    )
    done = run(sys.executable, "-u", "-c", script, str(tmp_path / "isi"))
    assert done.code == 0, done.err
    assert done.stopped is None
    assert done.seconds > STALL_S * 2


def test_one_that_only_wakes_now_and_then_does_not_get_on(tag: str) -> None:
    """As the runtimes of some languages do while they wait."""
    how = stopped(run(sys.executable, "-c", "import time\nwhile True: time.sleep(0.1)", tag))
    assert how["why"] == "stall"


def test_a_daemon_that_was_rightly_left_is_not_stopped(tag: str) -> None:
    daemon = f"setsid {sys.executable} -c 'import time; time.sleep(600)' {tag} </dev/null >/dev/null 2>&1 &"
    try:
        assert run("sh", "-c", daemon).code == 0
        assert len(alive(tag)) == 1
        how = stopped(run("sleep", "600"))
        assert len(how["processes"]) == 1, "what another program left is not of this one"
        assert len(alive(tag)) == 1
    finally:
        for number in trees.numbers():
            if tag in trees.words_of(number):
                os.kill(number, 9)


def test_after_the_time_limit_it_is_recorded_as_well(tag: str) -> None:
    how = stopped(run("sh", "-c", f"sleep 600; : {tag}", timeout_s=0.3))
    assert how["why"] == "timeout"
    assert [row["command"] for row in how["processes"]][-1] == "sleep 600"
    assert stopped(run("sh", "-c", f"sleep 600; : {tag}", timeout_s=0.3, stall_s=None))["why"] == "timeout"
    assert alive(tag) == []


def test_nobody_looks_at_programs_that_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "agent.hang", None)
    assert run("true").code == 0
    assert run("sleep", "0.5", stall_s=600).code == 0


def test_looking_costs_next_to_nothing() -> None:
    began = time.process_time()
    done = run("sleep", "2.5", stall_s=600)
    assert done.code == 0
    assert time.process_time() - began < 0.02, "with the time that programs have, nobody has looked yet"


def test_the_last_line_is_a_question_only_where_it_looks_like_one() -> None:
    for said in ("Lanjut? [y/T] ", "a\nName: ", "\x1b[1mPort [8080]:\x1b[0m ", "mysql> ", "Lanjut (ya/tidak) "):
        assert question(said), said
    for said in ("", "selesai\n", "Lanjut?\n", "Unpacking loket (1.0) ...", "42%"):
        assert question(said) == "", said


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["pg", "--password=rahasia1"], "pg --password=***"),
        (["pg", "--db-password", "rahasia1", "-v"], "pg --db-password *** -v"),
        (["sh", "-c", "PGPASSWORD=rahasia1 psql"], "sh -c PGPASSWORD=*** psql"),
        (["curl", "https://ani:rahasia1@contoh.invalid/x"], "curl https://ani:***@contoh.invalid/x"),
        (["id", "sandi=rahasia1", "biasa=1"], "id sandi=*** biasa=1"),
    ],
)
def test_command_lines_without_secrets(monkeypatch: pytest.MonkeyPatch, argv: list[str], shown: str) -> None:
    monkeypatch.setattr("agent.host.trees.words_of", lambda pid: argv)
    assert command_of(trees.Part(1, 0, 0, "x", "S", 0, 0, 0, ""), NOTHING) == shown
