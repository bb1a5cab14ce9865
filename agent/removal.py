"""Step 8 by hand: how software is removed, with the same proof as after a failure."""

from __future__ import annotations

import os
import shutil

from agent import requirements, snapshot
from agent.actions import ActionFailed, action
from agent.contents import Contents
from agent.host import sweep_of
from agent.journal import read_lines
from agent.kept import load, record_path, save
from agent.moments import windows_of
from agent.protocol import text
from agent.rollback import first, last_of_its_kind, late_last, note_after, see_to_orphans, settle, swept, undo, unseen

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
    if not run.host.is_administrator:
        asked = (run.variant.get("requirements") or {}).get("administrator")
        if asked or requirements.is_roots(run.variant, run.host):
            run.end("not_eligible", 4, requirements.no_administrator(run.host))
            return
    run.gate()
    run.begin_step(8)
    runs = kept["runs"] if kept else [{"folder": None, "changes": [], "contents": {}, "effects": foreign_log(run)}]
    before = load(os.path.join(run.folder, "before.json"))
    if before is None:
        before = {"snapshot": snapshot.take(run.host, run.variant.get("watch", [])), "baseline": {}}
        save(os.path.join(run.folder, "before.json"), before)
    effects = [effect for each in reversed(runs) for effect in reversed(each["effects"])]
    see_to_orphans(run)
    effects = late_last(effects, lambda effect: effect["undo"])
    once = last_of_its_kind([(effect["kind"], effect["undo"]) for effect in effects])
    troubles = undo_log(run, [{**effect, "undo": entry} for effect, entry in zip(effects, once)])
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
            with run.watched(spec.get("stall_s")):
                evidence = kind.apply(spec, run.host)
        except ActionFailed as failed:
            troubles.append(failed.reason)
            evidence = failed.evidence
        run.note("removed", step=8, kind=spec["kind"], title=run.title(spec), evidence=evidence)
    return troubles


def foreign_log(run: Run) -> list[dict[str, Any]]:
    """An undo log for software that somebody else installed, oldest effect first."""
    specs = [s for name in ("install", "run", "configure") for _, s in run.actions(name)]
    found = []
    for spec in specs:
        kind = action(spec["kind"])
        entry = kind.absent(spec, run.host)
        if entry is not None:
            found.append({"kind": spec["kind"], "title": run.title(spec), "undo": entry})
    return found


def named(spec: dict[str, Any]) -> str:
    """What an action put there, by the name that it has in every language."""
    one = next((str(spec[word]) for word in ("path", "into", "name", "shell", "payload", "key") if spec.get(word)), "")
    several = [*(spec.get("argv") or ()), *(spec.get("payloads") or ()), *(spec.get("packages") or ())]
    return str(one or " ".join(several))


def journal_of(folder: str) -> list[dict[str, Any]]:
    """The records of an earlier run; empty where its journal is gone."""
    try:
        return [record for _, record in read_lines(os.path.join(folder, "journal.ndjson"))]
    except OSError:
        return []


def prove_removal(run: Run, runs: Sequence[dict[str, Any]], troubles: list[dict[str, str]]) -> dict[str, Any]:
    """Everything that the installing runs changed must be as it was before the first of them."""
    first_folder = runs[0]["folder"]
    earlier = load(os.path.join(first_folder, "before.json")) if first_folder else None
    now = snapshot.take(run.host, run.variant.get("watch", []))
    residue: list[dict[str, str]] = []
    if earlier:
        touched = {(row["kind"], row["name"]) for each in runs for row in each["changes"]}
        folders = [run.folder, *(each["folder"] for each in runs)]
        sweep = sweep_of(run.host, os.path.join(run.folder, "keep", "leftovers"), Contents(run.folder), folders)
        removing = windows_of(run.journal.records)
        is_due = sweep.is_due(removing)
        if not is_due:
            now, left = settle(run, earlier["snapshot"])
        else:  # what is at work still would be waited for in vain
            left = snapshot.difference(earlier["snapshot"], now)
        residue = [row for row in left if (row["kind"], row["name"]) in touched]
        if residue or is_due:
            installed = {path: content for each in runs for path, content in each["contents"].items()}
            windows = [window for each in runs for window in windows_of(journal_of(each["folder"]))]
            swept(
                run,
                lambda: sweep.removal(
                    residue,
                    earlier["snapshot"],
                    now,
                    installed=installed,
                    windows=windows,
                    removing=removing,
                ),
            )
            now, left = settle(run, earlier["snapshot"])
            residue = [row for row in left if (row["kind"], row["name"]) in touched]
    residue += unseen(run, [(effect["kind"], effect["undo"]) for each in runs for effect in each["effects"]])
    known = load(os.path.join(run.folder, "before.json"))["snapshot"].get("processes", {})
    residue += [{"kind": "process", "name": n, "change": "added"} for n in sorted(now["processes"].keys() - known)]
    still = [s for s in run.section("install") if run.look(s).state == "present"]
    residue += [{"kind": s["kind"], "name": named(s), "change": "added"} for s in still]
    note_after(run, now)
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
