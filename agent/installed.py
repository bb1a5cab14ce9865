"""What the computer remembers of installed software: how to prove it, upgrade it, and take it back."""

from __future__ import annotations

import os

from agent import snapshot
from agent.kept import load, record_path, save

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.run import Run

LISTED_CHANGES = 100
"""How many changes a record names; the counts are always whole."""


def keep_record(run: Run) -> None:
    """Remember on the computer what was installed and how: for a later upgrade, verification or removal."""
    before = load(os.path.join(run.folder, "before.json"))
    state = snapshot.take(run.host, run.variant.get("watch", []), before=(before or {}).get("snapshot"))
    changes = snapshot.difference((before or {}).get("snapshot", {}), state) if before else []
    path = record_path(run.host.root, run.plan["software"]["name"])
    kept = load(path) or {"runs": []}
    kept["runs"] = [each for each in kept["runs"] if each["folder"] != run.folder]
    added = {row["name"]: state["files"][row["name"]][8] for row in changes if row["name"] in state["files"]}
    kept["runs"].append({"folder": run.folder, "changes": changes, "contents": added, "effects": log(run)})
    kept["software"] = run.plan["software"]
    kept["probes"] = run.section("test") + run.section("verify")
    kept["since"] = (run.ledger.variant or {}).get("since", {})
    digest = save(path, kept)
    run.note(
        "snapshot",
        step=11,
        when="installed",
        digest=digest,
        counts=snapshot.counts(state),
        changes=changes[:LISTED_CHANGES],
        changed=len(changes),
        **state["notes"],
    )


def keep_windows(run: Run) -> None:
    """Remember a run that was taken back beside those that installed the version which is here again, if any are.

    Scripts of that version ran once more on the way back, so that what they made bears the time of this run. It has
    nothing to undo and changed nothing.
    """
    path = record_path(run.host.root, run.plan["software"]["name"])
    kept = load(path)
    if kept is None or not run.ledger.effects or any(each["folder"] == run.folder for each in kept["runs"]):
        return
    kept["runs"].append({"folder": run.folder, "changes": [], "contents": {}, "effects": []})
    try:
        save(path, kept)
    except OSError:
        return  # the disk is full; a removal later will name what it cannot tell for ours


def log(run: Run) -> list[dict[str, Any]]:
    """The undo log as it is kept beyond the run: oldest first."""
    return [{"kind": e.kind, "title": e.title, "undo": e.entry} for e in run.ledger.effects if not e.undone]
