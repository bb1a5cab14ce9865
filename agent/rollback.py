"""Step 8: the software is taken back, and the computer is proved to be as it was.

The undo log runs backwards; then the state is compared with the state before. What is left over is named, never hidden.
"""

from __future__ import annotations

import json
import os
import shutil
import time

from agent import snapshot
from agent.actions import ActionFailed, action
from agent.leftovers import Contents, Sweep, windows_of
from agent.probes import probe
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Sequence

    from agent.procedure import Procedure

SETTLING_S = 5.0
"""How long ports and services may take to go after their software has gone."""
LISTED_CHANGES = 100
"""How many changes a record names; the counts are always whole."""


def take_back(procedure: Procedure, failure: dict[str, Any]) -> None:
    """Undo everything this run did, prove it, and end the run."""
    if procedure.ledger.rollback is None:
        procedure.begin_step(8)
        troubles = undo_all(procedure)
        verdict = prove(procedure, troubles)
        procedure.note("rollback", durable=True, step=8, **verdict)
    rollback = procedure.ledger.rollback
    assert rollback is not None  # noqa: S101 - for the type checker: written just above
    summary = {key: rollback[key] for key in ("verdict", "residue", "restored")}
    if procedure.ledger.is_open(8):
        procedure.end_step(8, "ok" if rollback["verdict"] == "clean" else "failed", rollback["reason"])
        procedure.loop(8, 1, failure["reason"])
    outcome = "needs_person" if rollback["verdict"] == "failed" else "rolled_back"
    if not procedure.ledger.effects and procedure.is_installed():
        # Nothing was changed, so there is nothing to take back, and what does not work was there before us.
        outcome = "needs_person"
    procedure.end(outcome, failure["step"], failure["reason"], rollback=summary)


