"""Going on with what was left open: each form ends as its computer did, and what cannot go on says why."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.protocol import OUTCOMES, encode
from controller.errors import AccessRefused, InputError, Unreachable
from controller.form import sign, wording
from controller.form.project import project
from controller.records import OPEN_OUTCOMES, Store, from_agent
from controller.run.work import exit_code
from controller.text import Text
from controller.transport.memory import Complain, End, Hang, Refuse, Say
from tests.unit.fleet import PLAYBOOK, Computer, Office, fault, journal, lose, outcomes, record, tell

OFF = Refuse(Unreachable(Text("tidak menjawab", "no answer")))
NO_RUN = fault("no_run", {"id": "tidak ada pekerjaan ini", "en": "this run is not on the computer"})


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def killed_before_any_contact(office: Office, *names: str) -> str:
    """A run whose controller was killed right after its forms were opened."""
    office.computers = {name: Computer(tell(journal())) for name in names}
    office.leave.set()
    result = office.run()
    office.leave.clear()
    assert set(outcomes(result).values()) == {"not_started"}
    return result.run


def test_nothing_open(office: Office) -> None:
    office.computers = {"pc": Computer(tell(journal()))}
    office.run()
    assert office.resume() == []


def test_never_begun_goes_on_where_the_plan_is_the_same(office: Office) -> None:
    run = killed_before_any_contact(office, "a", "b")
    assert not office.computers["a"].jobs
    (result,) = office.resume()
    assert result.run == run
    assert outcomes(result) == {"a": "installed", "b": "installed"}
    assert office.computers["a"].jobs[0]["plan"]["run"] == run
    assert office.resume() == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace("default('halo')", "default('lain')"), "the plan is another now"),
        (lambda text: text.replace("variants:", "varian:"), "can no longer be used"),
        (None, "can no longer be used"),
    ],
)
def test_never_begun_and_the_playbook_is_another(office: Office, change: Any, says: str) -> None:
    killed_before_any_contact(office, "pc")
    if change is None:
        (office.folder / "playbooks" / "kilat" / "playbook.yaml").unlink()
    else:
        path = office.folder / "playbooks" / "kilat" / "playbook.yaml"
        path.write_text(change(path.read_text()))
        assert path.read_text() != PLAYBOOK
    office.computers = {"pc": Computer(NO_RUN)}
    (result,) = office.resume()
    ((_, found),) = result.results
    assert found.outcome == "not_started"
    assert found.reason is not None
    assert says in found.reason["en"]
    assert "belum dimulai" in found.reason["id"]
    assert office.computers["pc"].jobs[0]["plan"] is None, "what is no longer the same plan is not sent"
    with office.store() as store:
        assert [row.state for row in store.forms()] == ["not_started"]
    assert office.resume() == []


def test_the_plan_on_the_computer_stays_in_force(office: Office) -> None:
    told = journal()
    office.computers = {"pc": Computer(lose(told, 6), OFF)}
    office.run()
    path = office.folder / "playbooks" / "kilat" / "playbook.yaml"
    path.write_text(path.read_text().replace("halo", "lain"))
    office.computers = {"pc": Computer(tell(told))}
    (result,) = office.resume()
    assert outcomes(result) == {"pc": "installed"}
    job = office.computers["pc"].jobs[0]
    assert (job["plan"], job["from"]) == (None, 6)


def test_still_at_work_is_followed_to_its_end(office: Office) -> None:
    told = journal()
    office.computers = {"pc": Computer(lose(told, 6), OFF)}
    office.run()

    def at_work(job: dict[str, Any]) -> Any:
        for frame in told[job["from"] :]:
            yield Hang(600)
            yield Say(encode(frame))
        yield Say(encode({"answer": "end"}))

    office.computers = {"pc": Computer(at_work)}
    (result,) = office.resume()
    assert outcomes(result) == {"pc": "installed"}
    with office.store() as store:
        assert [e["seq"] for e in store.events(host="pc") if e["source"] == "agent"] == [r["seq"] for r in told]


def test_off_again_is_running_again(office: Office) -> None:
    office.computers = {"pc": Computer(lose(journal(), 6), OFF)}
    office.run()
    began = office.clock.seconds
    (result,) = office.resume()
    assert outcomes(result) == {"pc": "running"}
    assert office.clock.seconds - began < 30, "it was not there at all: nothing to be patient for"
    assert len(office.resume()) == 1


def test_the_end_was_stored_but_not_how_the_host_ended(office: Office) -> None:
    """The controller was killed between the agent's last record and its own."""
    run = killed_before_any_contact(office, "pc")
    with office.store() as store:
        (form,) = store.open_forms()
        store.append([from_agent(r, run=run, host="pc", form=form.number) for r in journal("rolled_back")])
    office.computers = {"pc": Computer(OFF)}
    (result,) = office.resume()
    assert outcomes(result) == {"pc": "rolled_back"}
    assert office.resume() == []


