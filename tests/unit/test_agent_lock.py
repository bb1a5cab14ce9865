"""Whose a computer is: one at a time, whatever dies, fills up or sets the clock; others are told for how long yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agent import lock
from agent.journal import mono

CONTENDER = """
import sys
from agent import lock
name = sys.argv[1]
sys.stdin.readline()
try:
    lock.take(sys.argv[2], name, name + "@pusat")
    print("mine", flush=True)
except lock.Held as held:
    print("held by", held.holder["run"], flush=True)
sys.stdin.readline()
"""


def elsewhere(root: Path, **changes: Any) -> None:
    """The lock as the process of another run left it: dead, unless the changes say otherwise."""
    lock.take(str(root), "r9.lain", "staf@loket", host="pc9", lasts_s=600)
    with lock.changing(str(root)) as holder:
        holder.update({"pid": 2**22 + 1, "began": "1", **changes})


def contend(root: Path, count: int) -> list[str]:
    """So many processes want it at once, and live until all have been answered."""
    argv = [sys.executable, "-c", CONTENDER]
    started = [
        subprocess.Popen([*argv, f"r{n}", str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in range(count)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.stdout.readline().strip() for process in started if process.stdout is not None]
    for process in started:
        process.communicate("end\n", timeout=60)
    return answers


@pytest.mark.parametrize("before", ["nothing", "a dead run", "handed to nobody", "one that waits for a person"])
def test_of_many_that_want_it_one_has_it(tmp_path: Path, before: str) -> None:
    if before == "a dead run":
        elsewhere(tmp_path)
    elif before == "handed to nobody":
        elsewhere(tmp_path, began=None, handed_until=mono() - 1)
    elif before != "nothing":
        lock.take(str(tmp_path), "r9.lain", "staf@loket")
        lock.release(str(tmp_path), waits=True)
    answers = contend(tmp_path, 6)
    assert answers.count("mine") == 1, answers
    winner = f"r{answers.index('mine')}"
    assert all(answer in ("mine", f"held by {winner}") for answer in answers)


def test_others_are_told_who_since_when_and_for_how_long(tmp_path: Path) -> None:
    lock.take(str(tmp_path), "r1.salam", "ani@pusat", host="pc1", lasts_s=600)
    told = lock.told(lock.read(str(tmp_path)))
    assert (told["run"], told["owner"], told["host"], told["why"]) == ("r1.salam", "ani@pusat", "pc1", "work")
    assert 0 <= told["since_s"] < 60
    assert 540 < told["left_s"] <= 600
    lock.release(str(tmp_path))
    assert lock.told(lock.read(str(tmp_path))) == {}


def test_a_run_that_goes_on_has_held_since_it_began(tmp_path: Path) -> None:
    lock.take(str(tmp_path), "r1", "ani@pusat")
    since = lock.read(str(tmp_path))["since"]
    with lock.changing(str(tmp_path)) as holder:
        holder.update(pid=2**22 + 1, since="2026-11-22T03:00:00.000Z")
    lock.take(str(tmp_path), "r1", "ani@pusat")
    assert lock.read(str(tmp_path))["since"] == "2026-11-22T03:00:00.000Z" != since


def test_one_process_leaves_it_to_the_next_of_its_run(tmp_path: Path) -> None:
    elsewhere(tmp_path, began=None, handed_until=mono() + 30)
    with pytest.raises(lock.Held) as caught:
        lock.take(str(tmp_path), "r1", "ani@pusat")
    assert lock.told(caught.value.holder)["owner"] == "staf@loket"
    assert lock.is_at_work(str(tmp_path), "r9.lain")
    lock.take(str(tmp_path), "r9.lain", "staf@loket")
    assert not lock.is_at_work(str(tmp_path), "r9.lain"), "it is we who are"


@pytest.mark.parametrize("jump_s", [-86400 * 400, 86400 * 400])
def test_the_clock_may_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float) -> None:
    elsewhere(tmp_path, began=None, handed_until=mono() + 30)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    told = lock.told(lock.read(str(tmp_path)))
    assert 540 < told["left_s"] <= 600
    assert told["since_s"] < 60


@pytest.mark.parametrize(("goes_on", "up_s", "left_s"), [(True, 20.0, 580.0), (True, 700.0, None), (False, 20.0, None)])
def test_a_run_that_goes_on_at_boot_finds_its_computer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goes_on: bool, up_s: float, left_s: float | None
) -> None:
    """The plug was pulled in the middle of it: nobody begins there before it is back, or has had the time to be."""
    elsewhere(tmp_path, returns=goes_on)
    monkeypatch.setattr(lock, "boot_id", lambda: "the next boot")
    monkeypatch.setattr(lock, "mono", lambda: up_s)
    told = lock.told(lock.read(str(tmp_path)))
    if left_s is None:
        assert told == {}
    else:
        assert (told["why"], told["left_s"], told["since_s"]) == ("reboot", left_s, None)
        with pytest.raises(lock.Held):
            lock.take(str(tmp_path), "r1", "ani@pusat")
    assert not lock.is_at_work(str(tmp_path), "r9.lain"), "whoever asks for it may go on with it"
    lock.take(str(tmp_path), "r9.lain", "staf@loket")


def test_a_run_that_waits_for_a_person_is_known_and_keeps_nobody_away(tmp_path: Path) -> None:
    root = str(tmp_path)
    (tmp_path / "runs" / "r9.lain").mkdir(parents=True)
    lock.take(root, "r9.lain", "staf@loket", host="pc9")
    lock.release(root, waits=True, waits_s=3600)
    told = lock.known(root)
    assert (told["run"], told["owner"], told["host"], told["why"]) == ("r9.lain", "staf@loket", "pc9", "decision")
    assert 3500 < told["left_s"] <= 3600
    assert lock.read(root) == {}
    lock.take(root, "r1", "ani@pusat")
    assert lock.known(root)["run"] == "r1"
    lock.release(root)
    assert lock.known(root)["run"] == "r9.lain"
    lock.take(root, "r9.lain", "staf@loket")
    assert lock.read(root)["since"] == told["since"]
    lock.release(root)
    assert lock.known(root) == {}


def test_a_number_that_we_were_given_anew_is_not_ours(tmp_path: Path) -> None:
    elsewhere(tmp_path, pid=os.getpid(), began=None, handed_until=mono() + 30)
    with pytest.raises(lock.Held):
        lock.take(str(tmp_path), "r1", "ani@pusat")
    lock.release(str(tmp_path))
    assert lock.read(str(tmp_path))["run"] == "r9.lain"


def test_it_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full nothing new can be had; what a failed write leaves is the holder as before."""
    lock.take(str(tmp_path), "r1", "ani@pusat")
    file = tmp_path / "lock"
    node, size_bytes = file.stat().st_ino, file.stat().st_size

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lock.os, "posix_fallocate", full)
    lock.hand_over(str(tmp_path))
    lock.take(str(tmp_path), "r1", "ani@pusat", host="pc1", lasts_s=60)
    assert (file.stat().st_ino, file.stat().st_size) == (node, size_bytes)
    monkeypatch.setattr(lock.os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        lock.release(str(tmp_path))
    assert lock.read(str(tmp_path))["run"] == "r1"


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b'{"run": "r9.la', b"[]", b"7", b"\xff\xfe"])
def test_what_is_no_holder_holds_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lock").write_bytes(content)
    assert lock.read(str(tmp_path)) == {}
    lock.take(str(tmp_path), "r1", "ani@pusat")
    assert json.loads((tmp_path / "lock").read_bytes())["run"] == "r1"


def test_a_run_that_was_removed_waits_no_more(tmp_path: Path) -> None:
    lock.take(str(tmp_path), "r9.lain", "staf@loket")
    lock.release(str(tmp_path), waits=True)
    assert lock.known(str(tmp_path)) == {}
