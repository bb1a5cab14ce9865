"""Step 8: the software is taken back, and the computer is proved to be as it was.

The undo log runs backwards; then the state is compared with the state before. What is left over is named, never hidden.
"""

from __future__ import annotations

import os
import time

from agent import lock, snapshot
from agent.actions import ActionFailed, action
from agent.contents import Contents
from agent.digest import sha256
from agent.host import sweep_of
from agent.kept import load, packed, save
from agent.moments import windows_of
from agent.probes import probe
from agent.protocol import text
from agent.run import unexpected

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Sequence

    from agent.run import Run

SETTLING_S = 5.0
"""How long ports, services and processes may take to go after their software has gone."""


def take_back(run: Run, failure: dict[str, Any]) -> None:
    """Undo everything this run did, prove it, and end the run."""
    if run.ledger.rollback is None:
        run.begin_step(8)
        troubles = undo_all(run)
        verdict = prove(run, troubles)
        run.note("rollback", durable=True, step=8, **verdict)
    rollback = run.ledger.rollback
    assert rollback is not None  # noqa: S101 - for the type checker: written just above
    summary = {key: rollback[key] for key in ("verdict", "residue", "restored")}
    if rollback["restored"]:
        from agent.installed import keep_windows

        keep_windows(run)
    if run.ledger.is_open(8):
        run.end_step(8, "ok" if rollback["verdict"] == "clean" else "failed", rollback["reason"])
        run.loop(8, 1, failure["reason"])
    outcome = "needs_person" if rollback["verdict"] == "failed" else "rolled_back"
    if not run.ledger.effects and not run.ledger.stopped and run.is_installed():
        # Nothing was changed, so there is nothing to take back, and what does not work was there before us.
        outcome = "needs_person"
    run.end(outcome, failure["step"], failure["reason"], rollback=summary)


def undo_all(run: Run) -> list[dict[str, str]]:
    """Every effect backwards; one that cannot be undone does not keep the others from it. The troubles met.

    Effects that only make a service read its files again are undone last, when the files are as they were.
    """
    see_to_orphans(run)
    effects = late_last(list(reversed(run.ledger.effects)), lambda effect: effect.entry)
    once = last_of_its_kind([(effect.kind, effect.entry) for effect in effects])
    troubles = []
    for effect, entry in zip(effects, once):
        if effect.undone == "changed":
            continue
        number = {
            "effect": effect.number,
            "verb": "undo",
            "section": effect.section,
            "index": effect.index,
            "kind": effect.kind,
        }
        run.note("intent", durable=True, step=8, title=effect.title, undo=None, **number)
        trouble, evidence, seconds = undo(run, effect.kind, entry)
        if trouble:
            troubles.append(trouble)
        result = "failed" if trouble else "changed"
        run.note(
            "effect",
            durable=True,
            step=8,
            title=effect.title,
            result=result,
            evidence=evidence,
            reason=trouble,
            seconds=seconds,
            **number,
        )
    return troubles


def see_to_orphans(run: Run) -> None:
    """Of programs that a killed agent left at work: what was to be done is stopped, what takes back is waited for."""
    if lock.program_of(run.host.root):
        from agent import orphans

        begun = [record["verb"] for record in run.journal.records if record["type"] == "intent"]
        orphans.stop(run) if begun[-1:] == ["apply"] else orphans.wait(run, 8)


def late_last(effects: list[Any], entry_of: Callable[[Any], dict[str, Any]]) -> list[Any]:
    """In the order given, but for those that only make sense when the files are as they were (``late``)."""
    return sorted(effects, key=lambda effect: bool(entry_of(effect).get("late")))


