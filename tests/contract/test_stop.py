"""A person's order to stop, given to the real agent on this computer: wherever it is, it ends, and takes back."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import stopping
from agent.host import trees
from tests.contract.agents import Computer, Talk

ORDER = {"by": "ani@pusat", "at": "2026-11-22T03:00:00.000Z"}
WITHIN_S = 5.0
HIDES = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").close()
        time.sleep(600)
    os._exit(0)
time.sleep(600)
"""


@pytest.fixture
def computer(tmp_path: Path) -> Iterator[Computer]:
    made = Computer(tmp_path)
    yield made
    for number in at_work(made):
        os.kill(number, signal.SIGKILL)


def at_work(computer: Computer) -> dict[int, str]:
    """Processes that name this test's folder and are not the test itself; an agent may still be on its way out."""
    rows = {number: " ".join(trees.words_of(number)) for number in trees.numbers() if number != os.getpid()}
    found = {number: line for number, line in rows.items() if str(computer.folder) in line and trees.row_of(number)}
    return {number: line for number, line in found.items() if " run /" not in line}


def plan(computer: Computer, **sections: Any) -> dict[str, Any]:
    """The plan of the contact's own tests, with other sections."""
    given = computer.plan()
    given["variants"][0].update(sections)
    return given


def command(computer: Computer, script: str, **words: Any) -> dict[str, Any]:
    """A command that leaves a file when it has begun, and can be told by the folder in its command line."""
    return {"kind": "command", "shell": f"touch {computer.folder / 'begun'}; {script}", **words}


@contextmanager
def installing(computer: Computer, given: dict[str, Any], *, begun: Path | None = None) -> Iterator[Talk]:
    """An installation in the middle, followed by another contact; what that one heard is whole afterwards."""
    heard = Talk()

    def follow() -> None:
        found = computer.talk(plan=given)
        heard.frames, heard.error = found.frames, found.error

    follower = threading.Thread(target=follow)
    follower.start()
    wait_for(lambda: (begun or computer.folder / "begun").exists())
    yield heard
    follower.join(timeout=30)
    assert not follower.is_alive()


