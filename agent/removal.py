"""Step 8 by hand: how software is removed, with the same proof as after a failure."""

from __future__ import annotations

import os
import shutil

from agent import snapshot
from agent.actions import ActionFailed, action
from agent.contents import Contents
from agent.kept import load, record_path, save
from agent.leftovers import Sweep
from agent.protocol import text
from agent.rollback import first, late_last, settle, swept, undo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from agent.run import Run


NOT_OURS = text(
    "bukan Pasang yang memasangnya: terbukti bahwa yang disebut playbook tidak ada lagi, selebihnya tidak diketahui",
    "Pasang had not installed it: proved is that what the playbook names is gone; the rest nobody can tell",
)


def uninstall(run: Run) -> None:
    """Step 8 by hand: back to before the first run that installed the software here, and the proof of it.

    Without such a run on record (somebody else installed it) each action is undone as if nothing of it had been there.
    """
    path = record_path(run.host.root, run.plan["software"]["name"])
    kept = load(path)
    if kept is None and not any(run.look(s).state in ("present", "different") for s in run.section("install")):
        run.end("not_installed", 8, None)
        return
    run.gate()
    run.begin_step(8)
    runs = kept["runs"] if kept else [{"folder": None, "changes": [], "contents": {}, "effects": foreign_log(run)}]
    before = load(os.path.join(run.folder, "before.json"))
    if before is None:
        before = {"snapshot": snapshot.take(run.host, run.variant.get("watch", [])), "baseline": {}}
        save(os.path.join(run.folder, "before.json"), before)
    effects = [effect for each in reversed(runs) for effect in reversed(each["effects"])]
    troubles = undo_log(run, late_last(effects, lambda effect: effect["undo"]))
    troubles += undo_section(run)
    verdict = prove_removal(run, runs, troubles)
    run.note("rollback", durable=True, step=8, **verdict)
    run.end_step(8, "ok" if verdict["verdict"] == "clean" else "failed", verdict["reason"])
    if verdict["verdict"] != "failed" and kept:
        os.unlink(path)
        for each in runs:
            shutil.rmtree(os.path.join(each["folder"], "keep"), ignore_errors=True)
    summary = {key: verdict[key] for key in ("verdict", "residue", "restored")}
    outcome = "needs_person" if verdict["verdict"] == "failed" else "uninstalled"
    run.end(outcome, 8, verdict["reason"], rollback=summary)


def undo_log(run: Run, effects: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Undo kept effects in the order given; the journal says which are done, so that it can be gone on with."""
    done = {r["effect"] for r in run.journal.records if r["type"] == "effect" and r["verb"] == "undo"}
    troubles = []
    for number, effect in enumerate(effects, 1):
        if number in done:
            continue
        about = {"effect": number, "verb": "undo", "section": "uninstall", "index": number, "kind": effect["kind"]}
        run.journal.append("intent", durable=True, step=8, title=effect["title"], undo=None, **about)
        trouble, evidence, seconds = undo(run, effect["kind"], effect["undo"])
        if trouble:
            troubles.append(trouble)
        outcome = {
            "result": "failed" if trouble else "changed",
            "evidence": evidence,
            "reason": trouble,
            "seconds": seconds,
        }
        run.journal.append("effect", durable=True, step=8, title=effect["title"], **outcome, **about)
    return troubles


def undo_section(run: Run) -> list[dict[str, str]]:
    """The playbook's own ``uninstall`` section: what the undo of the actions cannot know."""
    troubles = []
    for spec in run.section("uninstall"):
        if run.look(spec).present:
            continue
        kind = action(spec["kind"])
        try:
            evidence = kind.apply(spec, run.host)
        except ActionFailed as failed:
            troubles.append(failed.reason)
            evidence = failed.evidence
        run.note("removed", step=8, kind=spec["kind"], title=kind.title(spec), evidence=evidence)
    return troubles


def foreign_log(run: Run) -> list[dict[str, Any]]:
    """An undo log for software that somebody else installed, oldest effect first."""
    specs = [s for name in ("install", "run", "configure") for _, s in run.actions(name)]
    found = []
    for spec in specs:
        kind = action(spec["kind"])
        entry = kind.absent(spec, run.host)
        if entry is not None:
            found.append({"kind": spec["kind"], "title": kind.title(spec), "undo": entry})
    return found


def prove_removal(run: Run, runs: Sequence[dict[str, Any]], troubles: list[dict[str, str]]) -> dict[str, Any]:
    """Everything that the installing runs changed must be as it was before the first of them."""
    first_folder = runs[0]["folder"]
    earlier = load(os.path.join(first_folder, "before.json")) if first_folder else None
    now = snapshot.take(run.host, run.variant.get("watch", []))
    residue: list[dict[str, str]] = []
    if earlier:
        touched = {(row["kind"], row["name"]) for each in runs for row in each["changes"]}
        state, left = settle(run, earlier["snapshot"])
        residue = [row for row in left if (row["kind"], row["name"]) in touched]
        if residue:
            installed = {path: content for each in runs for path, content in each["contents"].items()}
            sweep = Sweep(run.host, os.path.join(run.folder, "keep", "leftovers"), Contents(run.folder))
            swept(run, lambda: sweep.removal(residue, state, installed))
            _, left = settle(run, earlier["snapshot"])
            residue = [row for row in left if (row["kind"], row["name"]) in touched]
    still = [s for s in run.section("install") if run.look(s).state == "present"]
    residue += [{"kind": s["kind"], "name": action(s["kind"]).title(s)["en"], "change": "added"} for s in still]
    digest = save(os.path.join(run.folder, "after.json"), {"snapshot": now})
    run.note("snapshot", step=8, when="after", digest=digest, counts=snapshot.counts(now), **now["notes"])
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
    return {"verdict": "clean", "residue": [], "restored": None, "reason": None if earlier else NOT_OURS}
