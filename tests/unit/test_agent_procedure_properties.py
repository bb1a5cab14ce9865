"""Whatever happens to a run, in whatever order, it comes to one of its ends, and what it did is done or undone.

A run lives on a scripted computer. Every record and every verb of an action is a *moment*; misfortunes befall drawn
moments: the agent is killed there, the power goes (and with it what was not on the disk), an action fails or raises
what nobody foresaw, the disk errs, a probe does not pass, a person orders a stop. After each death it goes on from its
journal.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from agent import procedure, removal, rollback, run, stopping
from agent.actions import ActionFailed, Detection
from agent.host import boot
from agent.journal import Journal, ended, read_lines
from agent.ledger import Ledger
from agent.procedure import FALLS, Procedure
from agent.protocol import decode

NAMES = ("a", "b", "c", "d", "e", "f")
LIVES = 40
SAID = {"id": "rusak", "en": "broken"}


class Dead(BaseException):
    """The agent was killed here."""


class PowerCut(Dead):
    """… and what was not on the disk is gone with it."""


class Computer:
    """A computer that is a dict, on which things happen."""

    is_administrator = True
    psutil_digest = None

    def __init__(self, root: Path, state: dict[str, str], misfortunes: dict[int, str], broken: set[str]) -> None:
        self.root = str(root)
        self.state = dict(state)
        self.before = dict(state)
        self.misfortunes = misfortunes
        self.broken = broken
        """What can never be applied."""
        self.payloads: dict[str, Any] = {}
        self.stall_s: float | None = None
        self.told: list[tuple[str, str]] = []
        """What was asked of it and done to it, in order: (verb, name)."""
        self.befell: list[tuple[str, str]] = []
        """(misfortune, verb)."""
        self.boots = 1
        self.unwritten: list[str] = []
        """What was changed although no intent of it was on the disk."""
        self.folder = ""
        self.journal: Journal | None = None
        self._moments = 0

    def facts(self) -> dict[str, Any]:
        return {"os": "linux", "distribution": "debian", "version": "12", "arch": "x86_64"}

    def ready(self) -> dict[str, Any]:
        return {}

    def boot_id(self) -> str:
        return f"boot {self.boots}"

    def is_going_down(self) -> bool:
        return False

    def reboot(self) -> None:
        self.moment("reboot")
        self.boots += 1
        raise Dead

    def moment(self, verb: str, name: str = "") -> str | None:
        """Something is done; what befalls it is raised, or returned where it is for the verb itself."""
        self.told.append((verb, name))
        self._moments += 1
        misfortune = self.misfortunes.pop(self._moments, None)
        if misfortune is None:
            return None
        self.befell.append((misfortune, verb))
        match misfortune:
            case "killed":
                raise Dead
            case "power":
                self.boots += 1
                raise PowerCut
            case "stop":
                stopping.leave(self.folder, {"by": "staf", "at": "2026-11-22T03:00:00.000Z"})
                os.kill(os.getpid(), signal.SIGURG)
            case "fails" if verb != "record":
                raise ActionFailed(SAID)
            case "raises" if verb != "record":
                raise RuntimeError("nobody foresaw it")
            case "disk" if verb != "record":
                raise OSError(5, "Input/output error")
        return misfortune

    def change(self, verb: str, name: str) -> None:
        """The computer is about to be changed: the last intent on the disk must be that of this change."""
        assert self.journal is not None
        kept = Path(self.journal.path).read_bytes()[: self.journal._synced_bytes]
        intents = [record for record in map(decode, kept.splitlines()) if record["type"] == "intent"]
        if not intents or (intents[-1]["verb"], intents[-1]["title"]["en"]) != (verb, name):
            self.unwritten.append(name)
        self.moment(verb, name)


def title(spec: dict[str, Any]) -> dict[str, str]:
    return {"id": spec["name"], "en": spec["name"]}


def detect(spec: dict[str, Any], host: Computer) -> Detection:
    host.moment("detect", spec["name"])
    found = host.state.get(spec["name"])
    state = "present" if found == spec["value"] else "different" if found else "absent"
    host.told.append((state, spec["name"]))
    return Detection(state, found or "")


def capture(spec: dict[str, Any], host: Computer, keep: str) -> dict[str, Any]:
    host.moment("capture", spec["name"])
    return {"name": spec["name"], "former": host.state.get(spec["name"])}


def apply(spec: dict[str, Any], host: Computer) -> dict[str, Any]:
    host.change("apply", spec["name"])
    host.state[spec["name"]] = "half"
    host.moment("half", spec["name"])
    if spec["name"] in host.broken:
        host.befell.append(("fails", "apply"))
        raise ActionFailed(SAID)
    host.state[spec["name"]] = spec["value"]
    host.moment("applied", spec["name"])
    return {}


def undo(entry: dict[str, Any], host: Computer) -> dict[str, Any]:
    host.change("undo", entry["name"])
    if entry["former"] is None:
        host.state.pop(entry["name"], None)
    else:
        host.state[entry["name"]] = entry["former"]
    host.moment("undone", entry["name"])
    return {}


FAKE = SimpleNamespace(title=title, detect=detect, capture=capture, apply=apply, verify=detect, undo=undo)


def probe(spec: dict[str, Any], host: Computer, since: dict[str, Any]) -> dict[str, Any]:
    passes = host.moment("probe", spec["name"]) is None and host.state.get(spec["name"]) == "1"
    row = {"kind": "fake", "title": title(spec), "needed": "", "found": "", "attempts": 1, "seconds": 0.0}
    return {**row, "verdict": "passed" if passes else "failed", "reason": None if passes else SAID}


def take(host: Computer, watch: Any = (), **_: Any) -> dict[str, Any]:
    return {"packages": dict(host.state), "files": {}, "notes": {"unhashed": 0}}


@pytest.fixture(autouse=True, scope="module")
def fakes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (run, rollback, removal):
            patch.setattr(module, "action", lambda kind: FAKE)
        for module in (run, rollback):
            patch.setattr(module, "probe", probe)
        patch.setattr(run, "ACTIONS", ("fake",))
        patch.setattr(run.snapshot, "take", take)
        patch.setattr(run.Run, "pending_reboot", lambda _: None)
        patch.setattr(boot, "is_possible", lambda _: True)
        patch.setattr(boot, "arrange", lambda *_: None)
        patch.setattr(boot, "forget", lambda _: None)
        patch.setattr(procedure.requirements, "check", lambda *_, **__: iter(()))
        patch.setattr(rollback, "SETTLING_S", 0)
        for module in (rollback, removal):
            fake = SimpleNamespace(is_due=lambda _: False, rollback=lambda *_: {}, removal=lambda *_, **__: {})
            patch.setattr(module, "sweep_of", lambda *_, fake=fake: fake)
        handler = signal.getsignal(signal.SIGURG)
        yield
        signal.signal(signal.SIGURG, handler)


REBOOTS = st.sampled_from([None] * 8 + ["if_needed", "always"])


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """An installation of some actions in every section that has them."""
    names = list(NAMES)

    def some(least: int, most: int) -> list[dict[str, Any]]:
        taken = [names.pop(0) for _ in range(draw(st.integers(least, most)))]
        return [{"kind": "fake", "name": name, "value": "1", "reboot": draw(REBOOTS)} for name in taken]

    def asked(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"kind": "probe", "name": item["name"]} for item in items[: draw(st.integers(0, 1))]]

    install, start, configure = some(1, 3), some(0, 1), some(0, 2)
    variant = {
        "when": {"os": "linux"},
        "requirements": {},
        "reboot": draw(REBOOTS),
        "install": install,
        "run": start,
        "test": asked(install + start),
        "configure": {
            "decision": draw(st.sampled_from(["always", "never", "ask"])),
            "attempts": draw(st.integers(1, 3)),
            "actions": configure,
        },
        "verify": asked(configure),
    }
    software = {"name": "contoh", "version": "1"}
    return {"mode": "install", "software": software, "location": "user", "payloads": {}, "variants": [variant]}


KINDS = st.sampled_from(
    ["killed", "killed", "killed", "power", "power", "fails", "fails", "raises", "disk", "no", "no", "stop"]
)


@st.composite
def misfortunes(draw: st.DrawFn) -> dict[int, str]:
    """Moment -> what befalls it; often soon after one another."""
    at, found = 0, {}
    for kind in draw(st.lists(KINDS, max_size=6)):
        at += draw(st.integers(1, 3) | st.integers(1, 25))
        found[at] = kind
    return found


def life(computer: Computer, plan: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """One life of the agent: to the end, to a question, or to its death. The journal as the disk has it."""
    path = folder / "journal"
    journal = Journal(str(path), on_append=lambda _: computer.moment("record"))  # type: ignore[arg-type, return-value]
    computer.journal = journal
    carried = Procedure(plan, computer, journal, folder=str(folder), gate=lambda: None)  # type: ignore[arg-type]
    try:
        stopping.listen(str(folder))
        carried.note("agent_started", detached=True, boot=computer.boot_id())
        carried.carry_out()
    except PowerCut:
        whole, kept = path.read_bytes(), max(0, journal._synced_bytes)
        path.write_bytes(whole[: kept + (len(whole) - kept) // 2])
    except (Dead, OSError):
        pass
    finally:
        signal.signal(signal.SIGURG, signal.SIG_IGN)  # what is pending dies with the process
        os.close(journal._fd)
    records = [record for _, record in read_lines(str(path))]
    lived = dump(carried.ledger)
    dumps = [dump(Ledger(journal.records[: len(journal.records) - missing])) for missing in (0, 1)]
    assert lived in dumps
    return records


def dump(ledger: Ledger) -> dict[str, Any]:
    """Everything that a ledger holds, as values."""
    reboots = {key: vars(reboot) for key, reboot in ledger._reboots.items()}
    return {**vars(ledger), "effects": [vars(effect) for effect in ledger.effects], "_reboots": reboots}


def lead(computer: Computer, plan: dict[str, Any], folder: Path, *, configures: bool) -> list[dict[str, Any]]:
    """As many lives as it takes; a person does what is asked for."""
    folder.mkdir()
    computer.folder = str(folder)
    plan = dict(plan)
    for _ in range(LIVES):
        records = life(computer, plan, folder)
        if ended(records):
            return records
        waits_for = records[-1]["outcome"] if records and records[-1]["type"] == "waiting" else None
        if waits_for == "awaiting_decision":
            plan["decision"] = {"configure": configures, "by": "staf", "reason": SAID}
        elif waits_for == "needs_person":
            computer.boots += 1  # by hand, as it asks for
    raise AssertionError(f"no end after {LIVES} lives: {[r['type'] for r in records]}")


@settings(max_examples=150, deadline=None)
@given(
    plan=plans(),
    before=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["0", "1"]), max_size=3),
    befalls=misfortunes(),
    broken=st.just(set()) | st.sets(st.sampled_from(NAMES), max_size=2),
    configures=st.booleans(),
)
def test_every_run_comes_to_one_of_its_ends(
    tmp_path_factory: pytest.TempPathFactory,
    plan: dict[str, Any],
    before: dict[str, str],
    befalls: dict[int, str],
    broken: set[str],
    configures: bool,
) -> None:
    root = tmp_path_factory.mktemp("computer")
    computer = Computer(root, before, dict(befalls), broken)
    records = lead(computer, plan, root / "run", configures=configures)
    check(computer, plan, records)
    event(f"{records[-1]['outcome']} after {sum(r['type'] == 'agent_started' for r in records)} lives")


@pytest.mark.parametrize("kind", ["fails", "raises", "disk", "stop", "power"])
def test_one_misfortune_at_every_moment(tmp_path: Path, kind: str) -> None:
    item = {"kind": "fake", "value": "1"}
    variant = {
        "when": {"os": "linux"},
        "requirements": {},
        "install": [{**item, "name": "a"}, {**item, "name": "b"}],
        "run": [{**item, "name": "c"}],
        "test": [{"kind": "probe", "name": "a"}],
        "configure": {"decision": "ask", "attempts": 2, "actions": [{**item, "name": "d"}]},
        "verify": [{"kind": "probe", "name": "d"}],
    }
    software = {"name": "contoh", "version": "1"}
    plan = {"mode": "install", "software": software, "location": "user", "payloads": {}, "variants": [variant]}
    moment = 0
    while True:
        moment += 1
        root = tmp_path / str(moment)
        computer = Computer(root, {"b": "0"}, {moment: kind}, set())
        root.mkdir()
        check(computer, plan, lead(computer, plan, root / "run", configures=True))
        if not computer.befell:
            break
    assert moment > 50


def check(computer: Computer, plan: dict[str, Any], records: list[dict[str, Any]]) -> None:
    """Everything that must hold of a run that has ended."""
    check_order(records)
    check_never_twice(computer)
    check_end(computer, plan, records)


def check_order(records: list[dict[str, Any]]) -> None:
    """The journal is one story: numbered, each visit begun once and ended once at most, one end."""
    assert [r["seq"] for r in records] == list(range(1, len(records) + 1))
    assert [r["type"] for r in records].count("run_ended") == 1
    begun: list[tuple[int, int]] = []
    for r in records:
        if r["type"] == "step_started":
            assert (r["step"], r["visit"] - 1) in begun or r["visit"] == 1
            begun.append((r["step"], r["visit"]))
    assert len(begun) == len(set(begun))
    closed = [(r["step"], r["visit"]) for r in records if r["type"] == "step_ended"]
    assert len(closed) == len(set(closed))
    assert set(closed) <= set(begun)
    for step in (4, 5, 6, 7, 9):
        results = [r["result"] for r in records if r["type"] == "step_ended" and r["step"] == step]
        assert "ok" not in results[:-1], "what has succeeded is not done again"


def check_never_twice(computer: Computer) -> None:
    """Between two applications of the same thing the computer was seen without it."""
    seen_without: dict[str, bool] = {}
    for verb, name in computer.told:
        if verb == "apply":
            assert seen_without.get(name, False), name
            seen_without[name] = False
        elif verb in ("absent", "different"):
            seen_without[name] = True
        elif verb == "present":
            seen_without[name] = False


def check_end(computer: Computer, plan: dict[str, Any], records: list[dict[str, Any]]) -> None:
    end, ledger = records[-1], Ledger(records)
    assert computer.unwritten == []
    befell = [word for word, _ in computer.befell]
    if set(befell) <= {"killed", "power"} and befell.count("power") < FALLS:
        assert end["outcome"] in ("installed", "already_installed"), "a death alone is no failure"
    variant = plan["variants"][0]
    wanted = [item["name"] for section in ("install", "run") for item in variant[section]]
    if ledger.decision and ledger.decision["configure"]:
        wanted += [item["name"] for item in variant["configure"]["actions"]]
    undo_failed = any(
        verb in ("undo", "undone") for word, verb in computer.befell if word in ("fails", "raises", "disk")
    )
    match end["outcome"]:
        case "installed" | "already_installed":
            assert all(computer.state[name] == "1" for name in wanted)
            assert bool(ledger.effects) == (end["outcome"] == "installed")
            states = [r["state"] for r in records if r["type"] == "reboot"]
            assert states.count("due") == states.count("done")
            assert ledger.rollback is None
        case "rolled_back" | "not_started":
            assert computer.state == computer.before
            assert end["rollback"] is None or end["rollback"]["verdict"] == "clean"
            assert all(effect.undone == "changed" for effect in ledger.effects)
        case "needs_person":
            assert undo_failed or not ledger.effects or any(word == "raises" for word, _ in computer.befell), (
                computer.befell
            )
            assert all(effect.undone for effect in ledger.effects), "an undo that was not tried is lost"
        case other:
            raise AssertionError(other)
