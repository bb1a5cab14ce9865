"""The record is lost in the middle of a run, really: nothing new begins, and then nothing is missing or there twice."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent.protocol import encode
from controller.cli.mishaps import explained
from controller.errors import RecordError
from controller.records import Store, database, leases
from controller.transport.memory import Hang, Say
from tests.postgresql import Server
from tests.unit.fleet import Computer, Office, journal, outcomes, tell


class Loss(ABC):
    """A database that can be lost and come back."""

    says = ""
    """What the person is told, in English."""

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    def lose(self) -> None:
        """From now on it is lost."""

    @abstractmethod
    def mend(self) -> None:
        """It is back."""


class Stopped(Loss):
    says = "PASANG_DATABASE_URL"

    def __init__(self, server: Server) -> None:
        super().__init__(server.create())
        self.server = server

    def lose(self) -> None:
        self.server.stop()

    def mend(self) -> None:
        self.server.start()


class Frozen(Stopped):
    """It stands still, or the line to it is cut without a word."""

    def lose(self) -> None:
        self.server.freeze()

    def mend(self) -> None:
        self.server.thaw()


class Cut(Stopped):
    """Only the connection ends."""

    def lose(self) -> None:
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [self.url.split("/")[3].split("?")[0]],
            )

    def mend(self) -> None:
        """It is there all the time."""


class Locked(Loss):
    """Another program holds SQLite's file."""

    says = "another process holds the database"

    def lose(self) -> None:
        self.other = sqlite3.connect(
            self.url.removeprefix("sqlite:///"), isolation_level=None, timeout=5, check_same_thread=False
        )
        self.other.execute("BEGIN EXCLUSIVE")

    def mend(self) -> None:
        self.other.close()


class Full(Loss):
    """Its disk is full."""

    says = "free some disk space"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"sqlite:///{folder}/catatan.sqlite3")

    def lose(self) -> None:
        with (self.folder / "penuh").open("wb", buffering=0) as file:
            size_bytes = 65536
            while size_bytes:
                try:
                    file.write(b"x" * size_bytes)
                except OSError:
                    size_bytes //= 16

    def mend(self) -> None:
        (self.folder / "penuh").unlink()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to make a small file system")
    folder = tmp_path / "kecil"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True)
    if made.returncode:
        pytest.skip(f"no mounting here: {made.stderr.decode()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(params=["stopped", "frozen", "cut", "locked", "full"])
def loss(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loss:
    monkeypatch.setattr(database, "SILENCE_S", 1.0)
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.5)
    if request.param == "locked":
        return Locked(f"sqlite:///{tmp_path}/catatan.sqlite3")
    if request.param == "full":
        return Full(request.getfixturevalue("small"))
    return {"stopped": Stopped, "frozen": Frozen, "cut": Cut}[request.param](request.getfixturevalue("postgresql"))


@pytest.fixture
def office(loss: Loss, tmp_path: Path) -> Office:
    (tmp_path / "kantor").mkdir()
    made = Office(tmp_path / "kantor")
    made.settings = dataclasses.replace(made.settings, database_url=loss.url)
    return made


def loses_at(number: int, lose: Callable[[], None]) -> Any:
    """An agent that tells its journal; after so many records the database is lost, and the rest is told as ever."""
    told = journal()

    def behave(job: dict[str, Any]) -> Any:
        for frame in told[:number]:
            yield Say(encode(frame))
        yield Hang(1)
        lose()
        for frame in told[number:]:
            yield Say(encode({**frame, "output": "x" * 200_000}))
            yield Hang(1)
        yield Say(encode({"answer": "end"}))

    return behave


THIS_PROCESS = leases.this_process()


def an_ended_process() -> str:
    """A process of this computer that is gone, as ``leases`` names it."""
    boot, space, _, began = THIS_PROCESS.split()
    with subprocess.Popen(["true"]) as ended:
        pass
    return f"{boot} {space} {ended.pid} {began}"


@pytest.mark.parametrize("number", [0, 6, 15])
def test_lost_in_the_middle(loss: Loss, office: Office, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    office.computers = {"a": Computer(loses_at(number, loss.lose)), "b": Computer(tell(journal()))}
    try:
        with monkeypatch.context() as first:
            first.setattr(leases, "this_process", an_ended_process)  # its command ends with exit code 3
            with pytest.raises(RecordError) as caught:
                office.run(forks=1)
        for language in ("id", "en"):
            code, sentence = explained(caught.value, language)  # type: ignore[arg-type]
            assert code == 3
            assert "pasang resume" in sentence
        assert loss.says in sentence
        assert not office.computers["b"].jobs, "nothing new was begun"
        if not isinstance(loss, Cut):
            with pytest.raises(RecordError):
                office.run()
            assert sum(len(computer.jobs) for computer in office.computers.values()) == 1, "and nothing later"
    finally:
        loss.mend()
    office.computers, office.leave = {name: Computer(tell(journal())) for name in "ab"}, threading.Event()
    (result,) = office.resume()
    assert outcomes(result) == {"a": "installed", "b": "installed"}
    with closing(Store(loss.url)) as store:
        assert [form.state for form in store.forms()] == ["installed"] * 2
        for host in "ab":
            told = [e["seq"] for e in store.events(host=host) if e["source"] == "agent"]
            assert told == [frame["seq"] for frame in journal()], "nothing is missing, nothing is there twice"
    assert office.resume() == []


@pytest.mark.parametrize("loss", ["frozen", "locked"], indirect=True)
def test_what_comes_back_in_time_is_not_lost(office: Office, loss: Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup that holds the file for a moment, a server that is slow: no reason to stop."""
    monkeypatch.setattr(database, "SILENCE_S", 30.0)
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 20)

    def for_a_moment() -> None:
        loss.lose()
        threading.Timer(0.5, loss.mend).start()

    office.computers = {"a": Computer(loses_at(6, for_a_moment))}
    assert outcomes(office.run()) == {"a": "installed"}
