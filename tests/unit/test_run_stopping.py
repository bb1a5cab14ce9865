"""Stopping a run: who is told, what is recorded, and how a computer is left that has ended or cannot be reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.protocol import encode
from controller.errors import InputError, Unreachable
from controller.form.project import project
from controller.run import stopping
from controller.run.opening import RunResult, owner
from controller.run.recovery import resume
from controller.run.stopping import stop
from controller.run.work import exit_code
from controller.text import Text
from controller.transport.memory import End, Refuse, Say
from tests.unit.fleet import Computer, Office, fault, journal, lose, outcomes, record, tell

OFF = Refuse(Unreachable(Text("tidak menjawab", "no answer")))
NO_RUN = fault("no_run", {"id": "tidak ada pekerjaan ini", "en": "this run is not on the computer"})
REASON = {"id": f"dihentikan oleh {owner()}", "en": f"stopped by {owner()}"}
CLEAN = {"verdict": "clean", "residue": [], "restored": None}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def order(office: Office, run: str, *, limit: str = "all") -> RunResult:
    fleet = office.inventory()
    return stop(
        office.settings,
        fleet,
        office.watch,
        office.leave,
        run=run,
        hosts=fleet.select(limit),
        options=office.options,
        patience=office.patience,
    )


def halted(told: list[Any], step: int) -> list[Any]:
    """A journal that was told so far, and then somebody stopped the run."""
    number = len(told) + 1
    heeded = record(number, "stopped", step=step, by=owner(), asked_at=told[0]["at"], evidence={})
    ended = {"outcome": "rolled_back", "step": step, "reason": REASON, "rollback": CLEAN, "seconds": 1.0}
    return [*told, heeded, record(number + 1, "run_ended", cpu_seconds=0.1, **ended)]


def left_running(office: Office, **computers: Computer) -> str:
    """A run whose line broke for good on every computer after six records."""
    told = journal()
    office.computers = {name: Computer(lose(told, 6), OFF) for name in computers}
    result = office.run()
    assert set(outcomes(result).values()) == {"running"}
    office.computers = computers
    return result.run


def test_a_computer_at_work_is_told_and_followed_to_its_end(office: Office) -> None:
    run = left_running(office, pc=Computer(tell(halted(journal(None)[:6], 5))))
    result = order(office, run)
    assert result.run == run
    assert outcomes(result) == {"pc": "rolled_back"}
    assert exit_code(result.results) == 0, "it was asked to stop, and has"
    (job,) = office.computers["pc"].jobs
    assert (job["do"], job["plan"], job["from"]) == ("stop", None, 6)
    (asked,) = office.watch.of("stop_asked")
    assert job["stop"] == {"by": owner(), "at": asked["at"]}
    with office.store() as store:
        (row,) = store.forms()
        assert row.state == "rolled_back"
        form = project(store.events(form=row.number))
    assert form.stop is not None
    assert (form.stop.by, form.stop.at, form.stop.step) == (owner(), asked["at"], 5)
    again = order(office, run)
    assert len(office.computers["pc"].jobs) == 1, "there is nothing left to ask"
    ((_, found),) = again.results
    assert found.had_ended
    assert found.reason == {
        "id": "sudah selesai sebelum diminta berhenti",
        "en": "it had ended before it was asked to stop",
    }
    assert exit_code(again.results) == 0
    with office.store() as store:
        assert len([event for event in store.events(run=run) if event["type"] == "stop_asked"]) == 1


def test_only_those_selected_and_those_still_at_work(office: Office) -> None:
    office.computers = {"a": Computer(tell(journal())), "b": Computer(lose(journal(), 6), OFF)}
    office.computers["c"] = Computer(lose(journal(), 6), OFF)
    run = office.run().run
    office.computers = {name: Computer(tell(halted(journal(None)[:6], 5))) for name in "abc"}
    result = order(office, run, limit="a:b")
    assert outcomes(result) == {"b": "rolled_back", "a": "installed"}
    assert {name: len(computer.jobs) for name, computer in office.computers.items()} == {"a": 0, "b": 1, "c": 0}
    assert exit_code(result.results) == 0
    with office.store() as store:
        assert {row.host for row in store.open_forms(run)} == {"c"}


def test_one_that_ends_while_the_order_is_on_its_way_is_answered_for(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another controller follows the same run, and reads its end just before ours sets out."""
    run = left_running(office, a=Computer(tell(journal())), b=Computer(tell(halted(journal(None)[:6], 5))))

    def outrun(*args: Any, **words: Any) -> list[RunResult]:
        office.resume(run, limit="a")
        return resume(*args, **words)

    monkeypatch.setattr(stopping, "resume", outrun)
    result = order(office, run)
    assert outcomes(result) == {"a": "installed", "b": "rolled_back"}
    assert {work.host.name: found.had_ended for work, found in result.results} == {"a": True, "b": False}


