"""Runs over scripted computers: every way of ending has its outcome, and none of them touches another computer."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from agent.protocol import LINE_LIMIT_BYTES, encode
from controller.errors import AccessRefused, HostKeyError, NoPython, RecordError, Unreachable
from controller.run.opening import RunResult
from controller.run.work import exit_code
from controller.text import Text
from controller.transport.memory import Complain, Drop, End, Hang, Hear, Refuse, Say
from tests.unit.fleet import (
    CONTENT,
    Behaviour,
    Computer,
    Office,
    fault,
    held_by,
    journal,
    lose,
    outcomes,
    record,
    say,
    tell,
)

GARBAGE = b"\x00\xff not a line of JSON\n"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def only(result: RunResult) -> Any:
    ((_, found),) = result.results
    return found


def test_a_fleet_of_every_kind_adds_up_and_nobody_stops_anybody(office: Office) -> None:
    told = journal()
    office.computers = {
        "baik": Computer(tell(told)),
        "sudah": Computer(tell(journal("already_installed"))),
        "kembali": Computer(tell(journal("rolled_back", step=7, rollback={"verdict": "clean", "residue": []}))),
        "kurang": Computer(tell(journal("not_eligible", steps=(4,), step=4))),
        "mati": Computer(Refuse(Unreachable(Text("mati", "off")))),
        "menolak": Computer(Refuse(AccessRefused(Text("kata sandi ditolak", "the password was refused")))),
        "kunci": Computer(Refuse(HostKeyError(Text("kunci berubah", "the key has changed")))),
        "tanpa": Computer(Refuse(NoPython(Text("tanpa Python", "no Python")))),
        "kacau": Computer(say(GARBAGE)),
        "panjang": Computer(say(b"x" * (LINE_LIMIT_BYTES + 2))),
        "berhenti": Computer(tell(told[:3], then=[Complain("Traceback\nValueError: x\n"), End(1)])),
        "putus": Computer(lose(told, 5)),
        "sibuk": Computer(held_by("staf@loket")),
        "penuh": Computer(fault("storage", {"id": "disk penuh", "en": "no space left"})),
    }
    result = office.run()
    assert outcomes(result) == {
        "baik": "installed",
        "sudah": "already_installed",
        "kembali": "rolled_back",
        "kurang": "not_eligible",
        "mati": "unreachable",
        "menolak": "unreachable",
        "kunci": "unreachable",
        "tanpa": "unreachable",
        "kacau": "needs_person",
        "panjang": "needs_person",
        "berhenti": "needs_person",
        "putus": "running",
        "sibuk": "not_started",
        "penuh": "not_eligible",
    }
    summary = result.summary("en")
    assert sum(summary["counts"].values()) == len(summary["hosts"]) == 14
    assert exit_code(result.results) == 4
    reasons = {name: host["reason"] for name, host in summary["hosts"].items() if host["reason"]}
    assert reasons["menolak"] == "the password was refused"
    assert "ValueError: x" in reasons["berhenti"]
    assert "staf@loket has held this computer since 2026-11-22T03:00:00Z" in reasons["sibuk"]
    assert "5 min 0 s" not in reasons["sibuk"]
    assert "for about 5 min more at most" in reasons["sibuk"]
    with office.store() as store:
        states = {row.host: row.state for row in store.forms()}
        assert states == outcomes(result)
        ended = [e for e in store.events(run=result.run) if e["type"] == "run_ended" and e["source"] == "controller"]
        assert ended[0]["counts"] == summary["counts"]


def test_exit_codes(office: Office) -> None:
    office.computers = {"a": Computer(tell(journal())), "b": Computer(tell(journal("already_installed")))}
    assert exit_code(office.run().results) == 0
    office.computers["b"] = Computer(tell(journal("rolled_back")))
    assert exit_code(office.run().results) == 1
    office.computers["b"] = Computer(tell(journal("needs_person")))
    assert exit_code(office.run().results) == 4
    office.computers = {"a": Computer(tell(journal("not_installed")))}
    assert exit_code(office.run("verify").results) == 1, "what is not there is not found good"
    assert exit_code(office.run("uninstall").results) == 0, "what is not there need not be removed"


@pytest.mark.parametrize(
    "line",
    [
        encode({"answer": "need"}),
        encode({"answer": "need", "blobs": 7}),
        encode({"answer": "need", "blobs": [{"blob": "f" * 64, "offset": "x"}]}),
        encode({"answer": "need", "blobs": [{"blob": "../../etc/shadow", "offset": 0}]}),
        encode({"answer": "need", "blobs": [{"blob": "f" * 64}]}),
        encode({"answer": "fault", "reason": 3}),
        encode({"seq": 1}),
        encode({"seq": 1, "type": "facts", "at": "kemarin"}),
        encode({"seq": 1, "type": "x" * 40, "at": "2026-11-22T03:00:00.000Z"}),
        encode({"seq": 10**30, "type": "facts", "at": "2026-11-22T03:00:00.000Z"}),
        encode({"seq": 2, "type": "facts", "at": "2026-11-22T03:00:00.000Z"}),
        encode({"seq": True, "type": "facts", "at": "2026-11-22T03:00:00"}),
        encode({"seq": 1, "type": "run_ended", "at": "2026-11-22T03:00:00.000Z", "outcome": "hebat"}),
        b'{"seq":1,"type":"facts","at":"2026-11-22T03:00:00.000Z","x":' + b"[" * 900 + b"]" * 900 + b"}\n",
        b"[]\n",
        b"\n",
    ],
)
def test_what_no_agent_says_is_that_computers_trouble_alone(office: Office, line: bytes) -> None:
    office.computers = {"aneh": Computer(say(line)), "baik": Computer(tell(journal()))}
    result = office.run()
    assert outcomes(result)["baik"] == "installed"
    assert outcomes(result)["aneh"] in ("needs_person", "running")
    assert result.summary("en")["hosts"]["aneh"]["reason"] or outcomes(result)["aneh"] == "running"


def test_a_lost_line_is_gone_on_with_from_the_right_record(office: Office) -> None:
    told = journal()
    office.computers = {"pc": Computer(lose(told, 4), lose(told, 9), tell(told))}
    assert only(office.run()).outcome == "installed"
    assert [job["from"] for job in office.computers["pc"].jobs] == [0, 4, 9]
    with office.store() as store:
        events = store.events(host="pc")
    assert [e["seq"] for e in events if e["source"] == "agent"] == [r["seq"] for r in told]
    kinds = [e["type"] for e in events if e["type"] in ("connected", "line_lost", "resumed")]
    assert kinds == ["connected", "line_lost", "resumed", "line_lost", "resumed"]


def test_patience_counts_from_the_last_word_not_from_the_beginning(office: Office) -> None:
    told = journal()

    def long_work(job: dict[str, Any]) -> Any:
        for frame in told[:5]:
            yield Say(encode(frame))
        yield Hang(3600)
        yield Drop()

    office.computers = {"pc": Computer(long_work, tell(told))}
    assert only(office.run()).outcome == "installed"


def test_a_computer_that_restarts_in_the_middle_is_waited_for(office: Office) -> None:
    told = journal()
    off = Refuse(Unreachable(Text("tidak menjawab", "no answer")))
    office.computers = {"pc": Computer(lose(told, 6), off, off, tell(told))}
    assert only(office.run()).outcome == "installed"


def test_a_line_that_breaks_often_and_brings_something_each_time_is_tried_again_at_once(office: Office) -> None:
    told = journal(steps=range(4, 24))
    office.computers = {"pc": Computer(*(lose(told, seen) for seen in range(5, 40)), tell(told))}
    began = office.clock.seconds
    assert only(office.run()).outcome == "installed"
    assert len(office.computers["pc"].jobs) == 36
    assert office.clock.seconds - began < 35


def test_a_line_that_brings_nothing_is_not_tried_for_ever(office: Office) -> None:
    """Every contact begins well and says so, and none gets any further."""

    def vain(job: dict[str, Any]) -> Any:
        yield Say(encode(record(job["from"] + 1, "agent_started", protocol=1, detached=False, resumed=True)))
        yield Drop()

    office.computers = {"pc": Computer(vain)}
    assert only(office.run()).outcome == "running"
    assert 50 <= len(office.computers["pc"].jobs) <= 52


def test_how_far_a_payload_is_stands_on_the_bar_from_the_first_moment(office: Office) -> None:
    import hashlib

    payload = hashlib.sha256(CONTENT).hexdigest()
    office.computers = {"pc": Computer(wants((payload, 100)))}
    assert only(office.run()).outcome == "installed"
    whole = len(CONTENT)
    assert [push[2:] for push in office.watch.pushes] == [(100, whole), (whole, whole)]
    (pushed,) = office.watch.of("pushed")
    assert (pushed["before_bytes"], pushed["size_bytes"]) == (100, whole)


def test_a_person_can_leave_in_the_middle_of_a_push(office: Office) -> None:
    import hashlib

    payload = hashlib.sha256(CONTENT).hexdigest()
    office.computers = {"pc": Computer(wants((payload, 0)))}
    office.watch.pushing = lambda *_: office.leave.set()
    assert only(office.run()).outcome == "running"


@pytest.mark.parametrize("told", [0, 6])
def test_an_agent_that_somebody_kills_is_asked_again(office: Office, told: int) -> None:
    records = journal()
    killed = tell(records[:told], then=[Complain("Killed\n"), End(137)])
    office.computers = {"pc": Computer(killed, killed, tell(records))}
    result = office.run()
    assert only(result).outcome == "installed"
    with office.store() as store:
        reasons = [event["reason"]["en"] for event in store.events(host="pc") if event["type"] == "line_lost"]
    assert reasons == ["the agent was ended from outside (code 137)"] * 2


def test_after_patience_it_is_running_never_failed(office: Office) -> None:
    told = journal()
    office.computers = {"pc": Computer(lose(told, 6), Refuse(Unreachable(Text("tidak menjawab", "no answer"))))}
    began = office.clock.seconds
    result = office.run()
    assert only(result).outcome == "running"
    assert only(result).reason["en"] == "no answer"
    assert 90 < office.clock.seconds - began < 130
    assert exit_code(result.results) == 1
    with office.store() as store:
        assert [row.state for row in store.open_forms()] == ["running"]


def test_an_agent_that_never_says_a_word_is_given_up(office: Office) -> None:
    def mute(job: dict[str, Any]) -> Any:
        yield Hang()

    office.computers = {"bisu": Computer(mute), "baik": Computer(tell(journal()))}
    result = office.run()
    assert outcomes(result) == {"bisu": "unreachable", "baik": "installed"}
    assert "did not answer within 300 seconds" in result.summary("en")["hosts"]["bisu"]["reason"]
    with office.store() as store:
        assert [row.host for row in store.open_forms()] == ["bisu"], "it may have begun all the same"


def test_silence_of_an_agent_at_work_is_no_trouble(office: Office) -> None:
    told = journal()

    def slow(job: dict[str, Any]) -> Any:
        for frame in told:
            yield Say(encode(frame))
            yield Hang(1800)
        yield Say(encode({"answer": "end"}))

    office.computers = {"pc": Computer(slow)}
    assert only(office.run()).outcome == "installed"


def wants(*blobs: tuple[str, int]) -> Behaviour:
    """Asks for blobs, keeps what comes in the job, and ends well."""

    def behave(job: dict[str, Any]) -> Any:
        yield Say(encode({"answer": "need", "blobs": [{"blob": d, "offset": o} for d, o in blobs]}))
        job["got"] = {}
        for _ in blobs:
            import json

            head = json.loads((yield Hear()))
            job["got"][head["blob"]] = (head["offset"], (yield Hear(head["size"])) if head["size"] else b"")
        yield from tell(journal())(job)

    return behave


def test_what_is_needed_is_sent_from_the_byte_asked_for(office: Office) -> None:
    import hashlib

    from controller import runtime

    payload = hashlib.sha256(CONTENT).hexdigest()
    made = runtime.prepare(office.settings.home)
    (wheel,) = made.psutil.values()
    whole = len(made.path(made.agents["linux"].archive).read_bytes())
    office.computers = {
        "pc": Computer(wants((made.agents["linux"].archive, 0), (wheel, 7), (payload, 100), (payload, 10**9)))
    }
    assert only(office.run()).outcome == "installed"
    got = office.computers["pc"].jobs[0]["got"]
    assert hashlib.sha256(got[made.agents["linux"].archive][1]).hexdigest() == made.agents["linux"].archive
    assert got[wheel] == (7, made.path(wheel).read_bytes()[7:])
    assert got[payload] == (len(CONTENT), b""), "never beyond the end"
    names = [(name, sent, size) for _, name, sent, size in office.watch.pushes if sent == size]
    assert names[:3] == [
        ("agent", whole, whole),
        ("psutil",) + (made.path(wheel).stat().st_size,) * 2,
        (
            "isi.txt",
            len(CONTENT),
            len(CONTENT),
        ),
    ]
    assert [r["what"] for r in office.watch.of("pushed")][:3] == ["agent", "psutil", "isi.txt"]


def test_a_payload_gone_from_the_depot_stops_that_computer_alone(office: Office) -> None:
    office.computers = {"kehilangan": Computer(wants(("a" * 64, 0))), "baik": Computer(tell(journal()))}
    result = office.run()
    assert outcomes(result) == {"kehilangan": "needs_person", "baik": "installed"}
    assert "depot" in result.summary("en")["hosts"]["kehilangan"]["reason"]


def test_leaving_says_what_was_begun_and_what_was_not(office: Office) -> None:
    told = journal()

    def leave(job: dict[str, Any]) -> Any:
        for frame in told[:5]:
            yield Say(encode(frame))
        yield Hang(1)
        office.leave.set()
        yield Hang()

    office.computers = {"a": Computer(leave), "b": Computer(tell(told)), "c": Computer(tell(told))}
    result = office.run(forks=1)
    assert outcomes(result) == {"a": "running", "b": "not_started", "c": "not_started"}
    assert not office.computers["b"].jobs
    assert exit_code(result.results) == 1
    with office.store() as store:
        assert len(store.open_forms()) == 3
    office.leave.clear()
    office.computers = {name: Computer(tell(told)) for name in "abc"}
    (again,) = office.resume()
    assert outcomes(again) == dict.fromkeys("abc", "installed")
    assert office.computers["a"].jobs[0]["from"] == 5


class Broken:
    """A database that takes so many records and then is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, types: set[str]) -> None:
        from controller.records import Store as RealStore

        kept = RealStore.append
        self.noticed = threading.Event()

        def append(store: Any, records: Any, **how: Any) -> int:
            if any(r["type"] in types and r["source"] == "agent" for r in records):
                self.noticed.set()
                raise RecordError(Text("penuh", "the disk is full"))
            return kept(store, records, **how)

        monkeypatch.setattr(RealStore, "append", append)


