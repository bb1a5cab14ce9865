"""The first stage on a Windows computer: a Python is brought once, its agent answers, and it leaves nothing.

Against a computer of the lab, or a real one: `make test-windows-real` with `PASANG_TEST_WINDOWS=inventory.yaml:NAME`
and `PASANG_TEST_PYTHON=python-3.…-embed-amd64.zip`. What a real computer alone can prove is in docs/decisions/0071.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.protocol import MARK, encode
from controller.errors import LineLost
from controller.inventory import Connection
from controller.transport import boot, connect
from tests.contract.windows import Contact, Controller, connection, named
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.python import ensure_psutil, ensure_python

ROOT = r"C:\ProgramData\Pasang uji & 100%^ (Kantor Désa)"
Says = Callable[[str], str]


@pytest.fixture(scope="module")
def way(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """To the computer."""
    if real := named():
        yield real
        return
    lab, boot = request.getfixturevalue("lab"), request.getfixturevalue("boot_module")
    (host,) = boot("windows")
    assert isinstance(host, WindowsHost)
    with lab.inside():
        yield connection(host)


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """With a Python for it."""
    said = os.environ.get("PASANG_TEST_PYTHON")
    return Controller.made(tmp_path_factory.mktemp("home"), Path(said) if said else ensure_python(), ensure_psutil())


@pytest.fixture
def says(way: Connection) -> Says:
    """What a command line says on the computer."""

    def ask(line: str) -> str:
        with connect(way) as transport, transport.open(line) as channel:
            said = bytearray()
            while piece := channel.read_line(60):
                said += piece
            return said.decode().strip()

    return ask


def budget(bare: Contact) -> int:
    """How many requests a bare computer may take besides the pieces; one that is slow is asked once more, or twice."""
    return 6 if bare.seconds < 4 else 8


def test_a_bare_computer_answers_and_is_bare_again(way: Connection, controller: Controller, says: Says) -> None:
    controller.ask(way, "clean", all=True)
    assert says(r'if exist "%ProgramFiles%\Pasang" echo ada') == ""

    first = controller.ask(way)
    assert first.requests - first.pieces <= budget(first)
    assert first.facts["os"] == "windows"
    assert first.facts["administrator"] is True
    digest = controller.options.pythons["windows-x86_64"]
    assert says(r'dir /b "%ProgramFiles%\Pasang\python"').startswith(digest)

    again = controller.ask(way)
    assert (again.requests, again.python_bytes) == (4, 0)
    assert again.sent_bytes < 8000
    assert again.facts["python"] == first.facts["python"]

    cleaned = controller.ask(way, "clean", all=True)
    assert cleaned.frames[0]["answer"] == "cleaned"
    assert not cleaned.is_left
    assert says(r'if exist "%ProgramFiles%\Pasang" echo ada') == ""

    third = controller.ask(way)
    assert third.python_bytes == first.python_bytes, "it is brought again"
    assert third.requests - third.pieces <= budget(third)


def test_folders_with_names_that_cmd_would_read(way: Connection, controller: Controller, says: Says) -> None:
    """What the agent is told never gets into a command line."""
    answer = controller.ask(way, root=ROOT)
    assert answer.frames[0]["room"]["path"] == ROOT
    controller.ask(way, "clean", all=True, root=ROOT)


def test_a_python_that_is_ended_before_it_answers_is_a_lost_line(way: Connection, controller: Controller) -> None:
    """It may have begun the work, so nobody may say that it could not start."""
    controller.ask(way)
    stage = b"import os;os._exit(9)"
    with boot(way, options=controller.options) as channel:
        channel.write(MARK + encode({"stage": len(stage)}) + stage)
        with pytest.raises(LineLost, match="before it answered"):
            channel.read_line(30)


def test_several_contacts_at_once(way: Connection, controller: Controller) -> None:
    from concurrent.futures import ThreadPoolExecutor

    controller.ask(way, "clean", all=True)
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: controller.ask(way), range(3)))
    assert [answer.facts["os"] for answer in answers] == ["windows"] * 3
    assert controller.ask(way).python_bytes == 0
