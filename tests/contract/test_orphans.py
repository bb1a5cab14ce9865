"""A program whose agent was killed: whose it is, who may wait for it, for how long, and whom it keeps away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent import lock, orphans
from agent.host import trees
from agent.host.linux import LinuxHost
from tests.lab.space import wait_until

AGENT = """
import os, signal, sys
from agent import lock, program
root, moment, timeout_s, *argv = sys.argv[1:]
lock.take(root, "r1", "ani@pusat")
start = program.start.spawn
def spawn(*given):
    number = start(*given)
    if moment == "before it is written down":
        os.kill(os.getpid(), signal.SIGKILL)
    return number
program.start.spawn = spawn
program.run(argv, root=root, timeout_s=float(timeout_s), stall_s=60.0)
"""
"""It takes the computer, starts a program for an action, and is killed then."""
MOMENTS = ["before it is written down", "while it runs"]


@contextmanager
def killed(
    root: Path, *argv: str, moment: str = "while it runs", timeout_s: float = 60.0
) -> Iterator[subprocess.Popen[bytes]]:
    """An agent that has been killed at some moment, and what it had started."""
    agent = subprocess.Popen([sys.executable, "-c", AGENT, str(root), moment, str(timeout_s), *argv])
    if moment == "while it runs":
        wait_until(lambda: bool(noted(root).get("pid")), timeout_s=60, what="a program at work")
        agent.kill()
    assert agent.wait(60) == -signal.SIGKILL
    try:
        yield agent
    finally:
        for number in at_work(argv):
            os.kill(number, signal.SIGKILL)


def noted(root: Path) -> dict[str, int]:
    """What the lock tells of a program."""
    path = root / "lock"
    content = json.loads(path.read_bytes() or b"{}") if path.exists() else {}
    return content.get("program") or {}


def at_work(argv: tuple[str, ...]) -> list[int]:
    return [number for number in trees.numbers() if trees.words_of(number) == list(argv) and trees.row_of(number)]


@pytest.mark.parametrize("moment", MOMENTS)
def test_it_keeps_other_runs_away_and_its_own_stops_it(tmp_path: Path, moment: str) -> None:
    root, argv = str(tmp_path), ("sleep", "611")
    with killed(tmp_path, *argv, moment=moment):
        assert len(at_work(argv)) == 1
        with pytest.raises(lock.Held) as caught:
            lock.take(root, "r2", "budi@pusat")
        assert (lock.told(caught.value.holder)["run"], lock.known(root)["owner"]) == ("r1", "ani@pusat")
        assert not lock.is_at_work(root, "r1"), "nobody carries it out: whoever asks for it may"
        lock.take(root, "r1", "ani@pusat")
        orphan = orphans.find(LinuxHost(root))
        assert orphan is not None
        assert orphan.argv == list(argv)
        assert orphan.stop()["stopped"]["why"] == "orphan"
        assert at_work(argv) == []
        assert orphans.find(LinuxHost(root)) is None
        lock.release(root)
        lock.take(root, "r2", "budi@pusat")
        lock.release(root)


@pytest.mark.parametrize("moment", MOMENTS)
def test_one_that_has_ended_keeps_nobody_away(tmp_path: Path, moment: str) -> None:
    argv = ("sleep", "612")
    with killed(tmp_path, *argv, moment=moment):
        [number] = at_work(argv)
        os.kill(number, signal.SIGKILL)
        wait_until(lambda: not trees.row_of(number), timeout_s=60, what="its end")
        assert lock.read(str(tmp_path)) == {}
        lock.take(str(tmp_path), "r2", "budi@pusat")
        assert orphans.find(LinuxHost(str(tmp_path))) is None
        lock.release(str(tmp_path))


def test_it_may_take_as_long_as_it_was_given_no_longer(tmp_path: Path) -> None:
    with killed(tmp_path, "sleep", "614", timeout_s=3.0):
        lock.take(str(tmp_path), "r1", "ani@pusat")
        orphan = orphans.find(LinuxHost(str(tmp_path)))
        assert orphan is not None
        assert orphan.wait()["stopped"]["why"] == "timeout"
        lock.release(str(tmp_path))


@pytest.mark.parametrize("where", ["a pipe", "a socket"])
@pytest.mark.parametrize("way", ["stop", "timeout", "end"])
def test_what_it_writes_may_go_where_nobody_can_read(tmp_path: Path, where: str, way: str) -> None:
    """As after ``exec > >(tee log)``, or under ``systemd-cat``."""
    into = {"a pipe": "os.pipe()[1]", "a socket": "kept[0].fileno()"}[where]
    script = f"import os, socket, time; kept = socket.socketpair(); f = {into}; os.dup2(f, 1); os.dup2(f, 2)"
    argv = (sys.executable, "-c", f"{script}; time.sleep({8 if way == 'end' else 617})")
    with killed(tmp_path, *argv, timeout_s=8.0 if way == "timeout" else 60.0):
        [number] = at_work(argv)
        wait_until(lambda: not os.path.isfile(f"/proc/{number}/fd/1"), timeout_s=30, what="its output elsewhere")
        lock.take(str(tmp_path), "r1", "ani@pusat")
        orphan = orphans.find(LinuxHost(str(tmp_path)))
        assert orphan is not None
        seen = orphan.stop() if way == "stop" else orphan.wait()
        assert seen.get("stopped", {}).get("why") == {"stop": "orphan", "timeout": "timeout", "end": None}[way]
        assert at_work(argv) == []
        assert noted(tmp_path) == {}
        lock.release(str(tmp_path))


def test_its_number_may_be_given_to_another(tmp_path: Path) -> None:
    with killed(tmp_path, "sleep", "615"), lock.changing(str(tmp_path)) as content:
        content["program"]["pid"] = os.getpid()
        assert lock.current(content) == {}
