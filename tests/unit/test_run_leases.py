"""Two orders for the same computers: one works on each, the other does the free ones and says who has the rest."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.protocol import encode
from controller.cli.watch import Live
from controller.errors import RecordError
from controller.records import Leases
from controller.run import leases
from controller.run.opening import RunResult
from controller.run.work import exit_code
from controller.text import Text
from controller.transport.memory import Hang, Say
from tests.unit.fleet import Behaviour, Computer, Office, held_by, journal, lose, outcomes, tell


@pytest.fixture
def office(tmp_path: Path) -> Office:
    (tmp_path / "satu").mkdir()
    return Office(tmp_path / "satu")


@pytest.fixture
def other(office: Office, tmp_path: Path) -> Office:
    """A second controller with the same database."""
    return sharing(office, tmp_path / "dua")


def sharing(office: Office, folder: Path) -> Office:
    import dataclasses

    folder.mkdir()
    made = Office(folder)
    made.settings = dataclasses.replace(made.settings, database_url=office.settings.database_url)
    return made


class Slow:
    """A computer whose run goes on until it may end."""

    def __init__(self, outcome: str = "installed") -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self._told = journal(outcome)

    def __call__(self, job: dict[str, Any]) -> Any:
        for frame in self._told[job["from"] : -1]:
            yield Say(encode(frame))
        self.begun.set()
        while not self.may_end.wait(0.005):
            yield Hang(0.01)
        yield from tell(self._told)({"from": max(job["from"], len(self._told) - 1)})


@contextmanager
def at_work(office: Office, slow: Slow, **computers: Behaviour) -> Iterator[Any]:
    """An order that works on ``pc`` for as long as the block lasts."""
    office.computers = {"pc": Computer(slow), **{name: Computer(how) for name, how in computers.items()}}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(office.run)
        assert slow.begun.wait(20)
        try:
            yield running
        finally:
            slow.may_end.set()
            assert outcomes(running.result(20))["pc"] == "installed"


def row(result: RunResult, host: str) -> dict[str, Any]:
    found: dict[str, Any] = result.summary("en")["hosts"][host]
    return found


def test_the_free_ones_are_done_and_who_has_the_rest_is_said(office: Office, other: Office) -> None:
    with at_work(office, Slow()):
        other.computers = {name: Computer(tell(journal())) for name in ("a", "pc", "z")}
        result = other.run()
        assert outcomes(result) == {"a": "installed", "pc": "not_started", "z": "installed"}
        assert exit_code(result.results) == 1
        assert not other.computers["pc"].jobs, "it was not even contacted"
        held = row(result, "pc")
        with office.store() as store:
            first, second = [store.forms(host="pc", states=[s])[0] for s in ("running", "not_started")]
            events = store.events(form=second.number)
        assert held["holder"]["run"] == f"{first.run}.kilat"
        assert (held["holder"]["host"], held["holder"]["why"]) == ("pc", "work")
        assert held["holder"]["since"] <= held["holder"]["until"]
        assert "@" in held["holder"]["owner"]
        for word in (held["holder"]["owner"], first.run, "since 20", "more at most", "should its controller have died"):
            assert word in held["reason"]
        ended = [event for event in events if event["type"] == "host_ended"]
        assert ended[0]["holder"] == held["holder"]
        assert ended[0]["reason"]["en"] in held["reason"]
    other.computers = {"pc": Computer(tell(journal("already_installed")))}
    assert outcomes(other.run()) == {"pc": "already_installed"}, "given back at the end"


def test_it_is_waited_for_while_the_others_go_on(office: Office, other: Office) -> None:
    slow = Slow()
    with at_work(office, slow) as running:
        other.computers = {name: Computer(tell(journal())) for name in ("pc", "z")}
        pauses: list[float] = []

        def pause(leave: threading.Event, seconds: float) -> None:
            assert other.watch.results["z/kilat"].outcome == "installed"
            pauses.append(seconds)
            other.clock.sleep(seconds)
            if len(pauses) == 3:
                slow.may_end.set()
                running.result(20)

        other.clock.pause = pause  # type: ignore[method-assign]
        result = other.run(wait_s=600)
        assert outcomes(result) == {"pc": "installed", "z": "installed"}
        assert pauses == [5.0] * 3
        (told,) = other.watch.of("held")
        assert (told["host"], told["wait_s"], told["holder"]["host"]) == ("pc", 600, "pc")
    with other.store() as store:
        events = store.events(form=store.forms(run=result.run, host="pc")[0].number)
    assert [e["type"] for e in events if e["type"] in ("held", "connected", "host_ended")] == [
        "held",
        "connected",
        "host_ended",
    ]


def test_nobody_waits_for_longer_than_was_asked(office: Office, other: Office) -> None:
    with at_work(office, Slow()):
        other.computers = {"pc": Computer(tell(journal()))}
        began = other.clock.seconds
        assert outcomes(other.run(wait_s=12)) == {"pc": "not_started"}
        assert other.clock.seconds - began == 12
        assert len(other.watch.of("held")) == 1


def test_who_waits_may_leave(office: Office, other: Office) -> None:
    with at_work(office, Slow()):
        other.computers = {"pc": Computer(tell(journal()))}
        other.clock.pause = lambda leave, seconds: other.leave.set()  # type: ignore[method-assign,assignment]
        assert outcomes(other.run(wait_s=600)) == {"pc": "not_started"}
        with other.store() as store:
            assert len(store.open_forms()) == 2, "it was given up by nobody: resume goes on with it"


def test_the_computer_itself_is_waited_for_too(office: Office) -> None:
    """Another controller, with a database of its own: the lock on the computer tells."""
    office.computers = {"pc": Computer(held_by("staf@loket", left_s=30.0), held_by("staf@loket"), tell(journal()))}
    assert outcomes(office.run(wait_s=60)) == {"pc": "installed"}
    (told,) = office.watch.of("held")
    assert told["holder"]["owner"] == "staf@loket"
    assert "for about 30 s more at most" in told["reason"]["en"]
    assert "30 dtk lagi" in told["reason"]["id"]


@pytest.mark.parametrize(
    ("holder", "says", "does"),
    [
        ({"left_s": -5.0}, "longer than its plan allows for", "--wait"),
        ({"left_s": None}, "nobody knows for how long", "--wait"),
        ({"why": "reboot"}, "waits for the computer to come back from a restart", "--wait"),
        ({"why": "decision"}, "waits for the decision of step 9", "pasang form decide"),
        ({"host": "pc-lama"}, "as pc-lama", "--wait"),
        ({"since_s": 60.0, "since": "2001-01-01T00:00:00.000Z"}, "since 20", "--wait"),
    ],
)
def test_how_it_is_said(office: Office, holder: dict[str, Any], says: str, does: str) -> None:
    office.computers = {"pc": Computer(held_by("staf@loket", **holder))}
    reason = row(office.run(), "pc")["reason"]
    assert says in reason
    assert does in reason
    assert "staf@loket" in reason
    assert "2001" not in reason, "the computer's clock is not asked where it need not be"


@pytest.mark.parametrize("seen", [False, True])
def test_a_run_that_another_controller_follows_is_left_to_it(office: Office, other: Office, seen: bool) -> None:
    slow = Slow()
    if not seen:
        slow._told = slow._told[:1] + slow._told[1:]
    with at_work(office, slow):
        other.computers = {"pc": Computer(tell(journal()))}
        (result,) = other.resume()
        assert outcomes(result) == {"pc": "running"}
        assert not other.computers["pc"].jobs
        with other.store() as store:
            assert [form.state for form in store.forms()] == ["running"]
    with other.store() as store:
        assert [form.state for form in store.forms()] == ["installed"]
    assert other.resume() == []


def test_lost_in_the_middle_nobody_calls_it_not_started(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line dropped before its first word, and meanwhile somebody else took the computer."""
    office.computers = {"pc": Computer(lose(journal(), 0), held_by("staf@loket"))}
    result = office.run()
    assert outcomes(result) == {"pc": "running"}
    with office.store() as store:
        assert [form.state for form in store.open_forms()] == ["running"]


