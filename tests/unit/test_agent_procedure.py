"""The procedure on a computer of our own making: every way through it, and death at every record of the journal."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent import procedure, removal, rollback, run
from agent.actions import ActionFailed, Detection
from agent.journal import Journal
from agent.procedure import Procedure
from agent.protocol import text


class Dead(BaseException):
    """The agent was killed here."""


class Computer:
    """A computer that is a dict; ``broken`` names what cannot be applied, ``applied`` counts."""

    is_administrator = True
    psutil_digest = None

    def __init__(self, root: Path, *, broken: frozenset[str] = frozenset()) -> None:
        self.root = str(root)
        self.state: dict[str, str] = {}
        self.broken = broken
        self.applied: list[str] = []
        self.payloads: dict[str, Any] = {}

    def facts(self) -> dict[str, Any]:
        return {"os": "linux", "distribution": "debian", "version": "12", "arch": "x86_64"}

    def pending_reboot(self) -> str | None:
        return None


def title(spec: dict[str, Any]) -> dict[str, str]:
    return {"id": spec["name"], "en": spec["name"]}


def detect(spec: dict[str, Any], host: Computer) -> Detection:
    found = host.state.get(spec["name"])
    return Detection("present" if found == spec["value"] else "different" if found else "absent", found or "")


def capture(spec: dict[str, Any], host: Computer, keep: str) -> dict[str, Any]:
    return {"name": spec["name"], "former": host.state.get(spec["name"])}


def apply(spec: dict[str, Any], host: Computer) -> dict[str, Any]:
    assert host.state.get(spec["name"]) != spec["value"], "applied although it is in place"
    host.applied.append(spec["name"])
    host.state[spec["name"]] = "half"
    if spec["name"] in host.broken:
        raise ActionFailed({"id": "rusak", "en": "broken"})
    host.state[spec["name"]] = spec["value"]
    return {}


def undo(entry: dict[str, Any], host: Computer) -> dict[str, Any]:
    if entry["former"] is None:
        host.state.pop(entry["name"], None)
    else:
        host.state[entry["name"]] = entry["former"]
    return {}


FAKE = SimpleNamespace(title=title, detect=detect, capture=capture, apply=apply, verify=detect, undo=undo)


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    def probe(spec: dict[str, Any], host: Computer, since: dict[str, Any]) -> dict[str, Any]:
        passed = host.state.get(spec["name"]) == spec.get("value", "1")
        reason = None if passed else {"id": "tidak", "en": "no"}
        row = {"kind": "fake", "title": title(spec), "needed": "", "found": "", "attempts": 1, "seconds": 0.0}
        return {**row, "verdict": "passed" if passed else "failed", "reason": reason}

    def take(host: Computer, watch: Any = (), **_: Any) -> dict[str, Any]:
        return {"packages": dict(host.state), "files": {}, "notes": {"unhashed": 0}}

    for module in (run, rollback, removal):
        monkeypatch.setattr(module, "action", lambda kind: FAKE)
    for module in (rollback, removal):
        monkeypatch.setattr(module, "sweep_of", lambda *_: SimpleNamespace(is_due=lambda _: False))
    monkeypatch.setattr(run, "probe", probe)
    monkeypatch.setattr(rollback, "probe", probe)
    monkeypatch.setattr(run, "ACTIONS", ("fake",))
    monkeypatch.setattr(run.snapshot, "take", take)
    monkeypatch.setattr(procedure.requirements, "check", lambda plan, variant, host, facts, already: iter(()))
    monkeypatch.setattr(rollback, "SETTLING_S", 0)


UNSURE = {"kind": "x", "title": text("x", "x"), "needed": "1", "found": "?", "verdict": "unknown"}


@pytest.mark.parametrize("mode", ["check", "install"])
@pytest.mark.parametrize(("strict", "stops"), [(True, True), (False, False), (None, False)])
def test_what_could_not_be_told_stops_only_where_the_playbook_is_strict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, strict: bool | None, stops: bool
) -> None:
    row = {**UNSURE, "reason": text("tidak dapat diketahui", "cannot be told")}
    monkeypatch.setattr(procedure.requirements, "check", lambda *_, already: iter([row]))
    computer = Computer(tmp_path)
    records = go(computer, {**plan(requirements={"strict": strict}), "mode": mode}, tmp_path)
    (shown,) = [record for record in records if record["type"] == "requirement"]
    assert shown["verdict"] == "unknown", "it stays what it is, whatever follows from it"
    assert (records[-1]["outcome"] == "not_eligible") == stops
    assert (records[-1]["reason"] == row["reason"]) == stops
    assert bool(computer.state) == (mode == "install" and not stops)


def item(name: str, value: str = "1") -> dict[str, Any]:
    return {"kind": "fake", "name": name, "value": value}


def plan(**sections: Any) -> dict[str, Any]:
    variant = {
        "when": {"os": "linux"},
        "requirements": {},
        "install": [item("a"), item("b")],
        "run": [item("c")],
        "test": [{"kind": "probe", "name": "a"}],
        "configure": {"decision": "always", "attempts": 2, "actions": [item("d")]},
        "verify": [{"kind": "probe", "name": "d"}],
        **sections,
    }
    software = {"name": "contoh", "version": "1"}
    return {"mode": "install", "software": software, "location": "user", "payloads": {}, "variants": [variant]}


def go(computer: Computer, work: dict[str, Any], folder: Path, *, die_after: int | None = None) -> list[dict[str, Any]]:
    """Carry the plan out in one life of the agent; it may end after so many records."""
    lived = 0

    def count(line: bytes) -> None:
        nonlocal lived
        lived += 1
        if die_after is not None and lived >= die_after:
            raise Dead

    folder.mkdir(exist_ok=True)
    journal = Journal(str(folder / "journal"), on_append=count)
    try:
        if journal.records and journal.records[-1]["type"] == "run_ended":
            return journal.records
        life = Procedure(work, computer, journal, folder=str(folder), gate=lambda: None)  # type: ignore[arg-type]
        life.note("agent_started", detached=True)
        life.carry_out()
    finally:
        journal.close()
    return journal.records


def test_the_straight_way(tmp_path: Path) -> None:
    computer = Computer(tmp_path)
    records = go(computer, plan(), tmp_path / "run")
    assert records[-1]["outcome"] == "installed"
    assert computer.state == {"a": "1", "b": "1", "c": "1", "d": "1"}
    steps = [r["step"] for r in records if r["type"] == "step_ended"]
    assert steps == [4, 5, 6, 7, 9, 10, 11]
    assert go(computer, plan(), tmp_path / "again")[-1]["outcome"] == "already_installed"
    assert computer.applied == ["a", "b", "c", "d"]


@pytest.mark.parametrize(("decision", "outcome"), [("never", "already_installed"), ("always", "eligible")])
def test_a_dry_run_looks_at_what_would_be_done(tmp_path: Path, decision: str, outcome: str) -> None:
    computer = Computer(tmp_path)
    computer.state = {"a": "1", "b": "1", "c": "1"}
    configure = {"decision": decision, "actions": [item("d")]}
    records = go(computer, {**plan(configure=configure), "mode": "plan"}, tmp_path / "run")
    assert (records[-1]["outcome"], computer.applied) == (outcome, [])
    looked = [r["step"] for r in records if r["type"] == "detected"]
    assert looked == [5, 5, 6] + [10] * (decision == "always")


def test_intent_stands_before_and_effect_after(tmp_path: Path) -> None:
    records = go(Computer(tmp_path), plan(), tmp_path / "run")
    kinds = [(r["type"], r["effect"]) for r in records if r["type"] in ("intent", "effect")]
    assert kinds == [(kind, number) for number in (1, 2, 3, 4) for kind in ("intent", "effect")]


@pytest.mark.parametrize("name", ["a", "b", "c", "d"])
def test_whatever_fails_everything_is_taken_back(tmp_path: Path, name: str) -> None:
    computer = Computer(tmp_path, broken=frozenset({name}))
    computer.state["b"] = "0"
    records = go(computer, plan(), tmp_path / "run")
    assert records[-1]["outcome"] == "rolled_back"
    assert records[-1]["rollback"]["verdict"] == "clean"
    assert computer.state == {"b": "0"}


def test_a_configuration_that_cannot_be_verified_is_tried_as_often_as_allowed(tmp_path: Path) -> None:
    computer = Computer(tmp_path)
    records = go(computer, plan(verify=[{"kind": "probe", "name": "nothing"}]), tmp_path / "run")
    assert records[-1]["outcome"] == "rolled_back"
    assert [(r["step"], r["to"]) for r in records if r["type"] == "loop"] == [(11, 10), (11, 8), (8, 1)]
    assert [r["visit"] for r in records if r["type"] == "step_started" and r["step"] == 10] == [1, 2]
    assert computer.state == {}


def test_a_person_decides(tmp_path: Path) -> None:
    computer = Computer(tmp_path)
    work = plan(configure={"decision": "ask", "attempts": 1, "actions": [item("d")]})
    assert go(computer, work, tmp_path / "run")[-1]["type"] == "waiting"
    assert go(computer, work, tmp_path / "run")[-1]["type"] == "waiting"
    decided = {"configure": True, "by": "staf", "reason": {"id": "perlu", "en": "needed"}}
    assert go(computer, {**work, "decision": decided}, tmp_path / "run")[-1]["outcome"] == "installed"
    assert computer.state["d"] == "1"


def test_software_that_was_there_and_does_not_work_needs_a_person(tmp_path: Path) -> None:
    computer = Computer(tmp_path)
    computer.state.update({"a": "1", "b": "1", "c": "1"})
    records = go(computer, plan(test=[{"kind": "probe", "name": "nothing"}]), tmp_path / "run")
    assert records[-1]["outcome"] == "needs_person"
    assert computer.applied == []


def outcome_after_death(tmp_path: Path, die_after: int, work: dict[str, Any], broken: frozenset[str]) -> Any:
    computer = Computer(tmp_path, broken=broken)
    folder = tmp_path / f"run{die_after}"
    try:
        go(computer, work, folder, die_after=die_after)
    except Dead:
        records = go(computer, work, folder)
        return computer, records
    return computer, None


@pytest.mark.parametrize("helps", [True, False])
def test_what_died_in_the_middle_is_finished_before_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, helps: bool
) -> None:
    def dies(spec: dict[str, Any], host: Computer) -> dict[str, Any]:
        host.applied.append(spec["name"])
        host.state[spec["name"]] = "half"
        raise Dead

    def settle(spec: dict[str, Any], host: Computer) -> dict[str, Any]:
        if not helps:
            raise ActionFailed({"id": "sedang dipakai", "en": "in use"})
        host.state[spec["name"]] = spec["value"]
        return {"finished": True}

    computer = Computer(tmp_path)
    dying, settling = (SimpleNamespace(**{**vars(FAKE), **more}) for more in ({"apply": dies}, {"settle": settle}))
    monkeypatch.setattr(run, "action", lambda kind: dying)
    with pytest.raises(Dead):
        go(computer, plan(), tmp_path / "run")
    monkeypatch.setattr(run, "action", lambda kind: settling)
    records = go(computer, plan(), tmp_path / "run")
    assert records[-1]["outcome"] == "installed"
    assert computer.applied == (["a", "b", "c", "d"] if helps else ["a", "a", "b", "c", "d"])
    (effect,) = [r for r in records if r["type"] == "effect" and r["effect"] == 1]
    assert effect["evidence"] == ({"finished": True, "interrupted": True} if helps else {})


@pytest.mark.parametrize("broken", [None, "a", "c", "d", "verify"])
def test_death_at_every_record(tmp_path: Path, broken: str | None) -> None:
    work = plan(verify=[{"kind": "probe", "name": "nothing"}]) if broken == "verify" else plan()
    die_after, deaths = 1, 0
    while True:
        computer, records = outcome_after_death(tmp_path, die_after, work, frozenset({broken} if broken else ()))
        if records is None:
            break
        deaths += 1
        last = records[-1]
        if broken is None:
            assert last["outcome"] in ("installed", "already_installed"), die_after
            assert computer.state == {"a": "1", "b": "1", "c": "1", "d": "1"}
            assert sorted(computer.applied) == ["a", "b", "c", "d"], die_after
        else:
            assert last["outcome"] == "rolled_back", (die_after, last)
            assert last["rollback"]["verdict"] == "clean"
            assert computer.state == {}
        assert sum(r["type"] == "run_ended" for r in records) == 1
        visits = [(r["step"], r["visit"]) for r in records if r["type"] == "step_ended"]
        assert len(visits) == len(set(visits)), die_after
        die_after += 1
    assert deaths >= 15