def undo_all(procedure: Procedure) -> list[dict[str, str]]:
    """Every effect backwards; one that cannot be undone does not keep the others from it. The troubles met.

    Effects that only make a service read its files again are undone last, when the files are as they were.
    """
    effects = list(reversed(procedure.ledger.effects))
    effects = [e for e in effects if not e.entry.get("late")] + [e for e in effects if e.entry.get("late")]
    troubles = []
    for effect in effects:
        if effect.undone == "changed":
            continue
        number = {
            "effect": effect.number,
            "verb": "undo",
            "section": effect.section,
            "index": effect.index,
            "kind": effect.kind,
        }
        procedure.note("intent", durable=True, step=8, title=effect.title, undo=None, **number)
        trouble, evidence, seconds = undo(procedure, effect.kind, effect.entry)
        if trouble:
            troubles.append(trouble)
        result = "failed" if trouble else "changed"
        procedure.note(
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


def undo(procedure: Procedure, kind: str, entry: dict[str, Any]) -> Any:
    """Undo one effect: ``(trouble or None, evidence, seconds)``."""
    began = time.monotonic()
    trouble: dict[str, str] | None = None
    evidence: dict[str, Any] = {}
    try:
        evidence = action(kind).undo(entry, procedure.host)
    except ActionFailed as failed:
        trouble, evidence = failed.reason, failed.evidence
    except Exception as error:  # noqa: BLE001 - the rest must be taken back whatever this was
        trouble = text(f"kesalahan tak terduga: {error!r}", f"an unexpected error: {error!r}")
    return trouble, evidence, round(time.monotonic() - began, 3)


def prove(procedure: Procedure, troubles: list[dict[str, str]]) -> dict[str, Any]:
    """The verdict: the state now held against the state before, and the version before against its own probes."""
    before = load(os.path.join(procedure.folder, "before.json"))
    if before is None:
        verdict = "failed" if troubles or procedure.ledger.effects else "clean"
        return {"verdict": verdict, "residue": [], "restored": None, "reason": first(troubles)}
    state, residue = settle(procedure, before["snapshot"])
    if residue:
        contents = Contents(procedure.folder, before["contents"])
        sweep = Sweep(procedure.host, os.path.join(procedure.folder, "keep", "leftovers"), contents)
        windows = windows_of(procedure.journal.records)
        swept(procedure, lambda: sweep.rollback(residue, before["snapshot"], windows))
        state, residue = settle(procedure, before["snapshot"])
    digest = save(os.path.join(procedure.folder, "after.json"), {"snapshot": state})
    procedure.note("snapshot", step=8, when="after", digest=digest, counts=snapshot.counts(state), **state["notes"])
    broken = ask_again(procedure, before["baseline"]["probes"])
    restored = before["baseline"]["version"]
    if troubles or broken:
        return {"verdict": "failed", "residue": residue, "restored": restored, "reason": first(troubles + broken)}
    if residue:
        names = ", ".join(row["name"] for row in residue[:5])
        reason = text(f"masih tersisa: {names}", f"left over: {names}")
        return {"verdict": "residue", "residue": residue, "restored": restored, "reason": reason}
    return {"verdict": "clean", "residue": [], "restored": restored, "reason": None}


def swept(procedure: Procedure, work: Callable[[], dict[str, list[str]]]) -> None:
    """Sweep, between an intent and an effect as everything that changes the computer."""
    title = text("Membersihkan yang ditinggalkan pemasang", "Clear away what the installer left behind")
    number = 1 + max((r["effect"] for r in procedure.journal.records if r["type"] == "intent"), default=0)
    about = {"effect": number, "verb": "undo", "section": "leftovers", "index": 0, "kind": "leftovers", "title": title}
    procedure.note("intent", durable=True, step=8, undo=None, **about)
    began = time.monotonic()
    trouble, evidence = None, {}
    try:
        evidence = work()
    except OSError as error:
        trouble = text(f"tidak dapat dibersihkan: {error}", f"cannot be cleared away: {error}")
    result = "failed" if trouble else "changed"
    seconds = round(time.monotonic() - began, 3)
    procedure.note(
        "effect", durable=True, step=8, result=result, evidence=evidence, reason=trouble, seconds=seconds, **about
    )


def settle(procedure: Procedure, before: snapshot.Snapshot) -> Any:
    """The state now and what is not as before; ports and services get a moment to go: ``(snapshot, residue)``."""
    deadline = time.monotonic() + SETTLING_S
    watch = procedure.variant.get("watch", [])
    state = snapshot.take(procedure.host, watch, before=before)
    while True:
        residue = snapshot.difference(before, state)
        if not any(row["kind"] in ("port", "service") for row in residue) or time.monotonic() > deadline:
            return state, residue
        time.sleep(0.2)
        state = snapshot.take(procedure.host, watch, before=before)


def baseline(procedure: Procedure) -> dict[str, Any]:
    """How to prove the version before, should it have to come back: its probes and its version string.

    Where Pasang installed it, these are the probes of its own playbook. Where somebody else did, those of the new
    playbook that pass on it now. Empty where the software is not on the computer.
    """
    kept = load(record_path(procedure))
    if kept:
        return {"version": kept["software"].get("version"), "probes": kept["probes"]}
    found = [procedure.look(spec) for spec in procedure.section("install")]
    versions = [d.found for d in found if d.state == "different"]
    if not versions and not all(d.present for d in found):
        return {"version": None, "probes": []}
    since = (procedure.ledger.variant or {}).get("since", {})
    specs = [{**spec, "within_s": 0} for spec in procedure.section("test")]
    passing = [spec for spec in specs if probe(spec, procedure.host, since)["verdict"] == "passed"]
    return {"version": ", ".join(filter(None, versions)) or None, "probes": [{**s, "within_s": 10} for s in passing]}


def ask_again(procedure: Procedure, probes: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """The probes of the version before, recorded in step 8; the reasons of those that do not pass."""
    since = (procedure.ledger.variant or {}).get("since", {})
    broken = []
    for index, spec in enumerate(probes):
        row = probe({**spec, "within_s": max(10, spec.get("within_s") or 0)}, procedure.host, since)
        procedure.note("probe", step=8, section="before", index=index, **row)
        if row["verdict"] != "passed":
            broken.append(row["reason"] or row["title"])
    return broken


def keep_record(procedure: Procedure) -> None:
    """Remember on the computer what was installed and how: for a later upgrade, verification or removal."""
    before = load(os.path.join(procedure.folder, "before.json"))
    state = snapshot.take(procedure.host, procedure.variant.get("watch", []), before=(before or {}).get("snapshot"))
    changes = snapshot.difference((before or {}).get("snapshot", {}), state) if before else []
    path = record_path(procedure)
    kept = load(path) or {"runs": []}
    kept["runs"] = [run for run in kept["runs"] if run["folder"] != procedure.folder]
    added = {row["name"]: state["files"][row["name"]][8] for row in changes if row["name"] in state["files"]}
    kept["runs"].append({"folder": procedure.folder, "changes": changes, "contents": added, "effects": log(procedure)})
    kept["software"] = procedure.plan["software"]
    kept["probes"] = procedure.section("test") + procedure.section("verify")
    digest = save(path, kept)
    procedure.note(
        "snapshot",
        step=11,
        when="installed",
        digest=digest,
        counts=snapshot.counts(state),
        changes=changes[:LISTED_CHANGES],
        changed=len(changes),
        **state["notes"],
    )


def log(procedure: Procedure) -> list[dict[str, Any]]:
    """The undo log as it is kept beyond the run: oldest first."""
    return [{"kind": e.kind, "title": e.title, "undo": e.entry} for e in procedure.ledger.effects if not e.undone]


def uninstall(procedure: Procedure) -> None:
    """Step 8 by hand: back to before the first run that installed the software here, and the proof of it.

    Without such a run on record (somebody else installed it) each action is undone as if nothing of it had been there.
    """
    path = record_path(procedure)
    kept = load(path)
    if kept is None and not any(
        procedure.look(s).state in ("present", "different") for s in procedure.section("install")
    ):
        procedure.end("not_installed", 8, None)
        return
    procedure.gate()
    procedure.begin_step(8)
    runs = (
        kept["runs"] if kept else [{"folder": None, "changes": [], "contents": {}, "effects": foreign_log(procedure)}]
    )
    before = load(os.path.join(procedure.folder, "before.json"))
    if before is None:
        before = {"snapshot": snapshot.take(procedure.host, procedure.variant.get("watch", [])), "baseline": {}}
        save(os.path.join(procedure.folder, "before.json"), before)
    troubles = undo_log(procedure, [effect for run in reversed(runs) for effect in reversed(run["effects"])])
    troubles += undo_section(procedure)
    verdict = prove_removal(procedure, runs, troubles)
    procedure.note("rollback", durable=True, step=8, **verdict)
    procedure.end_step(8, "ok" if verdict["verdict"] == "clean" else "failed", verdict["reason"])
    if verdict["verdict"] != "failed" and kept:
        os.unlink(path)
        for run in runs:
            shutil.rmtree(os.path.join(run["folder"], "keep"), ignore_errors=True)
    summary = {key: verdict[key] for key in ("verdict", "residue", "restored")}
    outcome = "needs_person" if verdict["verdict"] == "failed" else "uninstalled"
    procedure.end(outcome, 8, verdict["reason"], rollback=summary)


def undo_log(procedure: Procedure, effects: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Undo kept effects in the order given; the journal says which are done, so that it can be gone on with."""
    done = {r["effect"] for r in procedure.journal.records if r["type"] == "effect" and r["verb"] == "undo"}
    troubles = []
    for number, effect in enumerate(effects, 1):
        if number in done:
            continue
        about = {"effect": number, "verb": "undo", "section": "uninstall", "index": number, "kind": effect["kind"]}
        procedure.journal.append("intent", durable=True, step=8, title=effect["title"], undo=None, **about)
        trouble, evidence, seconds = undo(procedure, effect["kind"], effect["undo"])
        if trouble:
            troubles.append(trouble)
        outcome = {
            "result": "failed" if trouble else "changed",
            "evidence": evidence,
            "reason": trouble,
            "seconds": seconds,
        }
        procedure.journal.append("effect", durable=True, step=8, title=effect["title"], **outcome, **about)
    return troubles


def undo_section(procedure: Procedure) -> list[dict[str, str]]:
    """The playbook's own ``uninstall`` section: what the undo of the actions cannot know."""
    troubles = []
    for spec in procedure.section("uninstall"):
        if procedure.look(spec).present:
            continue
        kind = action(spec["kind"])
        try:
            evidence = kind.apply(spec, procedure.host)
        except ActionFailed as failed:
            troubles.append(failed.reason)
            evidence = failed.evidence
        procedure.note("removed", step=8, kind=spec["kind"], title=kind.title(spec), evidence=evidence)
    return troubles


def foreign_log(procedure: Procedure) -> list[dict[str, Any]]:
    """An undo log for software that somebody else installed, oldest effect first."""
    specs = [s for name in ("install", "run", "configure") for _, s in procedure.actions(name)]
    found = []
    for spec in specs:
        kind = action(spec["kind"])
        entry = kind.absent(spec, procedure.host)
        if entry is not None:
            found.append({"kind": spec["kind"], "title": kind.title(spec), "undo": entry})
    return found


def prove_removal(
    procedure: Procedure, runs: Sequence[dict[str, Any]], troubles: list[dict[str, str]]
) -> dict[str, Any]:
    """Everything that the installing runs changed must be as it was before the first of them."""
    first_folder = runs[0]["folder"]
    earlier = load(os.path.join(first_folder, "before.json")) if first_folder else None
    now = snapshot.take(procedure.host, procedure.variant.get("watch", []))
    residue: list[dict[str, str]] = []
    if earlier:
        touched = {(row["kind"], row["name"]) for run in runs for row in run["changes"]}
        state, left = settle(procedure, earlier["snapshot"])
        residue = [row for row in left if (row["kind"], row["name"]) in touched]
        if residue:
            installed = {path: content for run in runs for path, content in run["contents"].items()}
            sweep = Sweep(
                procedure.host, os.path.join(procedure.folder, "keep", "leftovers"), Contents(procedure.folder)
            )
            swept(procedure, lambda: sweep.removal(residue, state, installed))
            _, left = settle(procedure, earlier["snapshot"])
            residue = [row for row in left if (row["kind"], row["name"]) in touched]
    still = [s for s in procedure.section("install") if procedure.look(s).state == "present"]
    residue += [{"kind": s["kind"], "name": action(s["kind"]).title(s)["en"], "change": "added"} for s in still]
    digest = save(os.path.join(procedure.folder, "after.json"), {"snapshot": now})
    procedure.note("snapshot", step=8, when="after", digest=digest, counts=snapshot.counts(now), **now["notes"])
    if troubles:
        return {"verdict": "failed", "residue": residue, "restored": None, "reason": first(troubles)}
    if residue:
        names = ", ".join(row["name"] for row in residue[:5])
        return {
            "verdict": "residue",
            "residue": residue,
            "restored": None,
            "reason": text(f"masih tersisa: {names}", f"left over: {names}"),
        }
    return {"verdict": "clean", "residue": [], "restored": None, "reason": None}


def first(reasons: Sequence[dict[str, str]]) -> dict[str, str] | None:
    """The first reason, or None."""
    return reasons[0] if reasons else None


def record_path(procedure: Procedure) -> str:
    """Where the computer remembers this software."""
    return os.path.join(procedure.host.root, "installed", procedure.plan["software"]["name"] + ".json")


def save(path: str, content: dict[str, Any]) -> str:
    """Write JSON so that it is there whole or not at all; the SHA-256 of its bytes."""
    from agent.digest import sha256

    data = json.dumps(content, separators=(",", ":")).encode("utf-8", "surrogateescape")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".part", "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".part", path)
    return str(sha256(data).hexdigest())


def load(path: str) -> Any:
    """JSON of ours, or None where there is none (or it is damaged)."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None