def test_a_record_that_cannot_be_kept_stops_everything(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Broken(monkeypatch, {"facts"})

    def waits(job: dict[str, Any]) -> Any:
        for frame in journal()[:3]:
            yield Say(encode(frame))
        yield Hang(1)  # what was said is heard first
        assert database.noticed.wait(5)
        for frame in journal()[3:]:
            yield Hang(1)
            yield Say(encode(frame))

    office.computers = {f"pc{n:02}": Computer(waits) for n in range(10)}
    with pytest.raises(RecordError) as caught:
        office.run(forks=2)
    assert caught.value.exit_code == 3
    assert sum(bool(c.jobs) for c in office.computers.values()) <= 4, "nothing new was begun"
    with office.store() as store:
        assert len(store.open_forms()) == 10


def test_no_database_no_contact(office: Office) -> None:
    office.computers = {"pc": Computer(tell(journal()))}
    (office.settings.home / "catatan.sqlite3").mkdir(parents=True)
    with pytest.raises(RecordError):
        office.run()
    assert not office.computers["pc"].jobs


def test_a_computer_that_fails_one_software_does_not_begin_the_next(office: Office) -> None:
    both = [office.playbook("kilat"), office.playbook("guntur")]
    good, bad, told = tell(journal()), tell(journal("rolled_back")), journal()
    office.computers = {
        "baik": Computer(good),
        "gagal": Computer(bad),
        "putus": Computer(lose(told, 5), Refuse(Unreachable(Text("mati", "off")))),
    }
    result = office.run(playbooks=both)
    found = [(w.host.name, w.software, r.outcome) for w, r in result.results]
    assert found == [
        ("baik", "kilat", "installed"),
        ("baik", "guntur", "installed"),
        ("gagal", "kilat", "rolled_back"),
        ("gagal", "guntur", "not_started"),
        ("putus", "kilat", "running"),
        ("putus", "guntur", "not_started"),
    ]
    assert sum(result.summary("en")["counts"].values()) == 6
    with office.store() as store:
        still = {(row.host, row.software) for row in store.open_forms()}
    assert still == {("putus", "kilat"), ("putus", "guntur")}, "what has not ended is open, what was refused is not"
    office.computers = {"baik": Computer(good), "gagal": Computer(bad), "putus": Computer(tell(told))}
    (again,) = office.resume()
    assert [(w.software, r.outcome) for w, r in again.results] == [("kilat", "installed"), ("guntur", "installed")]


class Clumsy:
    """An observer that breaks at once."""

    def event(self, record: Any) -> None:
        raise OSError("the window is closed")

    def asked(self, *_: Any) -> None:
        raise TypeError

    def pushing(self, *_: Any) -> None:
        raise ValueError

    def ended(self, *_: Any) -> None:
        raise KeyError


def test_who_watches_cannot_disturb(office: Office) -> None:
    office.computers = {"a": Computer(tell(journal())), "b": Computer(tell(journal("rolled_back")))}
    office.watch = Clumsy()
    result = office.run()
    assert outcomes(result) == {"a": "installed", "b": "rolled_back"}
    assert isinstance(result.observer_failure, OSError)
    with office.store() as store:
        assert {row.state for row in store.forms()} == {"installed", "rolled_back"}


def test_looking_keeps_no_form(office: Office) -> None:
    office.computers = {"a": Computer(tell(journal("eligible", steps=(4,)))), "b": Computer(lose(journal(), 3))}
    result = office.run("check")
    assert outcomes(result) == {"a": "eligible", "b": "unreachable"}, "nobody could come back to it"
    assert all(r["form"] is None for r in result.summary("en")["hosts"].values())
    with office.store() as store:
        assert store.forms() == []
        assert store.last_run() is None


def test_a_record_twice_is_a_record_once(office: Office) -> None:
    told = journal()
    doubled = [told[0], told[0], told[1], told[0], *told[2:]]

    def stutter(job: dict[str, Any]) -> Any:
        for frame in doubled:
            yield Say(encode(frame))
        yield Say(encode({"answer": "end"}))

    office.computers = {"pc": Computer(stutter)}
    assert only(office.run()).outcome == "installed"
    with office.store() as store:
        assert [e["seq"] for e in store.events(host="pc") if e["source"] == "agent"] == [r["seq"] for r in told]


def test_unknown_types_and_fields_are_kept(office: Office) -> None:
    told = journal()[:-1]
    told += [record(len(told) + 1, "kelak", baru={"a": [1]}), record(len(told) + 2, "run_ended", outcome="installed")]
    office.computers = {"pc": Computer(tell(told))}
    assert only(office.run()).outcome == "installed"
    with office.store() as store:
        assert any(e["type"] == "kelak" and e["baru"] == {"a": [1]} for e in store.events(host="pc"))


def test_orders_are_on_the_disk_before_any_computer_hears_of_them(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from controller.records import DURABLE
    from controller.records import Store as RealStore

    kept = RealStore.append
    waited: dict[str, str] = {}

    def append(store: Any, records: Any, **how: Any) -> int:
        waited.update({record["type"]: how.get("commit", "") for record in records})
        assert how.get("commit") == DURABLE or office.computers["pc"].jobs or not records
        return kept(store, records, **how)

    monkeypatch.setattr(RealStore, "append", append)
    office.computers = {"pc": Computer(lose(journal(), 5), Refuse(Unreachable(Text("mati", "off"))))}
    office.run()
    office.resume(stop=True)
    assert {kind for kind, how in waited.items() if how == DURABLE} >= {"run_opened", "form_opened", "stop_asked"}
    assert waited["facts"] != DURABLE, "the computer can tell it again"