def leases_of(office: Office) -> list[tuple[Any, ...]]:
    with office.store() as store:
        return store._database.query("SELECT host, run FROM lease")


def test_nothing_is_held_after_the_end(office: Office) -> None:
    told = journal()
    office.computers = {
        "baik": Computer(tell(told)),
        "sibuk": Computer(held_by("staf@loket")),
        "kacau": Computer(lambda job: iter([Say(b"x\n")])),  # type: ignore[arg-type,return-value]
    }
    office.run()
    assert leases_of(office) == []


def test_the_same_computer_under_two_names(office: Office) -> None:
    """At another address it is not known here; the computer's own lock will tell."""
    office.computers = {"a": Computer(tell(journal())), "b": Computer(held_by("kami", host="a"))}
    result = office.run()
    assert outcomes(result) == {"a": "installed", "b": "not_started"}
    assert "as a" in row(result, "b")["reason"]


def test_looking_needs_no_lease(office: Office, other: Office) -> None:
    with at_work(office, Slow()):
        other.computers = {"pc": Computer(tell(journal("eligible", steps=(4,))))}
        assert outcomes(other.run("check")) == {"pc": "eligible"}
        assert leases_of(office) == [("pc", leases_of(office)[0][1])]


def test_a_lease_is_renewed_while_the_computer_works(
    office: Office, other: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = threading.Event()
    real = Leases.renew

    def renew(self: Leases) -> None:
        real(self)
        renewed.set()

    monkeypatch.setattr(leases, "RENEW_S", 0.005)
    monkeypatch.setattr(Leases, "renew", renew)
    with at_work(office, Slow()):
        with office.store() as store, store._database.transaction() as transaction:
            transaction.execute("UPDATE lease SET expires = since, process = ''")
        renewed.clear()
        assert renewed.wait(20)
        other.computers = {"pc": Computer(tell(journal()))}
        assert outcomes(other.run()) == {"pc": "not_started"}


def test_what_cannot_be_renewed_is_a_record_that_is_lost(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no computer says a word for an hour: nothing new begins."""

    def renew(self: Leases) -> None:
        raise RecordError(Text("basis data hilang", "the database is lost"))

    monkeypatch.setattr(leases, "RENEW_S", 0.005)
    monkeypatch.setattr(Leases, "renew", renew)

    def silent(job: dict[str, Any]) -> Any:
        yield from (Say(encode(frame)) for frame in journal()[:3])
        while True:
            threading.Event().wait(0.01)
            yield Hang(1)

    office.computers = {f"pc{n}": Computer(silent) for n in range(4)}
    with pytest.raises(RecordError, match="lost"):
        office.run(forks=2)
    assert sum(bool(c.jobs) for c in office.computers.values()) == 2


def test_no_lease_no_contact(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def take(self: Leases, computer: str, **about: Any) -> None:
        raise RecordError(Text("penuh", "the disk is full"))

    monkeypatch.setattr(Leases, "take", take)
    office.computers = {"pc": Computer(tell(journal()))}
    with pytest.raises(RecordError):
        office.run()
    assert not office.computers["pc"].jobs


def test_the_live_table_says_who(office: Office) -> None:
    from rich.console import Console

    console = Console(width=200, record=True, file=io.StringIO())
    table = Live(console, 1)
    office.watch = table
    office.computers = {"pc": Computer(held_by("staf@loket"), tell(journal()))}
    seen: list[str] = []

    def pause(leave: threading.Event, seconds: float) -> None:
        console.print(table)
        seen.append(console.export_text())
        office.clock.sleep(seconds)

    office.clock.pause = pause  # type: ignore[method-assign]
    office.run(wait_s=60)
    assert "staf@loket" in seen[0]
    console.print(table)
    assert "staf@loket" not in console.export_text()
    office.computers = {"pc": Computer(held_by("staf@loket"))}
    office.run()
    console.print(table)
    assert "staf@loket" in console.export_text()
