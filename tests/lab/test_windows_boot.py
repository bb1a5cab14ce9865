"""A Python comes to Windows computers, or does not: damage, full disks, broken lines, others' folders; from outside."""

from __future__ import annotations

import dataclasses
import gzip
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from controller.errors import AgentFault, HostError, LineLost, NoPython
from controller.transport import Package
from controller.transport import boot as boot_channel
from tests.contract.transports import Line
from tests.contract.windows import Controller, connection
from tests.lab.fixtures import Boot
from tests.lab.lab import Lab
from tests.lab.space import wait_until
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.python import ensure_python
from tests.lab.windows.settings import Quotas

FORWARDED = {"ansible_host": "127.0.0.1", "ansible_winrm_scheme": "http"}


@pytest.fixture(scope="module")
def windows(boot_module: Boot) -> WindowsHost:
    (host,) = boot_module("windows")
    assert isinstance(host, WindowsHost)
    return host


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Controller:
    return Controller.made(tmp_path_factory.mktemp("home"), ensure_python())


@pytest.fixture(autouse=True)
def _inside(lab: Lab) -> Iterator[None]:
    with lab.inside():
        yield


@pytest.fixture
def bare(windows: WindowsHost) -> WindowsHost:
    """The computer without anything of ours."""
    shutil.rmtree(windows.drive / "Program Files/Pasang", ignore_errors=True)
    shutil.rmtree(windows.drive / "ProgramData/Pasang", ignore_errors=True)
    return windows


def pythons(host: WindowsHost) -> dict[str, bool]:
    """The folders that Pythons came into, and whether each is whole."""
    found = (host.drive / "Program Files/Pasang/python").glob("*")
    return {path.name: (path / "whole").exists() for path in found}


def damaged(controller: Controller, folder: Path) -> Controller:
    """The same, but what it sends is another archive than its list says."""

    def package(digest: str) -> Package:
        whole = controller.options.package(digest)
        assert whole is not None
        data = bytearray(gzip.decompress(whole.archive.read_bytes()))
        at = data.index(b"MZ") + 5000
        data[at] ^= 1
        (folder / "lain.tar.gz").write_bytes(gzip.compress(data, 1))
        return Package(folder / "lain.tar.gz", whole.listed)

    return dataclasses.replace(controller, options=dataclasses.replace(controller.options, package=package, cache={}))


def test_one_that_is_damaged_is_never_used(bare: WindowsHost, controller: Controller, tmp_path: Path) -> None:
    with pytest.raises(NoPython, match=r"could not be brought there.*damaged"):
        damaged(controller, tmp_path).ask(connection(bare))
    assert not (bare.drive / "Program Files/Pasang").exists(), "nothing of it stays"
    assert controller.ask(connection(bare)).facts["os"] == "windows"


def test_a_full_disk_keeps_nothing(boot: Boot, controller: Controller) -> None:
    (host,) = boot("windows", disk_mb=16)
    assert isinstance(host, WindowsHost)
    with pytest.raises(NoPython, match="could not be brought there") as caught:
        controller.ask(connection(host))
    assert "disk" in str(caught.value)
    assert not (host.drive / "Program Files/Pasang").exists()


def test_a_line_that_breaks_leaves_half_of_one_that_nobody_uses(
    bare: WindowsHost, controller: Controller, lab: Lab
) -> None:
    line = Line(5985, address=bare.address)
    sent = threading.Event()

    def cut(digest: str, sent_bytes: int, size_bytes: int) -> None:
        if sent_bytes > size_bytes // 2:
            sent.set()
            line.close()

    way = connection(bare, ansible_port=line.port, **FORWARDED)
    options = dataclasses.replace(controller.options, connect_timeout_s=1, dead_after_s=1)
    with boot_channel(way, options=options, progress=cut) as channel:
        channel.write(b"PASANG 1\n")
        with pytest.raises(LineLost):
            channel.read_line(60)
    assert sent.is_set()
    (half,) = pythons(bare).items()
    assert half[1] is False
    assert controller.ask(connection(bare)).facts["os"] == "windows"
    assert sorted(pythons(bare).values()) == [False, True], "what half arrived goes when it is old"


def test_one_that_does_not_run_any_more_is_passed_over(bare: WindowsHost, controller: Controller) -> None:
    """As where an antivirus has taken a part of it."""
    controller.ask(connection(bare))
    (first,) = pythons(bare)
    (bare.drive / "Program Files/Pasang/python" / first / "python311.dll").unlink()
    again = controller.ask(connection(bare))
    assert again.facts["os"] == "windows"
    assert again.python_bytes > 0
    assert pythons(bare)[first] is False
    assert sorted(pythons(bare).values()) == [False, True]
    assert controller.ask(connection(bare)).python_bytes == 0


