"""Events in, form out: every ``form/NAME.ndjson`` must make what ``form/NAME.expected.json`` names of it.

An expectation names only what the case is about. ``steps`` is by number; ``counts`` are lengths of lists.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from controller.form.json import to_json
from controller.form.project import project
from tests.cases.forms import CASES, NAMES, events


def exported(records: list[dict[str, Any]]) -> dict[str, Any]:
    form: dict[str, Any] = json.loads(to_json(project(records)))
    return form


def compare(wanted: Any, found: Any, where: str) -> None:
    """Every value that is named must be there; lists must be as long as named."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            assert key in found, f"{where}.{key}"
            compare(value, found[key], f"{where}.{key}")
    elif isinstance(wanted, list):
        assert len(wanted) == len(found), where
        for index, value in enumerate(wanted):
            compare(value, found[index], f"{where}[{index}]")
    else:
        assert wanted == found, where


@pytest.mark.parametrize("name", NAMES)
def test_events_make_the_form(name: str) -> None:
    wanted = json.loads((CASES / f"{name}.expected.json").read_text(encoding="utf-8"))
    form = exported(events(name))
    for no, step in wanted.pop("steps", {}).items():
        compare(step, form["steps"][int(no) - 1], f"step {no}")
    for key, count in wanted.pop("counts", {}).items():
        assert len(form[key]) == count, key
    compare(wanted, form, name)


@pytest.mark.parametrize("name", NAMES)
def test_every_form_has_what_others_rely_on(name: str) -> None:
    form = exported(events(name))
    assert {"number", "software", "host", "location", "steps", "outcome", "rollback", "signatures", "digest"} <= set(
        form
    )
    assert [step["no"] for step in form["steps"]] == list(range(1, 14))
    keys = {
        "no",
        "activity",
        "actor",
        "started_at",
        "ended_at",
        "standard_minutes",
        "actual_minutes",
        "result",
        "evidence",
    }
    for step in form["steps"]:
        assert keys | {"visits"} <= set(step)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_events_make_the_same_bytes_in_any_mixture(name: str) -> None:
    records = events(name)
    wanted = to_json(project(records))
    for seed in range(5):
        mixed = [*records, *records[:7]]  # some came twice
        random.Random(seed).shuffle(mixed)
        assert to_json(project(mixed)) == wanted


@pytest.mark.parametrize("offset_s", [-86400.0, -2.5, 0.0, 7200.25])
def test_a_wrong_clock_on_the_computer_changes_nothing_on_the_form(offset_s: float) -> None:
    from datetime import datetime, timedelta

    from controller.records.record import timestamp

    records = events("configuration_loop")
    (connected,) = [record for record in records if record["type"] == "connected"]
    shift = timedelta(seconds=offset_s - connected["clock_offset_s"])
    connected["clock_offset_s"] = offset_s
    wrong = [
        {**r, "at": timestamp(datetime.fromisoformat(r["at"]) + shift)} if r["source"] == "agent" else r
        for r in records
    ]
    assert to_json(project(wrong)) == to_json(project(events("configuration_loop")))