def test_one_that_ends_well_all_the_same_is_not_as_asked(office: Office) -> None:
    run = left_running(office, pc=Computer(tell(journal())))
    result = order(office, run)
    assert outcomes(result) == {"pc": "installed"}
    assert exit_code(result.results) == 1


@pytest.mark.parametrize("end", [{"verdict": "residue", "residue": []}, None])
def test_one_that_did_not_come_back_clean_is_not_as_asked(office: Office, end: Any) -> None:
    told = halted(journal(None)[:6], 5)
    told[-1]["rollback"] = end
    run = left_running(office, pc=Computer(tell(told)))
    assert exit_code(order(office, run).results) == 1


def test_one_that_cannot_be_reached_is_told_by_the_next_who_gets_there(office: Office) -> None:
    run = left_running(office, pc=Computer(OFF))
    result = order(office, run)
    assert outcomes(result) == {"pc": "running"}
    assert exit_code(result.results) == 1
    office.computers = {"pc": Computer(tell(halted(journal(None)[:6], 5)))}
    (later,) = office.resume()
    assert office.computers["pc"].jobs[0]["do"] == "stop"
    assert office.computers["pc"].jobs[0]["stop"]["by"] == owner()
    assert outcomes(later) == {"pc": "rolled_back"}
    assert exit_code(later.results) == 0


def test_one_that_waits_for_a_decision(office: Office) -> None:
    waiting = [*journal(None), record(len(journal(None)) + 1, "waiting", outcome="awaiting_decision", step=9)]
    office.computers = {"pc": Computer(tell(waiting))}
    run = office.run().run
    office.computers = {"pc": Computer(tell(halted(waiting, 9)))}
    result = order(office, run)
    assert outcomes(result) == {"pc": "rolled_back"}
    assert exit_code(result.results) == 0


def test_one_that_never_got_the_plan(office: Office) -> None:
    office.computers = {"pc": Computer(NO_RUN)}
    office.leave.set()
    run = office.run().run
    office.leave.clear()
    result = order(office, run)
    ((_, found),) = result.results
    assert found.outcome == "not_started"
    assert found.reason is not None
    assert found.reason["en"] == f"stopped by {owner()} before it began"
    assert exit_code(result.results) == 0
    assert office.resume() == [], "and nobody begins it later"


def test_an_install_under_way_does_not_begin_what_was_stopped_before_its_turn(office: Office) -> None:
    def install(job: dict[str, Any]) -> Any:
        with office.store() as store:
            for row in store.open_forms(job["plan"]["run"]):
                if row.host == "b":
                    store.append([store.record("stop_asked", run=row.run, host="b", form=row.number, by="ani")])
        for frame in journal():
            yield Say(encode(frame))
        yield Say(encode({"answer": "end"}))
        yield End(0)

    office.computers = {"a": Computer(install), "b": Computer(tell(journal()))}
    result = office.run(forks=1)
    assert outcomes(result) == {"a": "installed", "b": "not_started"}
    assert office.computers["b"].jobs == []
    assert office.watch.results["b/kilat"].reason["id"] == "dihentikan oleh ani sebelum dimulai"
    with office.store() as store:
        assert store.open_forms() == []


def test_what_makes_no_sense_is_said(office: Office) -> None:
    office.computers = {"a": Computer(tell(journal())), "b": Computer(tell(journal()))}
    with pytest.raises(InputError, match="there is no run tidak-ada"):
        order(office, "tidak-ada")
    fleet = office.inventory(["a"])
    office.computers = {"a": office.computers["a"]}
    run = office.run().run
    assert fleet.names
    office.computers["b"] = Computer(tell(journal()))
    with pytest.raises(InputError, match="is not about these computers"):
        order(office, run, limit="b")
