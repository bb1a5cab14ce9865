"""Leases on SQLite and on a real PostgreSQL: of many that want a computer one has it, whatever dies or jumps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from controller.records import Lease, Leases, Store
from controller.records import leases as module

PC = "pc1 ssh://192.0.2.1:22"
CONTENDER = """
import sys
from controller.records import Store
with Store(sys.argv[1]) as store:
    leases = store.leases(sys.argv[2])
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(sys.argv[3])):
        other = leases.take(f"pc{number}", host="pc", run=sys.argv[2])
        print("mine" if other is None else other.owner, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store(url) as opened:
        yield opened


def change(store: Store, sql: str, *values: object) -> None:
    """The table, past the product."""
    with store._database.transaction() as transaction:
        transaction.execute(f"UPDATE lease SET {sql}", values)


class Contender:
    """A controller in a process of its own."""

    def __init__(self, url: str, name: str, *, computers: int = 1) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CONTENDER, url, name, str(computers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def answers(self, count: int = 1) -> list[str]:
        return [self._line() for _ in range(count)]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=60)

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.mark.parametrize("before", ["free", "expired", "left by a process that was killed"])
def test_of_many_controllers_one_wins(url: str, store: Store, before: str) -> None:
    count, computers = 5, 12
    with ExitStack() as stack:
        if before != "free":
            dead = Contender(url, "mati@pusat", computers=computers)
            dead.begin()
            assert dead.answers(computers) == ["mine"] * computers
            if before == "expired":
                change(store, "expires = since, process = 'another computer of an hour ago 1'")
            dead.close()
        contenders = [Contender(url, f"c{n}@pusat", computers=computers) for n in range(count)]
        for contender in contenders:
            stack.callback(contender.close)
            contender.begin()
        told = list(zip(*(contender.answers(computers) for contender in contenders), strict=True))
    for answers in told:
        assert answers.count("mine") == 1, answers
        winner = f"c{answers.index('mine')}@pusat"
        assert set(answers) == {"mine", winner}


def taken(leases: Leases, **changes: Any) -> Lease | None:
    return leases.take(PC, **{"host": "pc1", "run": "r1.nginx", **changes})


def test_the_second_is_told_who_since_when_and_for_how_long(store: Store) -> None:
    one, two = store.leases("petugas@pusat"), store.leases("staf@loket")
    assert taken(one, lasts_s=600.0) is None
    other = taken(two, run="r2.nginx")
    assert other is not None
    assert (other.owner, other.run, other.host) == ("petugas@pusat", "r1.nginx", "pc1")
    assert 0 <= other.since_s < 30
    assert other.left_s is not None
    assert 570 < other.left_s <= 600
    assert 30 < other.expires_s <= module.TTL_S
    one.give_back(PC, host="pc1")
    assert taken(two, run="r2.nginx") is None


def test_nobody_knows_for_how_long(store: Store) -> None:
    assert taken(store.leases("petugas@pusat")) is None
    other = taken(store.leases("staf@loket"))
    assert other is not None
    assert other.left_s is None


def test_taken_again_it_is_the_same_lease_and_another_work_begins_anew(store: Store) -> None:
    one, two = store.leases("petugas@pusat"), store.leases("staf@loket")
    taken(one)
    change(store, "since = since - 100000")
    assert taken(one) is None
    other = taken(two)
    assert other is not None
    assert other.since_s >= 100
    assert taken(one, run="r1.arsip") is None
    other = taken(two)
    assert other is not None
    assert (other.since_s < 60, other.run) == (True, "r1.arsip")


def test_under_another_name_it_is_somebody_elses_also_if_that_is_we(store: Store) -> None:
    one = store.leases("petugas@pusat")
    assert taken(one) is None
    other = taken(one, host="192.0.2.1")
    assert other is not None
    assert (other.owner, other.host) == ("petugas@pusat", "pc1")
    one.give_back(PC, host="192.0.2.1")
    assert taken(store.leases("staf@loket")) is not None, "what is not ours is not given back"


def test_renewed_it_holds_and_what_was_lost_stays_lost(store: Store) -> None:
    one, two = store.leases("petugas@pusat"), store.leases("staf@loket")
    taken(one)
    change(store, "expires = expires - 50000")
    one.renew()
    other = taken(two)
    assert other is not None
    assert other.expires_s > 30
    change(store, "expires = since, process = ''")
    assert taken(two) is None, "its controller stood still for too long"
    one.renew()
    other = taken(one)
    assert other is not None
    assert other.owner == "staf@loket"
    one.give_back(PC, host="pc1")
    one.give_back_all()
    assert taken(one) is not None
    two.give_back_all()
    assert taken(one) is None


@pytest.mark.parametrize(("seconds", "is_void"), [(-1, True), (0, True), (30, False), (3600, True)])
def test_a_database_whose_clock_jumps_blocks_nobody_for_long(store: Store, seconds: int, is_void: bool) -> None:
    """Set on, all leases are void; set back, those that would last for hours. The computers have their own lock."""
    taken(store.leases("petugas@pusat"))
    change(store, "expires = since + ?, process = ''", seconds * 1000)
    assert (taken(store.leases("staf@loket")) is None) is is_void


@pytest.mark.parametrize("skew_s", [-86400.0, 86400.0])
def test_the_clocks_of_controllers_do_not_matter(store: Store, monkeypatch: pytest.MonkeyPatch, skew_s: float) -> None:
    one, two = store.leases("petugas@pusat"), store.leases("staf@loket")
    taken(one, lasts_s=600.0)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + skew_s)
    other = taken(two)
    assert other is not None
    assert other.since_s < 30
    assert other.left_s is not None
    assert other.left_s > 570
    two.renew()
    one.renew()
    assert taken(one) is None


def test_a_controller_killed_here_is_not_waited_for(url: str, store: Store) -> None:
    dead = Contender(url, "mati@pusat")
    dead.begin()
    assert dead.answers() == ["mine"]
    two = store.leases("staf@loket")
    other = two.take("pc0", host="pc", run="r")
    assert other is not None
    assert other.owner == "mati@pusat"
    dead.process.send_signal(signal.SIGSTOP)
    assert two.take("pc0", host="pc", run="r") is not None, "it lives"
    dead.process.kill()  # nobody has taken note of its end yet: it is a zombie
    deadline = time.monotonic() + 20
    while two.take("pc0", host="pc", run="r") is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert two.take("pc0", host="pc", run="r") is None
    dead.close()


@pytest.mark.parametrize("part", range(4))
def test_of_a_controller_elsewhere_nobody_knows_whether_it_lives(part: int) -> None:
    """Another boot, another space of processes: the same number means nothing."""
    words = module.this_process().split()
    gone = subprocess.Popen(["true"])
    gone.wait()
    words[2] = str(gone.pid)
    assert module.is_gone(" ".join(words))
    words[2] = str(os.getpid())
    words[part] = "0"
    assert module.is_gone(" ".join(words)) is (part >= 2)
    assert not module.is_gone("")
    assert not module.is_gone(module.this_process())
