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
    needed: str
    found: str
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
    needed: str
    found: str
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
    evidence: str
    """What the computer answered, in short; may be empty."""


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


@dataclass(frozen=True)
class Decision:
    """Step 9. ``configure`` is None while a person must still decide."""

    configure: bool | None
    by: str
    reason: Text | None
    at: str | None


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
    facts: Mapping[str, Any]
    payloads: tuple[Payload, ...]
    requirements: tuple[Requirement, ...]
    tests: tuple[Test, ...]
    changes: tuple[Change, ...]
    decision: Decision | None
    rollback: Rollback | None
    outcome: str
    reason: Text | None
    others: tuple[Mapping[str, Any], ...]
    """Records of a type this version does not know: kept and shown."""
    signatures: tuple[Signature, ...]

    @property
    def is_finished(self) -> bool:
        """Whether the software can be used, so that the form can be signed."""
        return self.outcome in FINISHED
