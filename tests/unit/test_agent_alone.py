"""Alone for too long: counted by the boot clock alone, and decided as the playbook says, wherever the agent dies."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent import alone, asleep
from agent.alone import Alone, heard
from tests.unit.test_agent_procedure import Dead, fakes, item, plan
from tests.unit.test_agent_reboot import Machine, go, lives, world

__all__ = ["fakes", "world"]

HOUR = 3600.0
KEEP = {"after_s": 8 * HOUR, "then": "keep_proved"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir()
    return made


def asked(**sections: Any) -> dict[str, Any]:
    """A plan whose configuration a person decides."""
    return plan(configure={"decision": "ask", "attempts": 1, "actions": [item("d")]}, **sections)


def left(folder: Path, machine: Machine, world: SimpleNamespace, seconds: float) -> None:
    """A controller was there; then nobody for so long."""
    heard(str(folder), machine.boot_id())
    world.mono += seconds


def test_the_count(folder: Path, world: SimpleNamespace) -> None:
    heard(str(folder), "a")
    count = Alone(str(folder), "a")
    world.mono += 100
    assert count.seconds() == 100
    heard(str(folder), "a")
    assert count.seconds() == 0
    world.mono += 7
    assert count.seconds() == 7


def test_no_change_of_the_time_moves_it(folder: Path, world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    heard(str(folder), "a")
    count = Alone(str(folder), "a")
    world.mono += 60
    for jump_s in (10 * 86400, -10 * 86400):
        monkeypatch.setattr(time, "time", lambda jump_s=jump_s: 1e9 + jump_s)  # type: ignore[misc]
        assert count.seconds() == 60
        count.keep()
        assert Alone(str(folder), "a").seconds() == 60


@pytest.mark.parametrize("clock_after_boot", [3.0, 500_000.0])
def test_what_was_waited_before_a_boot_counts_and_the_time_off_does_not(
    folder: Path, world: SimpleNamespace, clock_after_boot: float
) -> None:
    """The boot clock begins anew; in a container it runs on."""
    heard(str(folder), "a")
    count = Alone(str(folder), "a")
    world.mono += 5 * HOUR
    count.keep()
    world.mono = clock_after_boot
    count = Alone(str(folder), "b")
    assert count.seconds() == 5 * HOUR
    world.mono += 2 * HOUR
    assert count.seconds() == 7 * HOUR
    count.keep()
    world.mono = 0.0
    assert Alone(str(folder), "c").seconds() == 7 * HOUR
    heard(str(folder), "c")
    assert Alone(str(folder), "c").seconds() == 0


def test_a_boot_clock_that_goes_back_takes_nothing_away(folder: Path, world: SimpleNamespace) -> None:
    heard(str(folder), "a")
    count = Alone(str(folder), "a")
    world.mono += 50
    count.seconds()
    world.mono -= 40
    assert count.seconds() == 50


@pytest.mark.parametrize("content", ["", "{", '{"boots": {}}'])
def test_damaged_files_begin_the_count_anew(folder: Path, world: SimpleNamespace, content: str) -> None:
    (folder / alone.CONTACT).write_text("")
    (folder / alone.ALONE).write_text(content)
    count = Alone(str(folder), "a")
    assert count.seconds() == 0
    world.mono += 9
    assert count.seconds() == 9


def test_it_sleeps_until_the_time_is_over_and_keeps_the_count(folder: Path, world: SimpleNamespace) -> None:
    machine, work = Machine(folder), asked(alone=KEEP)
    (folder / "plan.json").write_text(json.dumps(work))
    last = lives(machine, work, folder)[-1]
    left(folder, machine, world, 0)
    began = world.mono
    assert asleep.until_due(str(folder), machine, last)  # type: ignore[arg-type]
    assert 8 * HOUR <= world.mono - began < 8 * HOUR + 60
    kept = json.loads((folder / alone.ALONE).read_text())["boots"]["boot-1"]
    assert kept[1] - kept[0] >= 8 * HOUR
    assert not (folder / asleep.MARK).exists()


def test_a_decision_wakes_it(folder: Path, world: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, work = Machine(folder), asked(alone=KEEP)
    path = folder / "plan.json"
    path.write_text(json.dumps(work))
    last = lives(machine, work, folder)[-1]
    left(folder, machine, world, 0)
    began, sleep = world.mono, asleep.time.sleep

    def decide_later(seconds: float) -> None:
        sleep(seconds)
        assert asleep.is_there(str(folder)), "a contact must see that somebody will go on"
        if world.mono - began > HOUR:
            path.write_text(json.dumps({**work, "decision": {"configure": True}}))

    monkeypatch.setattr(asleep.time, "sleep", decide_later)
    monkeypatch.setattr(asleep.lock, "boot_id", machine.boot_id)
    assert asleep.until_due(str(folder), machine, last)  # type: ignore[arg-type]
    assert world.mono - began < 2 * HOUR


@pytest.mark.parametrize("policy", [None, {"after_s": 1, "then": "wait"}])
def test_nobody_sleeps_over_what_only_a_person_ends(folder: Path, policy: Any) -> None:
    machine, work = Machine(folder), asked(alone=policy)
    (folder / "plan.json").write_text(json.dumps(work))
    last = lives(machine, work, folder)[-1]
    assert not asleep.until_due(str(folder), machine, last)  # type: ignore[arg-type]


def test_what_is_proved_is_kept(folder: Path, world: SimpleNamespace) -> None:
    machine, work = Machine(folder), asked(alone=KEEP)
    last = lives(machine, work, folder)[-1]
    assert (last["type"], last["outcome"], last["alone"]) == ("waiting", "awaiting_decision", KEEP)
    left(folder, machine, world, 8 * HOUR - 1)
    assert lives(machine, work, folder)[-1]["type"] == "waiting"
    world.mono += 1
    records = lives(machine, work, folder)
    assert records[-1]["outcome"] == "installed"
    decision = [r for r in records if r["type"] == "decision"][-1]
    assert (decision["by"], decision["keep"], decision["configure"]) == ("agent", True, False)
    assert "8 jam" in decision["reason"]["id"]
    assert [r["verdict"] for r in records if r["type"] == "probe" and r["step"] == 9] == ["passed"]
    assert machine.state == {"a": "1", "b": "1", "c": "1"}


def test_what_does_not_pass_any_more_is_taken_back(folder: Path, world: SimpleNamespace) -> None:
    machine, work = Machine(folder), asked(alone=KEEP)
    lives(machine, work, folder)
    machine.state["a"] = "0"
    left(folder, machine, world, 8 * HOUR)
    records = lives(machine, work, folder)
    assert (records[-1]["outcome"], records[-1]["step"]) == ("rolled_back", 9)
    assert "tidak lulus lagi" in records[-1]["reason"]["id"]
    assert machine.state == {}


def test_the_playbook_may_want_it_taken_back(folder: Path, world: SimpleNamespace) -> None:
    machine, work = Machine(folder), asked(alone={**KEEP, "then": "take_back"})
    lives(machine, work, folder)
    left(folder, machine, world, 8 * HOUR)
    records = lives(machine, work, folder)
    assert (records[-1]["outcome"], records[-1]["rollback"]["verdict"]) == ("rolled_back", "clean")
    assert [r.get("keep") for r in records if r["type"] == "decision"] == [None, False]


def test_a_person_who_decides_at_last_counts_more(folder: Path, world: SimpleNamespace) -> None:
    machine, work = Machine(folder), asked(alone=KEEP)
    lives(machine, work, folder)
    left(folder, machine, world, 99 * HOUR)
    decided = {"configure": True, "by": "staf", "reason": {"id": "perlu", "en": "needed"}}
    records = lives(machine, {**work, "decision": decided}, folder)
    assert (records[-1]["outcome"], machine.state["d"]) == ("installed", "1")


def test_a_reboot_that_nobody_does_is_not_waited_for_for_ever(folder: Path, world: SimpleNamespace) -> None:
    world.is_possible = False
    machine, work = Machine(folder), plan(reboot="always", alone=KEEP)
    last = lives(machine, work, folder)[-1]
    assert (last["outcome"], last["alone"]) == ("needs_person", KEEP)
    assert asleep.is_attended(last)
    left(folder, machine, world, 8 * HOUR)
    assert not asleep.is_waiting(str(folder), last, work, machine, count=Alone(str(folder), machine.boot_id()))  # type: ignore[arg-type]
    records = lives(machine, work, folder)
    assert (records[-1]["outcome"], records[-1]["rollback"]["verdict"]) == ("rolled_back", "clean")
    decision = [r for r in records if r["type"] == "decision"][-1]
    assert (decision["step"], decision["by"], decision["keep"]) == (5, "agent", False)
    assert machine.state == {}


def test_the_hour_to_reboot_is_waited_for_however_long_nobody_asks(folder: Path, world: SimpleNamespace) -> None:
    work = plan(reboot="always", reboot_window={"from": "18:00", "to": "06:00"}, alone={**KEEP, "after_s": 60})
    machine = Machine(folder)
    last = lives(machine, work, folder)[-1]
    left(folder, machine, world, 4 * HOUR)
    count = Alone(str(folder), machine.boot_id())
    assert asleep.is_waiting(str(folder), last, work, machine, count=count)  # type: ignore[arg-type]
    assert lives(machine, work, folder)[-1]["outcome"] == "awaiting_reboot"


@pytest.mark.parametrize("case", ["keep", "broken", "take_back"])
def test_death_at_every_record_of_the_decision(tmp_path: Path, world: SimpleNamespace, case: str) -> None:
    work = asked(alone={**KEEP, "then": "take_back" if case == "take_back" else "keep_proved"})
    die_after = deaths = 0
    while True:
        die_after += 1
        folder = tmp_path / f"{die_after}"
        machine = Machine(folder)
        lives(machine, work, folder)
        if case == "broken":
            machine.state["a"] = "0"
        left(folder, machine, world, 8 * HOUR)
        try:
            go(machine, work, folder, die_after=die_after)
        except Dead:
            deaths += 1
            records = lives(machine, work, folder)
        else:
            break
        last = records[-1]
        assert last["outcome"] == ("installed" if case == "keep" else "rolled_back"), (die_after, last)
        assert machine.state == ({"a": "1", "b": "1", "c": "1"} if case == "keep" else {})
        assert sum(r["type"] == "run_ended" for r in records) == 1
        ended = [(r["step"], r["visit"]) for r in records if r["type"] == "step_ended"]
        assert len(ended) == len(set(ended)), die_after
        began = {(r["step"], r["visit"]) for r in records if r["type"] == "step_started"}
        assert began == set(ended), "no step stays open"
    assert deaths >= 5
