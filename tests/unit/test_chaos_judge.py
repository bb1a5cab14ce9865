"""The judge of the crash matrix: a form that needs a person is true only where it names all that is not as before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.computer import Reference
from tests.chaos.judge import Verdict
from tests.chaos.linux import as_told
from tests.lab.readout import Entry, Readout

PAGE, CONFIGURED, LEFT = "/etc/nginx/nginx.conf", "/etc/hosts", "/opt/nginx.bak"
BEFORE = Readout(
    packages={"bash": "5.2 install ok installed"},
    units={},
    active={"ssh.service": "active/running"},
    ports={"tcp 0.0.0.0:22": "sshd"},
    people={"user petugas": "x:1000:1000::/home/petugas:/bin/sh"},
    files={CONFIGURED: Entry("file", 0o644, 0, 0, 20, "aa"), "/etc/nginx.old": Entry("file", 0o644, 0, 0, 3, "bb")},
)
REFERENCE = Reference(Path("playbook.yaml"), Path("home"), BEFORE, {}, {}, frozenset(), 0, [])
HALF_DONE = replace(
    BEFORE,
    packages={**BEFORE.packages, "nginx": "1.22.1-9 install ok half-configured"},
    units={"nginx.service": "enabled"},
    people={**BEFORE.people, "user www": "x:33:33::/var/www:/bin/false"},
    files={
        CONFIGURED: Entry("file", 0o644, 0, 0, 21, "cc"),
        PAGE: Entry("file", 0o644, 0, 0, 9, "dd"),
        LEFT: Entry("folder", 0o755, 0, 0, 0, ""),
    },
)
"""A package that is half there, with its service and user; one file changed, one removed, a file and a folder added."""
RESIDUE = [
    {"kind": "package", "name": "nginx", "change": "added"},
    {"kind": "service", "name": "nginx.service", "change": "added"},
    {"kind": "user", "name": "www", "change": "added"},
    {"kind": "file", "name": CONFIGURED, "change": "changed"},
    {"kind": "file", "name": "/etc/nginx.old", "change": "removed"},
    {"kind": "file", "name": PAGE, "change": "added"},
    {"kind": "file", "name": LEFT, "change": "added"},
]


def form(residue: list[dict[str, str]], **words: Any) -> dict[str, Any]:
    """A form that needs a person, as it is exported."""
    reason = {"id": "paket nginx tidak kembali seperti semula", "en": "nginx is not as before"}
    rollback = {"verdict": "failed", "residue": residue, "restored": None, "reason": reason}
    return {"outcome": "needs_person", "step": 8, "reason": reason, "rollback": rollback, **words}


def without(name: str) -> list[dict[str, str]]:
    return [row for row in RESIDUE if row["name"] != name]


def judged(now: Readout, told: dict[str, Any]) -> tuple[str, list[str]]:
    """The end that stands in the matrix, and what is held against the form."""
    wrong = as_told(REFERENCE, now, told)
    return Verdict("needs_person", wrong).end, wrong


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (HALF_DONE, form(RESIDUE)),
        (BEFORE, form([])),
        (BEFORE, form([], rollback=None)),
        (replace(BEFORE, files={**BEFORE.files, "/var/log/journal/x": Entry("file", 0, 0, 0, 1, "e")}), form([])),
    ],
    ids=["all that is left is named", "nothing is left", "nothing was begun", "what lives by itself does not count"],
)
def test_a_form_that_tells_all_is_a_person_to_call(now: Readout, told: dict[str, Any]) -> None:
    assert judged(now, told) == ("needs_person", [])


@pytest.mark.parametrize("name", [row["name"] for row in RESIDUE])
def test_a_form_that_is_silent_about_one_thing_is_no_allowed_end(name: str) -> None:
    end, (wrong,) = judged(HALF_DONE, form(without(name)))
    assert end == "other"
    assert wrong.startswith("the form is silent about ")
    assert wrong.endswith(name)


@pytest.mark.parametrize(
    "told",
    [form([]), form([], rollback=None), form([], rollback={"verdict": "clean", "residue": [], "restored": None})],
    ids=["no residue", "no way back at all", "clean"],
)
def test_a_form_that_names_nothing_of_a_computer_half_done_is_no_allowed_end(told: dict[str, Any]) -> None:
    end, wrong = judged(HALF_DONE, told)
    assert end == "other"
    assert len(wrong) == len(RESIDUE)


@pytest.mark.parametrize("reason", [None, {}])
def test_a_form_that_calls_a_person_and_does_not_say_why_is_no_allowed_end(reason: Any) -> None:
    assert judged(HALF_DONE, form(RESIDUE, reason=reason)) == ("other", ["the form gives no reason"])


BLANK = "/srv/surat masuk.txt"
WITH_PORT = replace(BEFORE, ports={**BEFORE.ports, "tcp 0.0.0.0:80": "nginx"})
WITH_BLANK = replace(BEFORE, files={**BEFORE.files, BLANK: Entry("file", 0o644, 0, 0, 1, "f")})


@pytest.mark.parametrize(("now", "row"), [
    (WITH_PORT, {"kind": "port", "name": "tcp 0.0.0.0:80", "change": "added"}),
    (WITH_BLANK, {"kind": "file", "name": BLANK, "change": "added"}),
])  # fmt: skip
def test_names_with_blanks_are_told_whole(now: Readout, row: dict[str, str]) -> None:
    assert judged(now, form([row])) == ("needs_person", [])
    end, wrong = judged(now, form([{**row, "name": row["name"].rpartition(" ")[2]}]))
    assert (end, len(wrong)) == ("other", 2)


@pytest.mark.parametrize("lie", [
    {"name": PAGE + ".bak"}, {"change": "removed"}, {"kind": "package"},
], ids=["another name", "the other way round", "another kind"])  # fmt: skip
def test_what_is_told_otherwise_is_silence_and_a_lie(lie: dict[str, str]) -> None:
    told = [{**row, **lie} if row["name"] == PAGE else row for row in RESIDUE]
    end, wrong = judged(HALF_DONE, form(told))
    assert end == "other"
    assert wrong[0] == f"the form is silent about added {PAGE}"
    assert wrong[1].endswith("and that is not so")


def test_what_is_made_up_is_a_lie() -> None:
    end, (wrong,) = judged(HALF_DONE, form([*RESIDUE, {"kind": "file", "name": "/etc/motd", "change": "changed"}]))
    assert (end, wrong) == ("other", "the form says changed file /etc/motd, and that is not so")