def test_an_agent_that_stopped_in_the_middle_goes_on_when_asked_again(office: Office) -> None:
    told = journal()
    stopped = fault("agent_stopped", {"id": "agen berhenti", "en": "the agent stopped in the middle"})

    def dies(job: dict[str, Any]) -> Any:
        for frame in told[:8]:
            yield Say(encode(frame))
        yield from stopped(job)

    office.computers = {"pc": Computer(dies)}
    result = office.run()
    assert outcomes(result) == {"pc": "needs_person"}
    assert exit_code(result.results) == 4
    office.computers = {"pc": Computer(tell(told))}
    (again,) = office.resume()
    assert outcomes(again) == {"pc": "installed"}


def test_what_vanished_from_a_computer_that_was_changed_needs_a_person(office: Office) -> None:
    office.computers = {"pc": Computer(lose(journal(), 14), OFF)}
    office.run()
    office.computers = {"pc": Computer(NO_RUN)}
    (result,) = office.resume()
    assert outcomes(result) == {"pc": "needs_person"}


def test_what_needs_a_person_for_another_reason_is_not_gone_on_with(office: Office) -> None:
    office.computers = {
        "a": Computer(tell(journal("needs_person"))),
        "b": Computer(tell([], then=[Complain("rusak\n"), End(1)])),
    }
    assert outcomes(office.run()) == {"a": "needs_person", "b": "needs_person"}
    assert office.resume() == []


def decide(store: Store, *, configure: bool) -> None:
    (form,) = store.open_forms()
    reason = {"id": "diminta", "en": "asked for"}
    store.append(
        [
            store.record(
                "decided", run=form.run, host="pc", form=form.number, configure=configure, by="ani", reason=reason
            )
        ]
    )


def test_a_decision_is_waited_for_and_then_carried_out(office: Office) -> None:
    told = journal(None)
    told.append(record(len(told) + 1, "waiting", step=9, outcome="awaiting_decision"))
    office.computers = {"pc": Computer(tell(told))}
    result = office.run()
    assert outcomes(result) == {"pc": "awaiting_decision"}
    assert exit_code(result.results) == 4
    office.computers = {"pc": Computer(OFF)}
    (still,) = office.resume()
    assert outcomes(still) == {"pc": "awaiting_decision"}, "whoever cannot be asked waits still, as far as we know"
    office.computers = {"pc": Computer(tell(told))}
    (still,) = office.resume()
    assert outcomes(still) == {"pc": "awaiting_decision"}
    assert len(office.computers["pc"].jobs) == 1, "it may have decided alone"
    office.computers = {"pc": Computer(OFF)}
    with office.store() as store:
        decide(store, configure=True)
    (lost,) = office.resume()
    assert outcomes(lost) == {"pc": "running"}, "it is decided, and we do not know how it went on"
    whole = [*told, record(len(told) + 1, "run_ended", outcome="installed")]
    office.computers = {"pc": Computer(tell(whole))}
    (done,) = office.resume()
    assert outcomes(done) == {"pc": "installed"}
    job = office.computers["pc"].jobs[0]
    assert job["decision"] == {"configure": True, "by": "ani", "reason": {"id": "diminta", "en": "asked for"}}
    assert job["from"] == len(told)


def test_an_unknown_run(office: Office) -> None:
    office.computers = {"pc": Computer(tell(journal()))}
    with pytest.raises(InputError) as caught:
        office.resume("20260101-000000-dead")
    assert "20260101-000000-dead" in caught.value.say("en")


def test_only_the_run_asked_for(office: Office) -> None:
    first = killed_before_any_contact(office, "a")
    second = killed_before_any_contact(office, "a")
    (result,) = office.resume(second)
    assert result.run == second
    (rest,) = office.resume()
    assert rest.run == first


def test_a_computer_that_left_the_inventory_is_told_and_stops_nobody(office: Office) -> None:
    killed_before_any_contact(office, "a", "b")
    (limited,) = office.resume(names=["a", "c"], limit="a")
    assert outcomes(limited) == {"a": "installed"}
    with pytest.raises(InputError) as caught:
        office.resume(names=["c"])
    assert "b is not in the inventory" in caught.value.say("en")
    killed_before_any_contact(office, "a")
    results = office.resume(names=["a"])
    found = [(w.host.name, r.outcome) for result in results for w, r in result.results]
    assert sorted(found) == [("a", "installed"), ("b", "running")]
    assert exit_code([pair for result in results for pair in result.results]) == 1


def test_a_thousand_open_computers_are_reconciled_quickly(office: Office) -> None:
    names = [f"pc{n:04}" for n in range(1000)]
    told = journal()
    killed_before_any_contact(office, *names)
    with office.store() as store:
        records = []
        for form in store.open_forms():
            records += [from_agent(r, run=form.run, host=form.host, form=form.number) for r in told[:-2]]
        store.append(records)
    office.computers = {name: Computer(tell(told)) for name in names}
    began = time.monotonic()
    (result,) = office.resume()
    seconds = time.monotonic() - began
    assert set(outcomes(result).values()) == {"installed"}
    assert len(result.results) == 1000
    print(f"1000 open host runs reconciled in {seconds:.1f} s")
    assert seconds < 30


