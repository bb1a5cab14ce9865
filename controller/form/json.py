"""The form as JSON: canonical bytes, a digest that any tool can compute, and where each part stands.

The file has one part a line, in a fixed order: first the record, then ``digest``, ``parts`` and ``signatures``. The
digest is the SHA-256 of the record's lines, that is of everything before the line that begins with ``"digest"``, so it
can be checked without this program::

    sed '/^"digest":/,$d' FI-2026-000001.json | sha256sum

``parts`` names the digest of each line, so that a changed byte can be placed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from controller.form.model import (
    SPEAKS_FOR_ITSELF,
    Arc,
    Change,
    Form,
    Requirement,
    Row,
    Signature,
    StoppedProgram,
    Test,
)
from controller.text import Text

FORMAT = 1


def canonical(value: object) -> str:
    """JSON with one spelling for each value: sorted keys, no spaces, UTF-8, no NaN."""
    written = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    # A lone half of a surrogate pair, out of some program's output, has no UTF-8; escaped it is ordinary JSON.
    return written.encode("utf-8", "backslashreplace").decode("utf-8")


def record_of(form: Form) -> dict[str, Any]:
    """The form without digest and signatures: what is signed. Keys in the order of the file."""
    return {
        "pasang_form": FORMAT,
        "number": form.number,
        "software": dict(form.software),
        "host": form.host,
        "hostname": form.hostname,
        "address": form.address,
        "location": form.location.value,
        "owner": form.owner,
        "asset_tag": form.asset_tag,
        "site": form.site,
        "run": form.run,
        "mode": form.mode,
        "by": form.by,
        "playbook": form.playbook,
        "plan_digest": form.plan_digest,
        "opened_at": form.opened_at,
        "ended_at": form.ended_at,
        "outcome": form.outcome,
        "reason": _text(form.reason),
        "steps": [_row(row) for row in form.steps],
        "arcs": [_arc(arc) for arc in form.arcs],
        "facts": dict(form.facts),
        "payloads": [vars(payload) for payload in form.payloads],
        "requirements": [_measured(requirement) for requirement in form.requirements],
        "tests": [_measured(test) for test in form.tests],
        "changes": [_change(change) for change in form.changes],
        "decision": _decision(form),
        "rollback": _rollback(form),
        **({"reboots": [vars(reboot) for reboot in form.reboots]} if form.reboots else {}),
        # Only where there is something to say: the digest of the forms signed before these parts were known holds.
        **({"stop": vars(form.stop)} if form.stop else {}),
        **({"stopped": [_stopped(program) for program in form.stopped]} if form.stopped else {}),
        "others": [dict(event) for event in form.others],
    }


def digest(form: Form) -> str:
    """SHA-256, hex, of the record: what a signature is put over. Signing does not change it."""
    return digest_of_record(record_of(form))


def digest_of_record(record: Mapping[str, Any]) -> str:
    """As ``digest``, for a record that was read from a file."""
    return hashlib.sha256(head_bytes(record)).hexdigest()


def head_bytes(record: Mapping[str, Any]) -> bytes:
    """The record's lines as they stand at the beginning of the file."""
    return ("{\n" + "".join(line + ",\n" for _, line in part_lines(record))).encode("utf-8")


def part_lines(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each part's name and its line without the comma at its end; a list takes a line for each of its items."""
    lines: list[tuple[str, str]] = []
    for key, value in record.items():
        if not (isinstance(value, list) and value):
            lines.append((key, f"{canonical(key)}:{canonical(value)}"))
            continue
        for index, item in enumerate(value):
            start = f"{canonical(key)}:[" if index == 0 else ""
            end = "]" if index == len(value) - 1 else ""
            lines.append((f"{key}[{index}]", start + canonical(item) + end))
    return lines


def to_json(form: Form) -> bytes:
    """The form as a file that ``verify`` can check without a database."""
    record = record_of(form)
    return spelled(
        record,
        digest=digest_of_record(record),
        parts={name: hashlib.sha256(line.encode("utf-8")).hexdigest() for name, line in part_lines(record)},
        signatures=[signature_of(signature) for signature in form.signatures],
    )


def spelled(
    record: Mapping[str, Any], *, digest: str, parts: Mapping[str, str], signatures: list[dict[str, Any]]
) -> bytes:
    """The whole file: the one and only spelling of a record and its seals."""
    seals = part_lines({"digest": digest, "parts": parts, "signatures": signatures})
    return head_bytes(record) + (",\n".join(line for _, line in seals) + "\n}\n").encode("utf-8")


def signature_of(signature: Signature) -> dict[str, Any]:
    """A signature with the record's own names."""
    return {
        "as": signature.role,
        "name": signature.name,
        "at": signature.at,
        "key": signature.key,
        "digest": signature.digest,
        "signature": signature.signature,
        **({"earlier": signature.earlier} if signature.earlier else {}),
    }


def digest_of_signatures(signatures: Sequence[Signature]) -> str:
    """What a later signature covers of those before it, in their order; empty where there are none."""
    if not signatures:
        return ""
    return hashlib.sha256(canonical([signature_of(one) for one in signatures]).encode("utf-8")).hexdigest()


def _text(value: Text | None) -> dict[str, str] | None:
    return value.as_json() if value else None


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds / 60, 2)


def _row(row: Row) -> dict[str, Any]:
    return {
        "no": row.step.no,
        "activity": row.step.activity.id,
        "actor": ", ".join(actor.printed.id for actor in row.step.actors),
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "standard_minutes": row.step.standard_minutes,
        "actual_minutes": _minutes(row.seconds),
        "actual_seconds": row.seconds,
        "result": row.result,
        "reason": _text(row.reason),
        "evidence": [line.as_json() for line in row.evidence],
        "visits": [{**vars(visit), "reason": _text(visit.reason)} for visit in row.visits],
    }


def _arc(arc: Arc) -> dict[str, Any]:
    return {**vars(arc), "reasons": [reason.as_json() for reason in arc.reasons]}


def _measured(measured: Requirement | Test) -> dict[str, Any]:
    return {
        **vars(measured),
        "title": measured.title.as_json(),
        "needed": _value(measured.needed),
        "found": _value(measured.found),
        "reason": _text(measured.reason),
    }


def _value(value: Text) -> str | dict[str, str]:
    """A plain string where both languages write it alike."""
    return value.id if value.id == value.en else value.as_json()


def _change(change: Change) -> dict[str, Any]:
    return {
        **vars(change),
        "title": change.title.as_json(),
        "reason": _text(change.reason),
        "evidence": "\n".join(v.en if name in SPEAKS_FOR_ITSELF else f"{name}: {v.en}" for name, v in change.evidence),
    }


def _decision(form: Form) -> dict[str, Any] | None:
    if form.decision is None:
        return None
    said = {**vars(form.decision), "reason": _text(form.decision.reason)}
    if form.decision.keep is None:
        del said["keep"]  # a person's, or the playbook's
    return said


def _stopped(program: StoppedProgram) -> dict[str, Any]:
    return {**vars(program), "waits": _text(program.waits), "parts": [vars(part) for part in program.parts]}


def _rollback(form: Form) -> dict[str, Any] | None:
    if form.rollback is None:
        return None
    return {
        **vars(form.rollback),
        "residue": [vars(residue) for residue in form.rollback.residue],
        "reason": _text(form.rollback.reason),
    }