def last_of_its_kind(effects: Sequence[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """The entries, in order; of several that let one service read its files again, only the last one does so."""
    seen: set[tuple[Any, ...]] = set()
    found = []
    for kind, entry in reversed(effects):
        about = (kind, entry.get("name"), entry.get("state"))
        found.append({**entry, "late": False} if entry.get("late") and about in seen else entry)
        seen.add(about)
    return found[::-1]


def undo(run: Run, kind: str, entry: dict[str, Any]) -> Any:
    """Undo one effect: ``(trouble or None, evidence, seconds)``."""
    began = time.monotonic()
    trouble: dict[str, str] | None = None
    evidence: dict[str, Any] = {}
    try:
        with run.watched(entry.get("stall_s")):
            evidence = action(kind).undo(entry, run.host)
    except ActionFailed as failed:
        trouble, evidence = failed.reason, failed.evidence
    except Exception as error:  # noqa: BLE001 - the rest must be taken back whatever this was
        trouble = unexpected(error)
    return trouble, evidence, round(time.monotonic() - began, 3)


def prove(run: Run, troubles: list[dict[str, str]]) -> dict[str, Any]:
    """The verdict: the state now held against the state before, and the version before against its own probes."""
    before = load(os.path.join(run.folder, "before.json"))
    if before is None:
        verdict = "failed" if troubles or run.ledger.effects else "clean"
        return {"verdict": verdict, "residue": [], "restored": None, "reason": first(troubles)}
    watch = run.variant.get("watch", [])
    residue = snapshot.difference(before["snapshot"], snapshot.take(run.host, watch, before=before["snapshot"]))
    contents = Contents(run.folder, before["contents"])
    sweep = sweep_of(run.host, os.path.join(run.folder, "keep", "leftovers"), contents, [run.folder])
    windows = windows_of(run.journal.records)
    if any(row["kind"] not in ("port", "process") for row in residue) or sweep.is_due(windows):
        swept(run, lambda: sweep.rollback(residue, before["snapshot"], windows))
    state, residue = settle(run, before["snapshot"])
    residue += unseen(run, [(effect.kind, effect.entry) for effect in run.ledger.effects])
    note_after(run, state)
    broken = ask_again(run, before["baseline"])
    restored = before["baseline"]["version"]
    if troubles or broken:
        return {"verdict": "failed", "residue": residue, "restored": restored, "reason": first(troubles + broken)}
    if residue:
        names = ", ".join(row["name"] for row in residue[:5])
        reason = text(f"masih tersisa: {names}", f"left over: {names}")
        return {"verdict": "residue", "residue": residue, "restored": restored, "reason": reason}
    return {"verdict": "clean", "residue": [], "restored": restored, "reason": None}


def unseen(run: Run, effects: Sequence[tuple[str, dict[str, Any]]]) -> list[dict[str, str]]:
    """What effects that were undone have left, where only their kind can tell: rows as of ``snapshot.difference``."""
    found: list[dict[str, str]] = []
    for kind, entry in effects:
        if hasattr(action(kind), "residue"):
            found += action(kind).residue(entry, run.host)
    return found


def note_after(run: Run, state: snapshot.Snapshot) -> None:
    """Record the state after the way back. It is kept for whoever looks for it, as far as the disk has room."""
    content = {"snapshot": state}
    try:
        digest = save(os.path.join(run.folder, "after.json"), content)
    except OSError:
        digest = sha256(packed(content)).hexdigest()
    run.note("snapshot", step=8, when="after", digest=digest, counts=snapshot.counts(state), **state["notes"])


def swept(run: Run, work: Callable[[], dict[str, list[str]]]) -> None:
    """Sweep, between an intent and an effect as everything that changes the computer."""
    title = text("Membersihkan yang ditinggalkan pemasang", "Clear away what the installer left behind")
    number = 1 + max((r["effect"] for r in run.journal.records if r["type"] == "intent"), default=0)
    about = {"effect": number, "verb": "undo", "section": "leftovers", "index": 0, "kind": "leftovers", "title": title}
    run.note("intent", durable=True, step=8, undo=None, **about)
    began = time.monotonic()
    trouble, evidence = None, {}
    try:
        evidence = work()
    except OSError as error:
        trouble = text(f"tidak dapat dibersihkan: {error}", f"cannot be cleared away: {error}")
    result = "failed" if trouble else "changed"
    seconds = round(time.monotonic() - began, 3)
    run.note("effect", durable=True, step=8, result=result, evidence=evidence, reason=trouble, seconds=seconds, **about)


def settle(run: Run, before: snapshot.Snapshot) -> Any:
    """The state now and what is not as before; ports and services get a moment to go: ``(snapshot, residue)``."""
    deadline = time.monotonic() + SETTLING_S
    watch = run.variant.get("watch", [])
    state = snapshot.take(run.host, watch, before=before)
    while True:
        residue = snapshot.difference(before, state)
        if not any(row["kind"] in ("port", "service", "process") for row in residue) or time.monotonic() > deadline:
            return state, residue
        time.sleep(0.2)
        state = snapshot.take(run.host, watch, before=before)


def ask_again(run: Run, baseline: dict[str, Any]) -> list[dict[str, str]]:
    """The probes of the version before, recorded in step 8; the reasons of those that do not pass."""
    broken = []
    for index, spec in enumerate(baseline["probes"]):
        row = probe(spec, run.host, baseline["since"])
        run.note("probe", step=8, section="before", index=index, **row)
        if row["verdict"] != "passed":
            broken.append(row["reason"] or row["title"])
    return broken


def first(reasons: Sequence[dict[str, str]]) -> dict[str, str] | None:
    """The first reason, or None."""
    return reasons[0] if reasons else None
