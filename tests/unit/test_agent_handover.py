"""Following a journal that others write: every line once and whole, whatever becomes of its writer."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent import lock
from agent.__main__ import do_run
from agent.handover import follow
from agent.host import this_host
from agent.inbox import Outbox
from agent.journal import Journal, read_lines


class Inbox:
    """Of a controller that stays; each time it is looked at, the next thing happens to the journal."""

    def __init__(self, *happens: Callable[[], Any]) -> None:
        self._happens = list(happens)

    def is_closed(self) -> bool:
        if not self._happens:
            return True
        self._happens.pop(0)()
        return False

    def fetch_payloads(self, *_: Any) -> None:
        """Nothing is asked for."""


def journal_of(root: Path) -> Path:
    path = root / "runs" / "r1.salam" / "journal.ndjson"
    path.parent.mkdir(parents=True)
    return path


def told(root: Path, inbox: Inbox, seen: int = 0) -> bytes:
    line = io.BytesIO()
    follow(SimpleNamespace(root=str(root)), {"id": "r1.salam", "from": seen}, Outbox(line), inbox)
    return line.getvalue()


def test_a_line_that_was_torn_is_told_as_it_stands_in_the_end(tmp_path: Path) -> None:
    path = journal_of(tmp_path)
    first = Journal(str(path))
    first.append("agent_started", pid=1)
    first.close()

    def torn() -> None:
        with path.open("ab") as file:
            file.write(b'{"type":"effect","seq":2,"at":"2026-11-22T03:00:00.000Z","mono":1.0,"eff')

    def goes_on() -> None:
        again = Journal(str(path))
        again.append("agent_started", pid=2)
        again.append("run_ended", durable=True)
        again.close()

    assert told(tmp_path, Inbox(torn, lambda: None, goes_on)) == path.read_bytes()
    assert len(list(read_lines(str(path)))) == 3


def test_what_the_controller_has_is_not_told_again(tmp_path: Path) -> None:
    path = journal_of(tmp_path)
    journal = Journal(str(path))
    for _ in range(3):
        journal.append("probe")
    ends = lambda: journal.append("run_ended")  # noqa: E731
    assert told(tmp_path, Inbox(ends), seen=2) == b"".join(path.read_bytes().splitlines(keepends=True)[2:])
    journal.close()


def test_a_controller_that_has_gone_is_not_written_to(tmp_path: Path) -> None:
    journal = Journal(str(journal_of(tmp_path)))
    journal.append("probe")
    assert told(tmp_path, Inbox()).count(b"\n") == 1
    journal.close()


class Gone(io.BytesIO):
    """A line whose other end goes when it is told that the work is handed over."""

    def write(self, data: Any) -> int:
        if b'"type":"detached"' in bytes(data):
            raise BrokenPipeError
        return super().write(data)


def test_the_computer_is_not_kept_for_a_controller_that_has_gone(tmp_path: Path) -> None:
    software = {"name": "salam", "version": "1"}
    write = {"kind": "file", "path": str(tmp_path / "salam"), "content": "halo", "state": "present"}
    plan = {"mode": "install", "software": software, "payloads": {}, "variants": [{"when": {}, "install": [write]}]}
    job = {"id": "r1.salam", "owner": "ani@pusat", "from": 0, "agent": "", "plan": plan}
    host, outbox = this_host(str(tmp_path)), Outbox(Gone())
    with pytest.raises(BrokenPipeError):
        do_run(job, host, Inbox(), outbox)  # type: ignore[arg-type]
    assert "handed_until" not in lock.read(str(tmp_path)), "whoever comes next would wait for nobody"
    assert not (tmp_path / "salam").exists()