def test_what_the_agent_decided_alone_is_read_days_later(office: Office) -> None:
    told = journal(None)
    told.append(record(len(told) + 1, "waiting", step=9, outcome="awaiting_decision", reason=None))
    office.computers = {"pc": Computer(tell(told))}
    office.run()
    reason = {"id": "tidak ada pengendali selama 8 jam", "en": "no controller for 8 h"}
    told.append(record(len(told) + 1, "decision", step=9, configure=False, by="agent", keep=True, reason=reason))
    told.append(record(len(told) + 1, "run_ended", outcome="installed", step=12, reason=None, rollback=None))
    (result,) = office.resume()
    assert outcomes(result) == {"pc": "installed"}
    assert office.resume() == []


@pytest.mark.parametrize("outcome", ["awaiting_reboot", "needs_person"])
def test_a_computer_that_waits_for_its_reboot_stays_open_and_is_asked_again(office: Office, outcome: str) -> None:
    told = journal(None)
    reason = {"id": "menunggu jam nyala ulang", "en": "waiting for the time to reboot"}
    told.append(record(len(told) + 1, "waiting", step=5, outcome=outcome, reason=reason))
    office.computers = {"pc": Computer(tell(told))}
    result = office.run()
    ((_, found),) = result.results
    assert (found.outcome, found.step, found.reason) == (outcome, 5, reason)
    assert exit_code(result.results) == (4 if outcome == "needs_person" else 1)
    office.computers = {"pc": Computer(OFF)}
    (off,) = office.resume()
    assert outcomes(off) == {"pc": outcome}
    told.append(record(len(told) + 1, "run_ended", outcome="installed", step=12, reason=None, rollback=None))
    office.computers = {"pc": Computer(tell(told))}
    (done,) = office.resume()
    assert outcomes(done) == {"pc": "installed"}
    assert office.resume() == []


def test_an_outcome_is_open_for_everybody_or_for_nobody(office: Office) -> None:
    """For ``resume``, for the form, for the colour of the table, and for whoever would sign it."""
    run = killed_before_any_contact(office, *OUTCOMES)
    with office.store() as store:
        forms = {row.host: row.number for row in store.forms()}
        store.append([store.record("host_ended", run=run, host=o, form=forms[o], outcome=o, step=5) for o in OUTCOMES])
        resumed = {row.host for row in store.open_forms()}
        unended = {o for o in OUTCOMES if project(store.events(form=forms[o])).ended_at is None}
    assert resumed == unended == sign.NOT_YET.keys() == set(OPEN_OUTCOMES)
    assert all(wording.tone(outcome) == "open" for outcome in OPEN_OUTCOMES)


def rebooting(at: str) -> list[dict[str, Any]]:
    told = journal(None)
    fields = {"step": 5, "section": "install", "index": None, "visit": 1, "boot": "a"}
    return [*told, {**record(len(told) + 1, "reboot", state="begun", **fields), "at": at}]


def just_now(seconds: float = 0) -> str:
    return datetime.fromtimestamp(time.time() - seconds, UTC).isoformat(timespec="milliseconds")


REFUSED = Refuse(AccessRefused(Text("sistem sedang dinyalakan", "the system is booting up")))


def test_one_command_carries_over_a_reboot(office: Office) -> None:
    """The line drops, nobody answers for minutes, nobody is let in, then the agent has gone on."""
    told = rebooting(just_now())
    whole = [*told, record(len(told) + 1, "run_ended", outcome="installed", step=12, reason=None, rollback=None)]
    office.computers = {"pc": Computer(lose(told, len(told)), *[OFF] * 60, REFUSED, REFUSED, tell(whole))}
    began = office.clock.seconds
    result = office.run()
    assert outcomes(result) == {"pc": "installed"}
    assert office.clock.seconds - began > 120, "longer than any line is waited for"
    types = [r["type"] for r in office.watch.records]
    assert types.index("reboot") < types.index("line_lost") < types.index("resumed")


def test_a_computer_that_does_not_come_back_is_given_up_and_left_open(office: Office) -> None:
    told = rebooting(just_now())
    office.computers = {"pc": Computer(lose(told, len(told)), OFF)}
    began = office.clock.seconds
    result = office.run()
    ((_, found),) = result.results
    assert found.outcome == "running"
    assert found.reason is not None
    assert "dinyalakan ulang dan belum menjawab" in found.reason["id"]
    assert found.hint is not None
    assert 900 <= office.clock.seconds - began < 930
    began = office.clock.seconds
    assert outcomes(office.resume()[0]) == {"pc": "running"}
    assert 900 <= office.clock.seconds - began < 930, "it was told just now: it may still come"


def test_a_reboot_of_long_ago_is_not_waited_for(office: Office) -> None:
    told = rebooting(just_now(3600))
    run = killed_before_any_contact(office, "pc")
    with office.store() as store:
        (form,) = store.open_forms()
        store.append([from_agent(r, run=run, host="pc", form=form.number) for r in told])
    office.computers = {"pc": Computer(OFF)}
    began = office.clock.seconds
    assert outcomes(office.resume()[0]) == {"pc": "running"}
    assert office.clock.seconds - began < 30
