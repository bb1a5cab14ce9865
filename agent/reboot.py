"""A reboot within a run: on the disk before it, proved after it by another boot id, and gone on from at the very step.

Three records of type ``reboot`` stand around it: ``due`` when it turns out to be wanted, ``begun`` before each time
the computer is told, ``done`` when it is back. Whoever reboots it in between, the boot id tells.
"""

from __future__ import annotations

import time

from agent import alone, asleep
from agent.handover import program
from agent.host import boot
from agent.protocol import text
from agent.run import Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.ledger import Reboot
    from agent.run import Run

TRIES = 2
"""So often is the computer told; then a person is asked for."""
GOING_DOWN_S = 600.0
"""A service may take 90 seconds to stop, and some wait for others."""
AGAIN_S = 60.0
"""What refused it may have ended by then: an update, a backup."""


def after(run: Run, step: int, section: str, index: int | None, wanted: str) -> None:
    """Reboot where what was just done wants it; nothing where nothing was changed, or that reboot is behind us.

    Args:
        run: at the end of an action, or of a section.
        step: the one that is open.
        section: of the action.
        index: of the action; None: the whole section asks.
        wanted: ``if_needed`` or ``always``.

    Raises:
        Waiting: for its window, or for a person who reboots the computer.
        StepFailed: nobody has for too long.
    """
    visit = run.ledger.visits(step)
    reboot = run.ledger.reboot(section, index, visit)
    about = {"step": step, "section": section, "index": index, "visit": visit}
    if reboot is None:
        effects = [e for e in run.ledger.effects if (e.section, e.visit) == (section, visit)]
        if not any(e.result == "changed" and index in (None, e.index) for e in effects):
            return
        cause = run.pending_reboot()
        if cause is None and wanted == "if_needed":
            return
        now = run.host.boot_id()
        run.note("reboot", durable=True, state="due", wanted=wanted, cause=cause, boot=now, **about)
        reboot = run.ledger.reboot(section, index, visit)
        assert reboot is not None  # noqa: S101 - for the type checker: written just above
    while not reboot.is_done:
        if run.host.boot_id() == reboot.boot:
            go_down(run, reboot, about)
        else:
            come_back(run, reboot, about)


def go_down(run: Run, reboot: Reboot, about: dict[str, Any]) -> None:
    """Tell the computer to reboot, and be ended by that; returns only where it does not happen.

    Raises:
        Waiting: not now, or not by us.
        StepFailed: as ``after``.
    """
    if not run.host.is_going_down():
        check(run, reboot, about)
        run.note("reboot", durable=True, state="begun", boot=reboot.boot, **about)
        said = run.host.reboot()
        if not said.ok:
            words = said.said[:300]
            refused = text(f"ditolak: {words}", f"refused: {words}")
            run.note("reboot", state="failed", boot=reboot.boot, reason=refused, **about)
            time.sleep(AGAIN_S)
            return
    deadline = time.monotonic() + GOING_DOWN_S
    while time.monotonic() < deadline:
        time.sleep(1)
    minutes = round(GOING_DOWN_S / 60)
    late = text(f"belum padam setelah {minutes} menit", f"it had not gone down after {minutes} minutes")
    run.note("reboot", state="failed", boot=reboot.boot, reason=late, **about)


def check(run: Run, reboot: Reboot, about: dict[str, Any]) -> None:
    """Arrange to be started at boot, where we may and can reboot the computer now.

    Raises:
        Waiting: not now, or not by us.
        StepFailed: as ``after``.
    """
    if reboot.tries >= TRIES:
        reason = text(
            f"komputer {TRIES} kali diminta menyala ulang dan tidak melakukannya; nyalakan ulang dengan tangan",
            f"the computer was told {TRIES} times to reboot and did not; reboot it by hand",
        )
        raise by_hand(run, reboot, about, reason)
    if not boot.is_possible(run.host):
        reason = text(
            "komputer perlu dinyalakan ulang, dan agen tidak dapat melakukannya (bukan administrator, atau tanpa"
            " systemd): nyalakan ulang dengan tangan",
            "the computer needs a reboot, and the agent cannot do it (no administrator, or no systemd):"
            " reboot it by hand",
        )
        raise by_hand(run, reboot, about, reason)
    window = run.variant.get("reboot_window")
    if window is not None and not asleep.is_open(window):
        reason = text(
            f"menunggu jam nyala ulang, {window['from']}–{window['to']} menurut jam komputer itu",
            f"waiting for the time to reboot, {window['from']}–{window['to']} by the computer's clock",
        )
        raise Waiting("awaiting_reboot", about["step"], reason, boot=reboot.boot, window=window)
    try:
        boot.arrange(run.folder, program("boot", run.folder))
    except OSError as error:
        reason = text(
            f"agen tidak dapat dijalankan saat komputer menyala ({error}): nyalakan ulang dengan tangan",
            f"the agent cannot be started at boot ({error}): reboot it by hand",
        )
        raise by_hand(run, reboot, about, reason) from error


def by_hand(run: Run, reboot: Reboot, about: dict[str, Any], reason: dict[str, str]) -> BaseException:
    """What a run ends with for now where only a person can reboot the computer; the step, where none has for long."""
    step = about["step"]
    if alone.is_left(run):
        since = alone.passed(run)
        why = text(f"{since['id']}: {reason['id']}", f"{since['en']}: {reason['en']}")
        return alone.take_back(run, step, why)
    return Waiting("needs_person", step, reason, boot=reboot.boot, alone=run.variant.get("alone"))


def come_back(run: Run, reboot: Reboot, about: dict[str, Any]) -> None:
    """The boot id is another: the computer was rebooted, by us or by somebody else."""
    run.note(
        "reboot",
        durable=True,
        state="done",
        former=reboot.boot,
        boot=run.host.boot_id(),
        by="agent" if reboot.tries else "other",
        system=run.ready.get("system"),
        ready_s=run.ready.get("seconds"),
        left=run.pending_reboot(),
        **about,
    )
