"""What exit codes are said to mean: the cases under tests/cases/codes, and the tables as a whole."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import agent.codes
from agent.codes import MAKERS, Meaning, kinds, meaning

CASES = Path(__file__).parents[1] / "cases" / "codes"
FOLDER = Path(agent.codes.__file__).parent
TABLES = sorted({name for tables in MAKERS.values() for name in tables})
UNDOCUMENTED = 0x7ABCDEF1


def rows(name: str) -> list[tuple[str, str, int, tuple[Any, ...]]]:
    """Every row of a table as it stands in its file: which dict, source, code, entry; names of advice resolved."""
    module = __import__(f"agent.codes.{name}", fromlist=["TABLE"])
    found = []
    for node in ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        assert isinstance(node.value, ast.Dict)
        for source, table in zip(node.value.keys, node.value.values, strict=True):
            assert source is not None
            assert isinstance(table, ast.Dict)
            for code, entry in zip(table.keys, table.values, strict=True):
                parts = (compile(ast.Expression(part), name, "eval") for part in (source, code, entry))
                found.append((node.target.id, *(eval(part, vars(module)) for part in parts)))
    return found


ROWS = [(name, *row) for name in TABLES for row in rows(name)]


@pytest.mark.parametrize("maker", sorted(MAKERS))
def test_codes_mean_what_their_makers_say(maker: str) -> None:
    cases = json.loads((CASES / f"{maker}.json").read_text(encoding="utf-8"))
    wanted = [(case["code"], case.get("removing", False), case["kind"]) for case in cases]
    found = [(code, removing, meaning(maker, code, removing=removing).kind) for code, removing, _ in wanted]
    assert found == wanted


def test_there_are_cases_for_every_maker_and_no_other() -> None:
    assert {path.stem for path in CASES.iterdir()} == set(MAKERS)


def test_every_row_says_its_kind_and_its_reason_in_both_languages() -> None:
    for name, _, source, code, row in ROWS:
        kind, indonesian, english, *advice = row
        assert kind in kinds.KINDS, (name, code)
        assert len(source) > 5, (name, code)
        for sentence in (indonesian, english, *(advice[0] if advice else ())):
            assert sentence.strip() == sentence, (name, code)
            assert sentence.endswith("."), (name, code)
        assert indonesian != english, (name, code)
        assert len(advice) <= 1, (name, code)


def test_no_table_has_a_code_twice() -> None:
    seen = [(name, which, code & 0xFFFFFFFF) for name, which, _, code, _ in ROWS]
    assert sorted(seen) == sorted(set(seen))


def test_there_are_as_many_as_were_asked_for() -> None:
    assert len(ROWS) >= 200
    assert sum(name == "winget" for name, *_ in ROWS) > 100


def test_every_code_is_found_signed_and_unsigned() -> None:
    for name, which, source, code, row in ROWS:
        if name not in MAKERS or len(MAKERS[name]) == 1:
            continue
        for written in (code & 0xFFFFFFFF, code if code < 1 << 31 else code - (1 << 32)):
            found = meaning(name, written, removing=which == "REMOVING")
            assert (found.kind, found.source) == (row[0], source), (name, code)


@pytest.mark.parametrize("maker", sorted(MAKERS))
def test_what_nobody_documents_is_a_failure_that_names_the_code(maker: str) -> None:
    found = meaning(maker, UNDOCUMENTED)
    assert (found.kind, found.source) == ("failed", "")
    for language in ("id", "en"):
        assert str(UNDOCUMENTED) in found.reason[language]
        assert "0x7ABCDEF1" in found.reason[language]
        assert maker in found.reason[language]


def test_a_negative_code_that_nobody_documents_is_named_as_people_look_it_up() -> None:
    found = meaning("msiexec", -2145124000)
    assert "-2145124000 (0x80240160)" in found.reason["en"]


def test_what_can_be_done_follows_what_happened() -> None:
    found = meaning("msiexec", 112)
    assert found.reason["id"] == "Ruang disk tidak cukup. Kosongkan ruang disk, lalu ulangi."
    assert found.reason["en"] == "There is not enough space on the disk. Free disk space, then try again."


def test_an_error_of_windows_is_read_out_of_an_hresult() -> None:
    alone, within = meaning("msiexec", 5), meaning("wusa", -2147024891)
    assert (alone.kind, alone.reason, alone.source) == (within.kind, within.reason, within.source)


def test_a_number_of_an_authors_own_is_no_error_of_windows() -> None:
    assert meaning("msiexec", 5).source
    assert not meaning("nsis", 5).source


def test_rpm_counts() -> None:
    assert "3 packages" in meaning("rpm", 3).reason["en"]
    assert "at least 254" in meaning("rpm", 254).reason["en"]
    assert meaning("rpm", 3).source


def test_a_signal_is_named() -> None:
    assert "9" in meaning("dpkg", -9).reason["id"]


def test_a_maker_that_is_not_known_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        meaning("setup", 0)


@pytest.mark.parametrize(
    ("kind", "succeeded", "reboots", "unchanged", "waits"),
    [
        ("ok", True, False, False, False),
        ("soft_reboot", True, True, False, False),
        ("hard_reboot", True, True, False, False),
        ("busy", False, False, True, True),
        ("cancelled", False, False, False, False),
        ("did_nothing", False, False, True, False),
        ("half_done", False, False, False, False),
        ("failed", False, False, False, False),
    ],
)
def test_what_a_kind_means_for_the_caller(
    kind: str, succeeded: bool, reboots: bool, unchanged: bool, waits: bool
) -> None:
    found = Meaning(kind, {"id": "", "en": ""})
    assert (found.succeeded, found.reboots, found.unchanged, found.waits) == (succeeded, reboots, unchanged, waits)


def test_every_kind_is_said_of_something() -> None:
    assert {row[0] for *_, row in ROWS} == set(kinds.KINDS)


def test_only_the_tables_that_are_asked_are_read() -> None:
    program = "import sys, agent.codes as c; c.meaning('nsis', 0); print(*(n for n in sys.modules if '.codes' in n))"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert sorted(loaded) == ["agent.codes", "agent.codes.kinds", "agent.codes.nsis"]