def wait_for(true: Any, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def stop(computer: Computer, **job: Any) -> Talk:
    return computer.talk(do="stop", stop=ORDER, plan=None, **job)


def of_type(talk: Talk, kind: str) -> list[dict[str, Any]]:
    return [record for record in talk.records if record["type"] == kind]


def journal(computer: Computer, name: str = "r1.salam") -> list[dict[str, Any]]:
    path = computer.root / "runs" / name / "journal.ndjson"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def check_stopped(computer: Computer, talk: Talk, step: int) -> dict[str, Any]:
    """Rolled back because somebody said so, and nothing of it is left; the record of the order."""
    assert talk.error is None
    assert talk.end["outcome"] == "rolled_back"
    assert talk.end["step"] == step
    assert (talk.end["rollback"]["verdict"], talk.end["rollback"]["residue"]) == ("clean", [])
    assert talk.end["reason"]["id"].startswith("dihentikan oleh ani@pusat")
    assert talk.end["reason"]["en"].startswith("stopped by ani@pusat")
    (stopped,) = of_type(talk, "stopped")
    assert (stopped["by"], stopped["asked_at"], stopped["step"]) == ("ani@pusat", ORDER["at"], step)
    (ended,) = [r for r in of_type(talk, "step_ended") if r["result"] == "failed"]
    assert (ended["step"], ended["reason"]) == (step, talk.end["reason"])
    assert at_work(computer) == {}
    assert not computer.target.exists(), "what an action before had put there"
    return stopped


@pytest.mark.parametrize("hides", [False, True])
def test_in_a_program(computer: Computer, hides: bool) -> None:
    hidden = {"kind": "command", "argv": [sys.executable, "-c", HIDES, str(computer.folder / "begun")]}
    own = [*computer.plan()["variants"][0]["install"], hidden if hides else command(computer, "sleep 600")]
    with installing(computer, plan(computer, install=own)) as followed:
        began = time.monotonic()
        talk = stop(computer)
        assert time.monotonic() - began < WITHIN_S
    stopped = check_stopped(computer, talk, 5)
    assert followed.records == talk.records, "two contacts hear the same"
    how = stopped["evidence"]["stopped"]
    assert how["why"] == "order"
    assert how["seconds"] < WITHIN_S
    assert len(how["processes"]) == 2
    assert (how["processes"][1]["parent"] == how["processes"][0]["pid"]) is not hides
    (failed,) = [r for r in of_type(talk, "effect") if r["result"] == "failed"]
    assert failed["evidence"]["stopped"] == how
    assert " while waiting for " in failed["reason"]["en"]


def test_while_a_test_keeps_asking(computer: Computer) -> None:
    asks = {"kind": "port", "port": 1, "state": "listening", "within_s": 600}
    with installing(computer, plan(computer, test=[asks]), begun=computer.target):
        wait_for(lambda: any(r["type"] == "step_started" and r["step"] == 7 for r in journal(computer)))
        began = time.monotonic()
        talk = stop(computer)
        assert time.monotonic() - began < WITHIN_S
    check_stopped(computer, talk, 7)


def test_a_verification_changes_nothing_and_ends(computer: Computer) -> None:
    assert computer.install("r0.salam").end["outcome"] == "installed"
    asks = {"kind": "port", "port": 1, "state": "listening", "within_s": 600}
    given = {**plan(computer, test=[asks]), "mode": "verify"}
    with installing(computer, given, begun=computer.root / "runs" / "r1.salam" / "journal.ndjson"):
        wait_for(lambda: any(r["type"] == "step_started" for r in journal(computer)))
        talk = stop(computer)
    assert (talk.end["outcome"], talk.end["step"]) == ("verify_failed", 7)
    assert talk.end["reason"]["en"] == "stopped by ani@pusat"
    assert computer.target.exists()


@pytest.mark.parametrize("alone", [None, {"after_s": 86400, "then": "take_back"}], ids=["nobody there", "asleep"])
def test_while_a_person_has_to_decide(computer: Computer, alone: Any) -> None:
    """With what the agent does where nobody decides, a process waits meanwhile."""
    asks = {"decision": "ask", "actions": [{"kind": "file", "path": str(computer.folder / "k"), "content": "k"}]}
    first = computer.talk(plan=plan(computer, configure=asks, alone=alone))
    assert first.end["type"] == "waiting"
    assert computer.target.exists()
    began = time.monotonic()
    talk = stop(computer)
    assert time.monotonic() - began < WITHIN_S
    check_stopped(computer, talk, 9)
    again = computer.talk(plan=None, decision={"configure": True, "by": "budi", "reason": {"id": "ya", "en": "yes"}})
    assert again.records == talk.records, "it is too late to decide"


def test_while_it_configures_it_does_not_try_again(computer: Computer) -> None:
    configure = {"decision": "always", "attempts": 5, "actions": [command(computer, "sleep 600")]}
    with installing(computer, plan(computer, configure=configure)):
        talk = stop(computer)
    check_stopped(computer, talk, 10)
    assert [r["visit"] for r in of_type(talk, "step_started") if r["step"] == 10] == [1]


def test_the_way_back_is_not_interrupted(computer: Computer) -> None:
    undone = computer.folder / "undone"
    slow = {"argv": ["sh", "-c", f"touch {computer.folder / 'back'}; sleep 1.5; touch {undone}"]}
    own = [command(computer, "true", undo=slow), command(computer, "exit 3")]
    with installing(computer, plan(computer, install=own), begun=computer.folder / "back"):
        talk = stop(computer)
    assert undone.exists()
    assert (talk.end["outcome"], talk.end["rollback"]["verdict"]) == ("rolled_back", "clean")
    assert talk.end["reason"]["en"] == "/bin/sh ended with exit code 3."
    assert of_type(talk, "stopped") == [], "there was nothing left to stop"


def test_a_second_order_changes_nothing(computer: Computer) -> None:
    with installing(computer, plan(computer, install=[command(computer, "sleep 600")])):
        first = stop(computer)
        second = computer.talk(do="stop", stop={"by": "staf@loket", "at": "x"}, plan=None)
    assert second.records == first.records
    assert second.end["reason"]["en"].startswith("stopped by ani@pusat")
    assert stop(computer, **{"from": first.end["seq"]}).records == []


def test_what_has_ended_stays_as_it_is(computer: Computer) -> None:
    first = computer.install()
    talk = stop(computer)
    assert talk.records == first.records
    assert computer.target.exists()


def test_an_order_before_the_run_is_there(computer: Computer) -> None:
    """A computer whose turn comes late: it was told to stop before it was told to begin."""
    early = stop(computer)
    assert early.error is not None
    assert early.error.outcome == "not_started"
    talk = computer.install()
    assert (talk.end["outcome"], talk.end["step"]) == ("rolled_back", 4)
    assert talk.end["rollback"]["verdict"] == "clean"
    assert of_type(talk, "intent") == []
    assert computer.install("r2.salam").end["outcome"] == "installed", "another run is not meant"


@pytest.mark.parametrize("again", [False, True], ids=["order finds nobody", "order comes first"])
def test_an_agent_that_was_killed(computer: Computer, again: bool) -> None:
    """Whoever goes on with the run finds the order, in the file that was left."""
    own = [*computer.plan()["variants"][0]["install"], command(computer, "sleep 600")]
    with installing(computer, plan(computer, install=own)) as followed:
        holder = json.loads((computer.root / "lock").read_text())
        if again:
            os.kill(holder["pid"], signal.SIGSTOP)
            stopping.leave(str(computer.root / "runs" / "r1.salam"), ORDER)
        os.kill(holder["pid"], signal.SIGKILL)
        wait_for(lambda: trees.row_of(holder["pid"]) is None)
        talk = computer.talk(plan=None) if again else stop(computer)
    assert followed.error is not None or followed.records == talk.records
    check_stopped(computer, talk, 5)


def test_a_program_whose_agent_was_killed_is_not_started_a_second_time(computer: Computer) -> None:
    done, count = computer.folder / "done", computer.folder / "count"
    slow = command(computer, f"echo x >>{count}; sleep 1.5; touch {done}", creates=str(done))
    with installing(
        computer, plan(computer, install=[slow], test=[{"kind": "file", "path": str(done), "exists": True}])
    ):
        holder = json.loads((computer.root / "lock").read_text())
        os.kill(holder["pid"], signal.SIGKILL)
        wait_for(lambda: trees.row_of(holder["pid"]) is None)
        assert not done.exists()
        talk = computer.talk(plan=None)
    assert talk.end["outcome"] == "installed"
    assert count.read_text() == "x\n"
    (orphan,) = of_type(talk, "orphan")
    assert orphan["evidence"]["argv"][0] == "/bin/sh"
    assert "stopped" not in orphan["evidence"]
    assert "program" not in json.loads((computer.root / "lock").read_text())


def test_a_program_that_hangs_without_its_agent_is_stopped_too(computer: Computer) -> None:
    own = [*computer.plan()["variants"][0]["install"], command(computer, "echo macet; sleep 600", stall_s=2)]
    with installing(computer, plan(computer, install=own)):
        holder = json.loads((computer.root / "lock").read_text())
        os.kill(holder["pid"], signal.SIGKILL)
        wait_for(lambda: trees.row_of(holder["pid"]) is None)
        talk = computer.talk(plan=None)
    assert (talk.end["outcome"], talk.end["rollback"]["residue"]) == ("rolled_back", [])
    assert talk.end["reason"]["en"].startswith("/bin/sh did not get on for ")
    (orphan,) = of_type(talk, "orphan")
    assert orphan["evidence"]["output"] == "macet", "what it wrote is found although its file has no name"
    assert orphan["evidence"]["stopped"]["why"] == "stall"
    assert at_work(computer) == {}


def test_an_undo_that_hangs_calls_a_person(computer: Computer) -> None:
    back = {"argv": ["sh", "-c", f"sleep 600; : {computer.folder}"]}
    own = [*computer.plan()["variants"][0]["install"], command(computer, "true", undo=back, stall_s=2)]
    talk = computer.talk(plan=plan(computer, install=[*own, command(computer, "exit 3")]))
    assert (talk.end["outcome"], talk.end["rollback"]["verdict"]) == ("needs_person", "failed")
    (failed,) = [r for r in of_type(talk, "effect") if r["verb"] == "undo" and r["result"] == "failed"]
    assert failed["evidence"]["stopped"]["why"] == "stall"
    assert not computer.target.exists(), "the others are taken back all the same"
    assert at_work(computer) == {}


def test_while_a_payload_is_on_its_way(computer: Computer) -> None:
    """The line is busy with bytes that nobody wants any more."""
    size_bytes = 64 * 1024 * 1024
    computer.payload.write_bytes(os.urandom(1024 * 1024) * (size_bytes // 1024 // 1024))
    from agent.digest import sha256_of_file

    digest = sha256_of_file(str(computer.payload))
    given = computer.plan()
    given["payloads"]["isi"].update(digest=digest, size_bytes=size_bytes)
    part = computer.root / "blobs" / (digest + ".part")
    with installing(computer, given, begun=part):
        talk = stop(computer)
    if talk.end["outcome"] != "rolled_back":
        pytest.skip("it was there before anybody could stop it")
    check_stopped(computer, talk, 5)
