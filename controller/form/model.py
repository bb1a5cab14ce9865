"""What stands on a Form Instalasi. Values only: how they came about is in ``project``, how they look in the renderings.

Times are RFC 3339 in UTC by the controller's clock; None where it is not known (yet).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller import sop
from controller.text import Text

FINISHED = ("installed", "already_installed")
"""Outcomes with which the software can be used, and which are therefore signed."""
SPEAKS_FOR_ITSELF = ("argv", "output")
"""Evidence that is shown without its name: a command, and what it wrote."""


@dataclass(frozen=True)
class Visit:
    """One time that a step was gone through; a loop back makes a second."""

    no: int
    """1 the first time."""
    started_at: str | None
    ended_at: str | None
    seconds: float | None
    result: str | None
    """None while it is going on."""
    reason: Text | None


@dataclass(frozen=True)
class Row:
    """One of the thirteen steps as it went."""

    step: sop.Step
    started_at: str | None
    ended_at: str | None
    seconds: float | None
    """All visits added up."""
    result: str | None
    """``ok``, ``not_met``, ``failed``, ``skipped`` (does not apply); None where it was not reached or is not over."""
    reason: Text | None
    evidence: tuple[Text, ...]
    visits: tuple[Visit, ...]


@dataclass(frozen=True)
class Arc:
    """A branch of the procedure that was taken."""

    step: int
    to: int
    count: int
    limit: int | None
    reasons: tuple[Text, ...]


@dataclass(frozen=True)
class Notice:
    """Step 3: what the user was told."""

    schedule: str
    """When the work is to be, RFC 3339."""
    channel: str
    """``recorded``, or how it was sent."""
    owner: str


@dataclass(frozen=True)
class Payload:
    """An installer that was inspected in step 1."""

    name: str
    file: str
    digest: str
    size_bytes: int | None
    format: str
    product: str
    """Name and version read out of the file; empty where the file has none."""
    signature: str


@dataclass(frozen=True)
class Requirement:
    """One line of the requirement table of step 4."""

    kind: str
    title: Text
    needed: Text
    found: Text
    verdict: str
    """``met``, ``not_met`` or ``unknown``."""
    reason: Text | None


@dataclass(frozen=True)
class Test:
    """One answer of a probe in step 6, 7, 8 or 11."""

    __test__ = False  # not a test of pytest's

    step: int
    visit: int
    kind: str
    title: Text
    needed: Text
    found: Text
    verdict: str
    """``passed``, ``failed`` or ``unknown``."""
    attempts: int | None
    seconds: float | None
    reason: Text | None


@dataclass(frozen=True)
class Change:
    """One effect on the computer: something done, or something taken back."""

    step: int
    effect: int | None
    kind: str
    verb: str
    """``apply`` or ``undo``."""
    title: Text
    result: str
    """``changed``, ``unchanged``, ``failed``, or ``unknown``: begun, and nothing is known of its end."""
    reason: Text | None
    seconds: float | None
    evidence: tuple[tuple[str, Text], ...]
    """What the computer answered, in short: names and values; may be empty."""


@dataclass(frozen=True)
class Residue:
    """Something that is not as it was before."""

    kind: str
    name: str
    change: str


@dataclass(frozen=True)
class Rollback:
    """What step 8 proved."""

    verdict: str
    residue: tuple[Residue, ...]
    restored: str | None
    """The version that was put back."""
    reason: Text | None
    """Why it is not clean; where it is, why that says less than usual: the software was not ours."""

    @property
    def is_foreign(self) -> bool:
        """Whether what was removed had been installed by somebody else, so that nobody knows what was there before."""
        return self.verdict == "clean" and self.reason is not None


@dataclass(frozen=True)
class Reboot:
    """A reboot that was wanted in the middle of a run, or still is after it."""

    step: int
    state: str
    """``due``, ``begun``, ``failed``, ``done``; ``pending``: the computer waits for one after the run."""
    cause: str
    """What the computer waited for; empty where the playbook wanted the reboot in any case."""
    former: str = ""
    """The boot id before it."""
    boot: str = ""
    """That after it, which proves it."""
    by: str = ""
    """``agent``, or ``other``: somebody else was faster."""
    began_at: str | None = None
    back_at: str | None = None


@dataclass(frozen=True)
class Decision:
    """Step 9. ``configure`` is None while a person must still decide."""

    configure: bool | None
    by: str
    reason: Text | None
    at: str | None
    keep: bool | None = None
    """Whether the software stays, where the agent decided alone (also in another step); else None."""


@dataclass(frozen=True)
class Stop:
    """A person's order to stop."""

    by: str
    at: str
    step: int | None
    """Which was stopped by it; None where nothing was left to stop: the way back had begun, or the end was near."""


@dataclass(frozen=True)
class Part:
    """One process of a program that was stopped, as it stood then."""

    pid: int | None
    parent: int | None
    command: str
    state: str
    """The kernel's letter."""
    waits_in: str
    """The call and its file, or the place in the kernel; may be empty."""
    unit: str
    """The service that it is of, where that was waited for; else empty."""
    began: str | None


@dataclass(frozen=True)
class StoppedProgram:
    """A program that did not get on, took too long, or was at work when a person wanted it stopped."""

    step: int
    command: str
    why: str
    """``stall``, ``timeout``, ``order``, or ``orphan``: its agent had been killed."""
    idle_seconds: float | None
    waits: Text | None
    """What it seemed to wait for."""
    asks: tuple[str, ...]
    """What it asked."""
    left: tuple[str, ...]
    """Processes that could not be ended."""
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Signature:
    """An Ed25519 signature over the digest, the role, the name and the time."""

    role: str
    name: str
    at: str
    key: str
    """Public key, base64."""
    digest: str
    signature: str
    """Base64."""
    earlier: str = ""
    """Digest of the signatures that stood there before it; empty where there were none, and in the oldest of them."""


@dataclass(frozen=True)
class Form:
    """One software on one computer, from its request to its signature."""

    number: str
    run: str
    mode: str
    software: Mapping[str, Any]
    """``name``, ``version`` and what else the playbook says of it."""
    host: str
    hostname: str
    address: str
    location: sop.Location
    owner: str
    asset_tag: str
    site: str
    by: str
    playbook: str
    plan_digest: str
    opened_at: str
    ended_at: str | None
    steps: tuple[Row, ...]
    """All thirteen, in order."""
    arcs: tuple[Arc, ...]
    notice: Notice | None
    facts: Mapping[str, Any]
    payloads: tuple[Payload, ...]
    requirements: tuple[Requirement, ...]
    tests: tuple[Test, ...]
    changes: tuple[Change, ...]
    decision: Decision | None
    rollback: Rollback | None
    reboots: tuple[Reboot, ...]
    stop: Stop | None
    stopped: tuple[StoppedProgram, ...]
    outcome: str
    reason: Text | None
    others: tuple[Mapping[str, Any], ...]
    """Records of a type this version does not know: kept and shown."""
    signatures: tuple[Signature, ...]

    @property
    def is_finished(self) -> bool:
        """Whether the software can be used, so that the form can be signed."""
        return self.outcome in FINISHED
