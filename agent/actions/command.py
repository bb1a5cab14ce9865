"""``command``: a program by its argv (a shell only where the plan asks for one), and its own way back.

What a command does cannot be seen by us unless the plan says how: by ``creates`` (a path that is there afterwards) or
``unless`` (a command that passes when nothing is left to do). With neither, ``detect`` says ``absent``, and ``verify``
says ``present`` with that reservation as its reason: the exit code was accepted, or ``apply`` would have raised;
whether it is enough is for the probes.
"""

from __future__ import annotations

import os

from agent import files
from agent.actions import ActionFailed, Detection, run
from agent.host import native
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.host import Host

TIMEOUT_S = 900


def title(spec: dict[str, Any]) -> dict[str, str]:
    """What it does, for the form."""
    words = " ".join(spec["argv"]) if spec.get("argv") else spec["shell"]
    if len(words) > 100:
        words = words[:99] + "…"
    return text(f"Menjalankan perintah {words}", f"Run the command {words}")


def detect(spec: dict[str, Any], host: Host) -> Detection:
    """Ask ``creates`` and ``unless``; either is enough."""
    if spec.get("creates"):
        path = files.expand(spec["creates"])
        if os.path.lexists(path):
            return Detection("present", path)
    if spec.get("unless"):
        from agent.probes import probe

        answer = probe(spec["unless"], host, {"at": 0, "mono": 0, "logs": {}})
        if answer["verdict"] == "passed":
            return Detection("present", answer["found"])
        if not spec.get("creates") and answer["verdict"] == "unknown":
            return Detection("unknown", answer["found"], answer["reason"])
    return Detection("absent", "", None if _detectable(spec) else UNDETECTABLE)


def capture(spec: dict[str, Any], host: Host, keep: str) -> dict[str, Any]:
    """Only the command's own undo can take it back; keep that, and how to see whether it did."""
    entry = {
        key: spec[key]
        for key in ("undo", "environment", "directory", "timeout_s", "creates", "unless")
        if spec.get(key)
    }
    if spec.get("creates"):
        entry["created_before"] = os.path.lexists(files.expand(spec["creates"]))
    return entry


def apply(spec: dict[str, Any], host: Host) -> dict[str, Any]:
    """Run it to its end."""
    argv = [files.expand(word) for word in spec["argv"]] if spec.get("argv") else [*native.SHELL, spec["shell"]]
    return start(argv, spec, host, [int(code) for code in spec.get("ok_codes") or [0]])


def verify(spec: dict[str, Any], host: Host) -> Detection:
    """Ask again, where there is something to ask."""
    if not _detectable(spec):
        return Detection("present", "", UNDETECTABLE)
    return detect(spec, host)


def undo(entry: dict[str, Any], host: Host) -> dict[str, Any]:
    """Run the command's own undo. Where it fails although nothing is left to take back, that is no failure."""
    back = entry.get("undo")
    if not back:
        return {"undo": None}
    if entry.get("created_before"):
        return {"undo": None, "creates": entry["creates"]}  # there before us: the command had nothing to do
    argv = [files.expand(word) for word in back["argv"]] if back.get("argv") else [*native.SHELL, back["shell"]]
    try:
        own = {key: value for key, value in back.items() if value is not None}
        return start(argv, {**entry, **own}, host, [int(code) for code in back.get("ok_codes") or [0]])
    except ActionFailed as failure:
        if _detectable(entry) and detect(entry, host).state == "absent":
            return dict(failure.evidence, nothing_left=True)
        raise


def absent(spec: dict[str, Any], host: Host) -> dict[str, Any] | None:
    """To run the command's own undo; None where it has none."""
    return {k: v for k, v in capture(spec, host, "").items() if k != "created_before"} if spec.get("undo") else None


UNDETECTABLE = text(
    "Rencana tidak menyebutkan cara melihat hasil perintah ini (creates atau unless).",
    "The plan does not say how the effect of this command can be seen (creates or unless).",
)


def _detectable(spec: dict[str, Any]) -> bool:
    return bool(spec.get("creates") or spec.get("unless"))


def start(argv: list[str], spec: dict[str, Any], host: Host, ok_codes: list[int]) -> dict[str, Any]:
    """Run a program with the environment, folder and patience of ``spec``.

    Raises:
        ActionFailed: it is missing, took too long, or ended with a code that is not among ``ok_codes``.
    """
    directory = files.expand(spec["directory"]) if spec.get("directory") else None
    timeout_s = float(spec.get("timeout_s") or TIMEOUT_S)
    name = argv[0]
    if directory is not None and not os.path.isdir(directory):
        raise ActionFailed(text(f"Folder {directory} tidak ada.", f"There is no folder {directory}."), {"argv": argv})
    result = run(host, argv, timeout_s=timeout_s, environment=spec.get("environment"), directory=directory)
    code = result.code or 0
    if code not in ok_codes:
        how = (
            text(f"{name} dihentikan oleh sinyal {-code}.", f"{name} was ended by signal {-code}.")
            if code < 0
            else text(f"{name} berakhir dengan kode {code}.", f"{name} ended with exit code {code}.")
        )
        raise ActionFailed(how, result.evidence())
    return result.evidence()
