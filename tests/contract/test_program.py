"""Programs started by the agent: how they end, what they may see, and that none can hold it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from agent import program
from agent.program import run


@pytest.fixture(params=["pidfd", "without pidfd"], autouse=True)
def waiting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "pidfd":
        monkeypatch.delattr(os, "pidfd_open")


def sh(script: str, **options: object) -> program.Result:
    return run(["sh", "-c", script], **options)  # type: ignore[arg-type]


def test_how_it_ended() -> None:
    done = sh("echo satu; echo dua >&2; exit 3")
    assert (done.code, done.out, done.err, done.ok) == (3, "satu\n", "dua\n", False)
    assert run(["true"]).ok
    assert sh("kill -15 $$").code == -15
    evidence = done.evidence()
    assert evidence["argv"] == ["sh", "-c", "echo satu; echo dua >&2; exit 3"]
    assert evidence["output"] == "satu\ndua"


def test_what_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(["program-yang-tidak-ada"])
    with pytest.raises(FileNotFoundError):
        run(["/tidak/ada"])
    with pytest.raises(PermissionError):
        run(["/etc/passwd"])
    here = Path.cwd()
    with pytest.raises(FileNotFoundError):
        run(["true"], directory=str(tmp_path / "tidak-ada"))
    assert Path.cwd() == here


def test_where_and_with_what_it_runs(tmp_path: Path) -> None:
    here = Path.cwd()
    done = sh(
        'pwd; echo "$ISI"; echo "$LC_ALL"; cat', directory=str(tmp_path), environment={"ISI": "a b"}, stdin=b"masuk"
    )
    assert done.out == f"{tmp_path}\na b\nC.UTF-8\nmasuk"
    assert Path.cwd() == here
    assert sh("cat").out == ""


def test_home_in_an_argument() -> None:
    assert run(["echo", "~/x", "a~/x"]).out == f"{Path('~/x').expanduser()} a~/x\n"


def test_its_own_session_and_no_file_of_ours(tmp_path: Path) -> None:
    handle = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(handle, True)
    try:
        done = sh("ls /proc/self/fd | wc -l; ps -o sid= -p $$")
    finally:
        os.close(handle)
    count, session = done.out.split()
    assert int(count) == 4  # three, and the folder that ls reads
    assert int(session) != os.getsid(0)


def test_signals_are_as_usual_for_it() -> None:
    show = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_DFL, signal.pthread_sigmask(0, []))"
    import signal

    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run([sys.executable, "-c", show]).out == "True set()\n"
    finally:
        signal.signal(signal.SIGHUP, former)


def test_one_that_takes_too_long_is_stopped_with_all_it_started() -> None:
    began = time.monotonic()
    done = sh("sleep 600 & echo $!; sleep 600", timeout_s=0.2)
    assert done.code is None
    assert time.monotonic() - began < 4
    stat = Path(f"/proc/{done.out.strip()}/stat")
    while stat.exists() and stat.read_text().split()[2] != "Z":
        assert time.monotonic() - began < 4


def test_one_that_left_a_daemon_behind_does_not_hold_us() -> None:
    began = time.monotonic()
    done = sh("setsid sleep 3 & echo mulai")
    assert done.out == "mulai\n"
    assert time.monotonic() - began < 2


def test_the_end_of_long_output_is_kept() -> None:
    done = sh("yes | head -c 1000000; echo selesai")
    assert len(done.out) == program.OUTPUT_LIMIT_BYTES
    assert done.out.endswith("y\nselesai\n")


def test_no_folder_for_scratch_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/tidak/ada")
    assert sh("cat", stdin=b"isi").out == "isi"
