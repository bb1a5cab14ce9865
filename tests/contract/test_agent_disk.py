"""The real agent on a disk that fills up, really, at each of its records: a true end every time, nothing half-done."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import asleep, lock, reserve
from agent.host import this_host
from controller.errors import AgentFault
from tests.contract.agents import DIGEST, PAYLOAD, Computer, Talk
from tests.contract.test_agent_contact import fill, small
from tests.lab.space import wait_until

__all__ = ["small"]
POINTS = [
    *("agent_started#1", "step_ended#1", "detected#1", "detached#1", "agent_started#2", "snapshot#1", "intent#1"),
    *("effect#1", "effect#2", "step_ended#2", "probe#1", "snapshot#2", "run_ended#1"),
]
"""The first word of each life, what is before and after everything that needs room, and the last word."""
UNTOUCHED = POINTS.index("detached#1")


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    """What is installed lies on the small disk too."""
    made = Computer(tmp_path)
    made.target = made.root / "terpasang" / "isi.txt"
    return made


def plan(computer: Computer, **changes: Any) -> dict[str, Any]:
    made = computer.plan(**changes)
    path = str(computer.target)
    made["variants"][0]["install"].append({"kind": "file", "path": path + ".2", "content": "halo", "state": "present"})
    return made


def install(computer: Computer, name: str, **job: Any) -> Talk:
    """To the end, over as many lines as it takes."""
    talk = computer.talk(id=name, plan=plan(computer), **job)
    told = talk.records
    for _ in range(3):
        if talk.error is None or isinstance(talk.error, AgentFault):
            break
        talk = computer.talk(id=name, plan=plan(computer), **{**job, "from": len(told)})
        told += talk.records
    talk.frames = told
    return talk


@contextmanager
def greedy(path: Path) -> Iterator[None]:
    """A program that takes all the room there is, and whatever becomes free, for as long as the block lasts."""
    enough = threading.Event()
    is_full = threading.Event()

    def take() -> None:
        with path.open("ab", buffering=0) as file:
            size_bytes = 1024 * 1024
            while not enough.is_set():
                try:
                    file.write(b"x" * size_bytes)
                except OSError:
                    if size_bytes == 1:
                        is_full.set()
                        enough.wait(0.001)
                    size_bytes = max(1, size_bytes // 16)
                else:
                    size_bytes = min(65536, size_bytes * 16) if is_full.is_set() else size_bytes

    taking = threading.Thread(target=take)
    taking.start()
    assert is_full.wait(30)
    try:
        yield
    finally:
        enough.set()
        taking.join()
        path.unlink()


def arm(computer: Computer, point: str) -> Path:
    armed = {"point": f"agent:{point}:before", "do": "hold", "within_s": 60}
    (computer.root / "fault.json").write_text(json.dumps(armed))
    return computer.root / "fault.reached"


def test_the_points_are_those_of_a_run(small: Computer) -> None:
    counts: dict[str, int] = {}
    names = []
    for record in install(small, "r1.salam").records:
        counts[record["type"]] = counts.get(record["type"], 0) + 1
        names.append(f"{record['type']}#{counts[record['type']]}")
    assert [name for name in names if name in POINTS] == POINTS
    assert not (small.root / "runs" / "r1.salam" / "reserve").exists(), "it has ended: it is needed no longer"


@pytest.mark.parametrize("point", POINTS)
def test_a_disk_that_is_full_from_a_record_on(small: Computer, point: str) -> None:
    small.facts()
    reached = arm(small, point)
    talks: list[Talk] = []
    at_work = threading.Thread(target=lambda: talks.append(install(small, "r1.salam")))
    at_work.start()
    wait_until(reached.exists, timeout_s=60, what=point)
    with greedy(small.root / "penuh"):
        reached.unlink()
        at_work.join(timeout=90)
    (talk,) = talks
    is_untouched = POINTS.index(point) < UNTOUCHED
    if talk.error is not None:
        assert isinstance(talk.error, AgentFault)
        assert talk.error.outcome == "not_eligible", talk.error
        assert "No space left" in talk.error.say("en")
        assert is_untouched, "what has been changed has its end in its own journal"
    else:
        end = talk.end
        assert end["type"] == "run_ended"
        assert end["outcome"] in ("installed", "rolled_back"), end
        if end["outcome"] == "rolled_back":
            assert end["rollback"]["verdict"] == "clean"
            assert re.search("No space left|disk is full", end["reason"]["en"])
    assert small.target.exists() is (talk.error is None and talk.end["outcome"] == "installed")
    assert lock.read(str(small.root)) == {}
    assert install(small, "r2.salam").end["outcome"] in ("installed", "already_installed")
    assert small.target.read_bytes() == PAYLOAD


def test_what_is_kept_aside_is_real(small: Computer) -> None:
    folder = str(small.root)
    reserve.keep(folder)
    blocks = os.stat(reserve.path_of(folder)).st_blocks * 512
    assert blocks >= reserve.SIZE_BYTES
    ballast = fill(small.root, leave_bytes=0)
    grown = small.root / "tumbuh"
    parts = 0
    while reserve.give_up(folder):
        with grown.open("ab", buffering=0) as file:
            assert file.write(b"x" * reserve.PART_BYTES) == reserve.PART_BYTES
        parts += 1
    assert parts == reserve.SIZE_BYTES // reserve.PART_BYTES
    ballast.unlink()
    grown.unlink()
    reserve.let_go(folder)
    assert not reserve.give_up(folder)


def test_what_an_earlier_process_left_of_it_stays_where_there_is_no_more(small: Computer) -> None:
    folder = str(small.root)
    reserve.keep(folder)
    ballast = fill(small.root, leave_bytes=0)
    assert reserve.give_up(folder)
    with (small.root / "tumbuh").open("ab", buffering=0) as file:
        file.write(b"x" * reserve.PART_BYTES)
    left_bytes = os.stat(reserve.path_of(folder)).st_blocks * 512
    assert 0 < left_bytes < reserve.SIZE_BYTES
    with pytest.raises(OSError, match="No space left"):
        reserve.keep(folder)
    assert os.stat(reserve.path_of(folder)).st_blocks * 512 == left_bytes
    ballast.unlink()
    reserve.keep(folder)
    assert os.stat(reserve.path_of(folder)).st_blocks * 512 >= reserve.SIZE_BYTES


def test_no_room_to_keep_any_aside_is_no_beginning(small: Computer) -> None:
    small.facts()
    (small.root / "blobs" / DIGEST).write_bytes(PAYLOAD)
    fill(small.root, leave_bytes=200_000)
    end = install(small, "r1.salam").end
    assert (end["outcome"], end["step"]) == ("rolled_back", 5)
    assert "No space left" in end["reason"]["en"]
    assert not small.target.exists()


def test_the_lock_is_changed_on_a_full_disk(small: Computer) -> None:
    root = str(small.root)
    (small.root / "runs" / "r1").mkdir(parents=True)
    lock.take(root, "r1", "ani@pusat")
    fill(small.root, leave_bytes=0)
    lock.hand_over(root)
    assert lock.is_at_work(root, "r1")
    lock.take(root, "r1", "ani@pusat", host="a-longer-name" * 20)
    lock.release(root, waits=True)
    assert lock.known(root)["why"] == "decision"


def test_a_run_sleeps_on_a_full_disk_until_its_hour(small: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small.root / "runs" / "r1"
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text("{}")
    fill(small.root, leave_bytes=0)
    answers = iter([False, False, True])
    monkeypatch.setattr(asleep, "is_open", lambda window: next(answers))
    monkeypatch.setattr(asleep, "LOOK_S", 0.01)
    record = {"type": "waiting", "outcome": "awaiting_reboot", "window": {"from": "18:00", "to": "06:00"}}
    assert asleep.until_due(str(folder), this_host(str(small.root)), record)
    assert not asleep.is_there(str(folder))
    assert next(answers, None) is None, "it has looked until it was time"
