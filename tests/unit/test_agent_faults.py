"""Fault points: armed by a file, they fire once and where they say, on both sides; without it nothing is loaded."""

from __future__ import annotations

import io
import json
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent import journal as journal_module
from agent.faults import REACHED
from agent.inbox import Outbox
from agent.journal import Journal, read_lines

WRITE = """\
import sys
from agent.journal import Journal
journal = Journal(sys.argv[1])
for number in range(1, 4):
    journal.append("probe", durable=number == 2, number=number)
print("agent.faults" in sys.modules)
"""
STORE = """\
import sys
from controller.records import Store
with Store("sqlite:///" + sys.argv[1]) as store:
    store.append([store.record("run_opened", run="r1", command="install", by="a")])
    store.append([store.record("run_ended", run="r1")])
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal lies in the agent's folder."""
    folder = tmp_path / "runs" / "r1.salam"
    folder.mkdir(parents=True)
    return folder / "journal.ndjson"


def arm(folder: Path, point: str, do: str) -> Path:
    file = folder / "fault.json"
    file.write_text(json.dumps({"point": point, "do": do}))
    return file


def run(script: str, path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", script, str(path)]
    return subprocess.run(argv, capture_output=True, text=True, env={"PYTHONPATH": ":".join(sys.path), **environment})


def test_nothing_is_loaded_where_nothing_is_armed(path: Path) -> None:
    assert run(WRITE, path).stdout == "False\n"


@pytest.mark.parametrize(("place", "whole", "torn"), [("before", 1, False), ("torn", 1, True), ("after", 2, False)])
def test_the_agent_is_killed_there_and_comes_back_in_peace(
    tmp_path: Path, path: Path, place: str, whole: int, torn: bool
) -> None:
    armed = arm(tmp_path, f"agent:probe#2:{place}", "kill")
    assert run(WRITE, path).returncode == -signal.SIGKILL
    assert not armed.exists()
    assert json.loads((tmp_path / REACHED).read_text())["point"] == f"agent:probe#2:{place}"
    assert len(list(read_lines(str(path)))) == whole
    assert path.read_bytes().endswith(b"\n") is not torn
    assert run(WRITE, path).returncode == 0
    assert [record["seq"] for _, record in read_lines(str(path))] == list(range(1, whole + 4))


def test_held_it_goes_on_when_the_mark_is_taken_away(tmp_path: Path, path: Path) -> None:
    arm(tmp_path, "agent:probe#2:torn", "hold")
    process = subprocess.Popen([sys.executable, "-c", WRITE, str(path)], stdout=subprocess.PIPE, text=True)
    mark = tmp_path / REACHED
    pause = threading.Event()
    for _ in range(1000):
        if mark.exists():
            break
        pause.wait(0.01)
    assert process.poll() is None
    assert path.read_bytes().count(b"\n") == 1
    assert json.loads(mark.read_text())["pid"] == process.pid
    mark.unlink()
    assert process.communicate(timeout=30)[0] == "True\n"
    assert len(list(read_lines(str(path)))) == 3


def test_what_is_not_on_the_disk_yet_is_known(tmp_path: Path, path: Path) -> None:
    arm(tmp_path, "agent:probe#3:after", "kill")
    run(WRITE, path)
    synced_bytes = json.loads((tmp_path / REACHED).read_text())["synced_bytes"]
    assert path.read_bytes()[:synced_bytes].count(b"\n") == 2, "the second was durable, the third was not"


@pytest.mark.parametrize(("place", "stored"), [("before", 0), ("after", 1)])
def test_the_controller_is_killed_there(tmp_path: Path, place: str, stored: int) -> None:
    database = tmp_path / "pasang.sqlite3"
    armed = arm(tmp_path, f"controller:run_opened#1:{place}", "kill")
    assert run(STORE, database, PASANG_FAULT=str(armed)).returncode == -signal.SIGKILL
    with closing(sqlite3.connect(database)) as opened:
        assert opened.execute("select count(*) from event").fetchall() == [(stored,)]
    assert run(STORE, database).returncode == 0


def test_nothing_leaves_that_is_not_on_the_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line, seen = io.BytesIO(), list[tuple[int, bytes]]()
    outbox = Outbox(line)
    journal = Journal(str(path), on_append=outbox.line)
    outbox.sync = journal.sync
    fsync = journal_module.os.fsync

    def noted(handle: int) -> None:
        fsync(handle)
        seen.append((path.stat().st_size, line.getvalue()))

    monkeypatch.setattr(journal_module.os, "fsync", noted)
    journal.append("facts")
    journal.append("probe")
    outbox.flush()
    assert seen[0] == (path.stat().st_size, b""), "first the disk, then the line"
    assert line.getvalue() == path.read_bytes()

    def broken(handle: int) -> Any:
        raise OSError(5, "the disk is gone")

    monkeypatch.setattr(journal_module.os, "fsync", broken)
    told = line.getvalue()
    journal.append("probe")
    with pytest.raises(OSError, match="gone"):
        outbox.flush()
    assert line.getvalue() == told
