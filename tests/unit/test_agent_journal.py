"""The journal survives whatever a crash does to its end, and holds no secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.journal import Journal, ended, read_lines
from agent.redact import Redactor

TEXT = st.text(max_size=40)


def written(path: Path, count: int) -> bytes:
    journal = Journal(str(path))
    for number in range(count):
        journal.append("step_started", step=4, visit=number)
    journal.close()
    return path.read_bytes()


def test_numbers_go_on_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path, 3)
    journal = Journal(str(path))
    assert journal.append("run_ended", durable=True)["seq"] == 4
    assert ended(journal.records)
    assert [record["seq"] for _, record in read_lines(str(path))] == [1, 2, 3, 4]


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(min_value=0), noise=st.binary(max_size=30))
def test_any_torn_end_costs_at_most_the_torn_record(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes
) -> None:
    path = tmp_path_factory.mktemp("torn") / "journal"
    whole = written(path, 5)
    kept = whole[: cut % (len(whole) + 1)]
    path.write_bytes(kept + noise)
    journal = Journal(str(path))
    survived = len(journal.records)
    assert survived >= kept.count(b"\n")
    record = journal.append("effect", durable=True)
    journal.close()
    assert record["seq"] == survived + 1
    assert [r["seq"] for _, r in read_lines(str(path))] == list(range(1, survived + 2))


def test_a_line_from_elsewhere_ends_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path, 2)
    with path.open("a") as file:
        file.write(json.dumps({"type": "effect", "seq": 9}) + "\n")
    assert len(list(read_lines(str(path)))) == 2


def test_secrets_are_masked_also_where_json_escapes_them(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    secret = 'pa"ss\\wörd'
    journal = Journal(str(path), secrets=Redactor([secret]))
    journal.append("effect", evidence={"output": f"login with {secret} failed"})
    journal.close()
    content = path.read_text()
    assert secret not in content
    assert "wörd" not in content
    assert "login with *** failed" in content


def test_a_full_disk_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import agent.journal

    path = tmp_path / "journal"
    written(path, 1)
    journal = Journal(str(path))
    real = agent.journal.os.write
    monkeypatch.setattr(agent.journal.os, "write", lambda fd, data: real(fd, data[:10]))
    with pytest.raises(OSError, match="No space"):
        journal.append("intent", durable=True)
    monkeypatch.undo()
    assert journal.append("intent", durable=True)["seq"] == 2
    assert len(list(read_lines(str(path)))) == 2


@given(TEXT, TEXT)
@settings(max_examples=30, deadline=None)
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, key: str, value: str) -> None:
    path = tmp_path_factory.mktemp("round") / "journal"
    journal = Journal(str(path))
    journal.append("facts", found={key: value})
    journal.close()
    assert [record["found"] for _, record in read_lines(str(path))] == [{key: value}]
