"""``exe``: a set-up program, started with the words that the playbook gives it so that it asks nothing.

What it did cannot be known from the file, so the playbook says how it is seen (``detect``): by the uninstall entry, a
file, a value of the registry, or a service. Both must hold for it to have succeeded: that its maker's codes claim it,
and that the computer shows it; an uninstall entry alone may be the first thing that a set-up wrote.

It is taken back by the uninstall entries that it made, each made to ask nothing as its maker says.
"""

from __future__ import annotations

import os
import time

from agent.actions import ActionFailed, Detection
from agent.protocol import text
from agent.windows import former, installers, removal, seen, stragglers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host

TIMEOUT_S = 3600.0
SETTLING_S = 60.0
"""A set-up may end before all that it started has; what is asked for is waited for so long."""
IDLE_S = 3.0
"""A child that has done nothing for so long is not installing."""
LOOK_S = 0.5


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What it does, for the form."""
    return text(f"Menjalankan pemasang {spec['payload']}", f"Run the set-up {spec['payload']}")


def detect(spec: dict[str, Any], host: Host) -> Detection:
    """Look for what the playbook says is there afterwards."""
    return seen.look(spec["detect"], host)


def capture(spec: dict[str, Any], host: Host, keep: str) -> dict[str, Any]:
    """Keep which programs are there already, and what can bring the version before back.

    Raises:
        ActionFailed: there is another version that could not be brought back, and the playbook does not allow that.
    """
    payload = host.payload(spec["payload"])
    entry: dict[str, Any] = {
        "digest": payload["digest"],
        "detect": spec["detect"],
        "maker": maker_of(spec),
        "uninstall": spec.get("uninstall"),
        "timeout_s": timeout_of(spec),
        "programs": removal.listed(host),
        "before": None,
    }
    found = detect(spec, host)
    if found.state == "different":
        entry["before"] = former.keep(spec, found, host, keep)
        entry["services"] = installers.services_now(host)
    return entry


def apply(spec: dict[str, Any], host: Host) -> dict[str, Any]:
    """Run it to its end, and see that what is asked for is there."""
    digest = host.payload(spec["payload"])["digest"]
    known = installers.noted(host, digest)
    before = known["programs"] if known.get("begun") else removal.listed(host)
    path = installers.link(host, spec["payload"])
    installers.note(host, digest, {**known, "begun": True, "programs": before})
    words = [str(word) for word in spec.get("silent") or ()]
    try:
        evidence = carry_out(spec, host, [path, *words])
    except ActionFailed as failed:
        stopped = stragglers.stop(os.path.dirname(path))  # what it left would go on installing
        failed.evidence.update({"stopped_children": stopped} if stopped else {})
        names = [row[3] or row[0] for row in removal.fresh(before, host)]
        if names and spec["detect"].get("program"):  # perhaps the playbook has another name for it
            failed.evidence["entries"], new = names, ", ".join(names)
            failed.reason = text(
                f"{failed.reason['id']} Yang baru terdaftar: {new}.", f"{failed.reason['en']} Newly listed: {new}."
            )
        raise
    finally:
        installers.unlink(path)
    made = removal.fresh(before, host)
    how = {"digest": digest, "file": host.payload(spec["payload"])["file"], "silent": words, "maker": maker_of(spec)}
    installers.note(host, digest, {**how, "detect": spec["detect"], "entries": made})
    return {**evidence, "entries": [row[3] for row in made]}


def carry_out(spec: dict[str, Any], host: Host, argv: list[str]) -> dict[str, Any]:
    """Run the set-up, and what it goes on with, to their end; the evidence, once what is asked for is there.

    Raises:
        ActionFailed: it does not claim that, or it is not so.
    """
    folder = os.path.dirname(argv[0])
    said, evidence = installers.call(host, argv, maker=maker_of(spec), timeout_s=timeout_of(spec), directory=folder)
    code = evidence["exit_code"]
    if not (said.succeeded or said.kind == "did_nothing" or code in (spec.get("ok_codes") or ())):
        raise ActionFailed(said.reason, {**evidence, "found": detect(spec, host).found})
    now = settled(spec, host, folder)
    if not now.present:
        reason = text(
            f"Pemasang berakhir dengan kode {code}, tetapi yang diminta tidak ada: {said.reason['id']}",
            f"The set-up ended with code {code}, but what is asked for is not there: {said.reason['en']}",
        )
        raise ActionFailed(now.reason or reason, {**evidence, "found": now.found})
    return {**evidence, "found": now.found}


def settled(spec: dict[str, Any], host: Host, folder: str) -> Detection:
    """What is there, after a while where it is not yet, or where a child of the set-up still works on it.

    What is not there is waited for as long as a child gets on, and a minute more. A child that does nothing, or that
    goes on for longer when all is there, is what the set-up was to leave running.

    Args:
        spec: the action.
        host: this computer.
        folder: in which the set-up lay.
    """
    began = time.monotonic()
    pace = stragglers.Pace(folder)
    while True:
        is_any, now, moment = pace.is_any(), detect(spec, host), time.monotonic()
        idle_s = moment - pace.moved_at
        if now.present and (not is_any or idle_s > IDLE_S or moment - began > SETTLING_S):
            return now
        if moment - began > timeout_of(spec) or idle_s > min(SETTLING_S, timeout_of(spec)):
            return now
        time.sleep(LOOK_S)


def verify(spec: dict[str, Any], host: Host) -> Detection:
    """Look again."""
    return detect(spec, host)


def undo(entry: dict[str, Any], host: Host) -> dict[str, Any]:
    """Remove what it made, and bring the version before back; what it left running would hold its files."""
    evidence: dict[str, Any] = {"calls": []}
    stopped = stragglers.stop(installers.folder_of(host, entry["digest"]))
    evidence.update({"stopped_children": stopped} if stopped else {})
    known = installers.noted(host, entry["digest"])
    before = entry.get("before")
    if before is None or not former.is_there(before, host):
        removal.remove(entry, known.get("entries"), host, evidence)
        former.bring_back(before, entry, host, evidence)
    installers.forget(host, entry["digest"])
    evidence["services"] = installers.services_back(host, entry.get("services") or {})
    return evidence


def absent(spec: dict[str, Any], host: Host) -> dict[str, Any] | None:
    """To remove it in whatever version; None where it is not there."""
    if detect(spec, host).state == "absent":
        return None
    digest = host.payload(spec["payload"])["digest"]
    others = removal.listed(host, but=spec["detect"].get("program"))
    entry = {"digest": digest, "detect": spec["detect"], "maker": maker_of(spec), "programs": others, "before": None}
    return {**entry, "uninstall": spec.get("uninstall"), "timeout_s": timeout_of(spec)}


def maker_of(spec: dict[str, Any]) -> str:
    """Who made the set-up, as the playbook says."""
    return str(spec.get("maker") or "plain")


def timeout_of(spec: dict[str, Any]) -> float:
    """How long it may take."""
    return float(spec.get("timeout_s") or TIMEOUT_S)
