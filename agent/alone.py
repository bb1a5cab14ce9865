"""How long no controller has asked for a run, and what the agent decides by itself when that has been too long.

Counted by the boot clock, which no change of the time touches and which runs on while the computer sleeps, and kept on
the disk by boot: what had passed before the computer was switched off still counts, the time that it was off does not.
"""

from __future__ import annotations

import os

from agent.journal import mono, now
from agent.kept import load, save
from agent.light.contexts import suppress
from agent.protocol import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.run import Run

CONTACT = "contact.json"
ALONE = "alone.json"
UNITS = ((86400, "hari", "d"), (3600, "jam", "h"), (60, "menit", "min"), (1, "detik", "s"))


def heard(folder: str, boot: str) -> None:
    """A controller asks for the run, now. What cannot be kept (a full disk) is not known later: it decides sooner."""
    with suppress(OSError):
        save(os.path.join(folder, CONTACT), {"boot": boot, "mono": mono(), "at": now()})


class Alone:
    """The count of one run."""

    def __init__(self, folder: str, boot: str) -> None:
        """Read what is known.

        Args:
            folder: the run's.
            boot: this boot of the computer.
        """
        self._folder = folder
        self._boot = boot
        self._kept: dict[str, Any] = load(os.path.join(folder, ALONE)) or {}

    def seconds(self) -> float:
        """Since a controller was last heard of: in this boot and, where it was heard in an earlier one, in those since.

        Without any sign of one, since we first looked.
        """
        heard_of = load(os.path.join(self._folder, CONTACT)) or {}
        if self._kept.get("contact") != heard_of:
            self._kept = {"contact": heard_of, "boots": {}}
        boots: dict[str, list[float]] = self._kept["boots"]
        moment = mono()
        if self._boot not in boots:
            since = heard_of["mono"] if heard_of.get("boot") == self._boot else moment
            boots[self._boot] = [since, since]
        span = boots[self._boot]
        span[1] = max(span[1], moment)
        return sum(until - since for since, until in boots.values())

    def keep(self) -> None:
        """Put the count on the disk: a power cut costs what has passed since then."""
        self.seconds()
        with suppress(OSError):
            save(os.path.join(self._folder, ALONE), self._kept)


def is_over(policy: dict[str, Any] | None, count: Alone) -> bool:
    """Whether it has been as long as the playbook allows (``after_s``); never where a person is waited for."""
    return policy is not None and policy["then"] != "wait" and count.seconds() >= policy["after_s"]


def is_left(run: Run) -> bool:
    """Whether nobody has asked for this run for so long that it decides by itself."""
    policy = run.variant.get("alone")
    return policy is not None and is_over(policy, Alone(run.folder, run.host.boot_id()))


def decide(run: Run) -> bool:
    """Step 9 without a person: what is proved is kept as it is, where the playbook wants that; else it is taken back.

    Returns:
        False: it stays, and is not configured.

    Raises:
        StepFailed: it is to be taken back.
    """
    from agent.run import Halted, StepFailed

    since = passed(run)
    if run.variant["alone"]["then"] == "take_back":
        reason = text(f"{since['id']}; playbook: dikembalikan", f"{since['en']}; the playbook says: take back")
        raise take_back(run, 9, reason)
    try:
        with run.stoppable(9):
            run.ask_all(9, "test")
    except Halted:
        raise
    except StepFailed as failed:
        reason = text(
            f"{since['id']}, dan uji bawaan tidak lulus lagi: {failed.reason['id']}",
            f"{since['en']}, and the default test does not pass any more: {failed.reason['en']}",
        )
        raise take_back(run, 9, reason) from failed
    reason = text(
        f"{since['id']}; uji bawaan diulang dan lulus",
        f"{since['en']}; the default test was asked again and passes",
    )
    run.note("decision", durable=True, step=9, configure=False, by="agent", keep=True, reason=reason)
    run.end_step(9, "ok", reason)
    return False


def take_back(run: Run, step: int, reason: dict[str, str]) -> Exception:
    """Record that the agent takes it back; what ends the step."""
    from agent.run import StepFailed

    run.note("decision", durable=True, step=step, configure=False, by="agent", keep=False, reason=reason)
    if step == 9:
        run.end_step(9, "ok", reason)
    return StepFailed(step, reason)


def passed(run: Run) -> dict[str, str]:
    """That nobody asked for as long as the playbook allows, in words."""
    seconds = run.variant["alone"]["after_s"]
    size, id, en = next((unit for unit in UNITS if seconds >= unit[0] and seconds % unit[0] == 0), UNITS[-1])
    count = f"{seconds / size:g}"
    return text(f"tidak ada pengendali selama {count} {id}", f"no controller for {count} {en}")