def test_a_folder_that_others_may_write_to_is_not_ours(bare: WindowsHost, controller: Controller) -> None:
    """Every user may make folders in ProgramData: nothing in this one is read, let alone run."""
    planted = bare.drive / "ProgramData/Pasang/blobs"
    planted.mkdir(parents=True)
    (bare.drive / "ProgramData/Pasang").chmod(0o777)
    with pytest.raises(AgentFault, match="is others' too") as caught:
        controller.ask(connection(bare))
    assert caught.value.about == "rights"
    assert caught.value.outcome == "not_eligible"
    assert list(planted.iterdir()) == []
    shutil.rmtree(planted.parent)
    assert controller.ask(connection(bare)).facts["os"] == "windows"
    assert (bare.drive / "ProgramData/Pasang").stat().st_mode & 0o007 == 0, "it is made for administrators"


def test_where_none_was_added_it_is_said_what_to_do(bare: WindowsHost, tmp_path: Path) -> None:
    with pytest.raises(NoPython, match=r"windows-x86_64.*\n.*runtime add python-3") as caught:
        Controller.made(tmp_path).ask(connection(bare))
    assert caught.value.platform == "windows-x86_64"
    assert not (bare.drive / "Program Files/Pasang").exists()


def test_one_that_another_controller_brought_is_taken(
    bare: WindowsHost, controller: Controller, tmp_path: Path
) -> None:
    controller.ask(connection(bare))
    assert Controller.made(tmp_path).ask(connection(bare)).requests == 4


def test_without_tar_it_is_said_beforehand(boot: Boot, controller: Controller) -> None:
    """PowerShell cannot be run here: what is seen is that it is asked for, and that nothing stays where it fails."""
    (host,) = boot("windows")
    assert isinstance(host, WindowsHost)
    (host.drive / "windows/system32/tar.exe").unlink()
    only_looks = dataclasses.replace(controller.options, slowly=False, cache={})
    with pytest.raises(NoPython, match="would be brought by PowerShell"):
        dataclasses.replace(controller, options=only_looks).ask(connection(host))
    assert not (host.drive / "Program Files/Pasang").exists()
    with pytest.raises(NoPython, match="could not be brought there"):
        controller.ask(connection(host))
    assert not (host.drive / "Program Files/Pasang").exists()


def test_a_job_that_is_not_taken_while_a_python_comes(bare: WindowsHost, controller: Controller) -> None:
    """More of it than waits in Windows: the first command is given up, and another gets all of it."""
    way = connection(bare, ansible_winrm_operation_timeout_sec=1, ansible_winrm_read_timeout_sec=3)
    answer = controller.ask(way, pad="x" * 3_000_000)
    assert answer.facts["os"] == "windows"
    assert list(pythons(bare).values()) == [True]


def test_an_interpreter_that_the_inventory_names(bare: WindowsHost, controller: Controller, tmp_path: Path) -> None:
    controller.ask(connection(bare))
    (name,) = pythons(bare)
    home = bare.drive / "Kantor & Rapat ^é (dua)"
    if not home.exists():
        shutil.copytree(bare.drive / "Program Files/Pasang/python" / name, home)
    shutil.rmtree(bare.drive / "Program Files/Pasang")
    named = connection(bare, ansible_python_interpreter=r"C:\Kantor & Rapat ^é (dua)\python.exe")
    assert Controller.made(tmp_path).ask(named).facts["os"] == "windows"
    assert pythons(bare) == {}
    for_linux = connection(bare, ansible_python_interpreter="/usr/bin/python3")
    assert controller.ask(for_linux).python_bytes > 0


def test_many_at_once_with_one_shell_each(boot: Boot, controller: Controller) -> None:
    hosts = boot("windows", 4)
    for host in hosts:
        assert isinstance(host, WindowsHost)
        host.power_off()
        host.quotas = Quotas(shells_per_user=1)
        host.boot()

    def ask(host: WindowsHost) -> HostError | str:
        try:
            first, again = controller.ask(connection(host)), controller.ask(connection(host))
        except HostError as error:
            return error
        return f"{again.facts['os']} {first.pieces > 1} {again.requests}"

    with ThreadPoolExecutor(len(hosts)) as pool:
        answers = list(pool.map(ask, [host for host in hosts if isinstance(host, WindowsHost)]))
    assert answers == ["windows True 4"] * len(hosts)
    wait_until(lambda: not [line for host in hosts for line in host.processes() if "python" in line],  # type: ignore[attr-defined]
               timeout_s=20, what="the end of the contacts")  # fmt: skip
