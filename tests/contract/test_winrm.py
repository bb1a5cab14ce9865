"""The contract of transports over WinRM: against a Windows computer of the lab, or a real one.

`PASANG_TEST_WINDOWS=inventory.yaml:NAME pytest tests/contract/test_winrm.py` takes the computer NAME of an
inventory, needs no root and leaves nothing behind but what Windows logs.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import random
import tarfile
from collections.abc import Callable, Iterator

import pytest

from agent.protocol import LINE_LIMIT_BYTES
from controller.errors import AgentFault, LineLost
from controller.transport import connect
from controller.transport.base import Transport
from controller.transport.winrm import File, push
from tests.contract.windows import SLEEPER, archive, connection, named
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.settings import Quotas

FOLDER = r"C:\ProgramData\Pasang & uji"
Reach = Callable[..., Transport]


@pytest.fixture(scope="module")
def reach(request: pytest.FixtureRequest) -> Iterator[Reach]:
    """Connects; words are Ansible's variables besides those of the inventory."""
    if real := named():
        yield lambda **more: connect(dataclasses.replace(real, extra={**real.extra, **more}))
        return
    lab, boot = request.getfixturevalue("lab"), request.getfixturevalue("boot_module")
    (host,) = boot("windows")
    assert isinstance(host, WindowsHost)
    with lab.inside():
        yield lambda **more: connect(connection(host, **more))


@pytest.fixture
def transport(reach: Reach) -> Iterator[Transport]:
    with reach() as made:
        yield made


def test_the_end_its_code_and_its_errors(transport: Transport) -> None:
    with transport.open("echo satu& echo penuh>&2& echo dua& exit 1603") as channel:
        assert [channel.read_line(30) for _ in range(4)] == [b"satu\r\n", b"dua\r\n", b"", b""]
        assert channel.exit_status() == 1603
        assert channel.errors() == "penuh\r\n"
        assert channel.received_bytes == len("satu\r\ndua\r\n")


def test_what_it_says_of_itself(transport: Transport) -> None:
    said = transport.describe()
    assert said["transport"] == "winrm"
    assert set(said) == {"transport", "address", "user", "host_key"}
    assert said["host_key"] in ("", "(not checked)")


@pytest.mark.parametrize(("said", "code"), [("0", 0), ("3010", 3010), ("-1", 2**32 - 1), ("-2147483648", 2**31)])
def test_codes_have_32_bits(transport: Transport, said: str, code: int) -> None:
    with transport.open(f"exit {said}") as channel:
        assert channel.read_line(30) == b""
        assert channel.exit_status() == code


def test_8_megabytes_of_anything_go_in_and_come_back(transport: Transport) -> None:
    """Both ways at once: the program writes while it reads."""
    data = random.Random(7).randbytes(8 * 1024 * 1024 - 20) + b"\r\n\x1a\0\r\n--Encrypted "
    with transport.open("tar.exe -xOf -") as channel:
        channel.write(archive(data))
        channel.close_write()
        channel.close_write()
        came = bytearray()
        while piece := channel._receive(60):  # random bytes may have longer lines than the protocol's
            came += piece
        assert hashlib.sha256(came).digest() == hashlib.sha256(data).digest()
        assert channel.exit_status() == 0


def test_a_large_stderr_keeps_its_tail(transport: Transport) -> None:
    with transport.open("for /L %i in (1,1,4000) do @echo kesalahan nomor %i 1>&2") as channel:
        assert channel.read_line(60) == b""
        said = channel.errors()
        assert said.rstrip().endswith("kesalahan nomor 4000")
        assert 4000 < len(said) <= 8192


def test_waiting_ends_in_time_and_loses_nothing(transport: Transport) -> None:
    with transport.open("ping -n 3 127.0.0.1 >NUL & echo akhirnya") as channel:
        assert channel.exit_status() is None
        with pytest.raises(TimeoutError):
            channel.read_line(0.05)
        assert channel.read_line(60) == b"akhirnya\r\n"


def test_nothing_to_say_for_longer_than_an_operation(reach: Reach) -> None:
    with (
        reach(ansible_winrm_operation_timeout_sec=1) as transport,
        transport.open("ping -n 5 127.0.0.1 >NUL & echo akhirnya") as channel,
    ):
        assert channel.read_line(60) == b"akhirnya\r\n"


def test_writing_to_a_program_that_ended(transport: Transport) -> None:
    with transport.open("exit 0") as channel:
        assert channel.read_line(30) == b""
        with pytest.raises(LineLost):
            channel.write(b"x" * 1_000_000)


def test_a_program_that_takes_nothing_for_long_is_waited_for(reach: Reach) -> None:
    """Its input waits in Windows; what was refused in time is sent again, and nothing twice."""
    data = archive(random.Random(1).randbytes(4 * 1024 * 1024))
    with (
        reach(ansible_winrm_operation_timeout_sec=1) as transport,
        transport.open("ping -n 5 127.0.0.1 >NUL & tar.exe -xOf -") as channel,
    ):
        channel.write(data)
        channel.close_write()
        came = 0
        while piece := channel._receive(60):
            came += len(piece)
        assert came == 4 * 1024 * 1024


def test_two_commands_in_one_shell(transport: Transport) -> None:
    with transport.open(SLEEPER), transport.open('"C:\\windows\\system32\\cmd.exe" /c echo dua') as second:
        assert second.read_line(30) == b"dua\r\n"


def test_an_endless_line_is_not_kept(transport: Transport) -> None:
    with transport.open("tar.exe -xOf -") as channel:
        channel.write(archive(bytes(LINE_LIMIT_BYTES + 2_000_000)))  # more would wait for a reader
        with pytest.raises(AgentFault):
            channel.read_line(60)


def test_files_are_pushed_whole(transport: Transport) -> None:
    data = random.Random(3).randbytes(5_000_001)
    pieces = [data[at : at + 70_000] for at in range(0, len(data), 70_000)]
    files = [File("agent.bin", len(data), pieces), File("lib/kosong", 0, []), File("lib/kecil", 3, [b"abc"])]
    try:
        assert push(transport, rf"{FOLDER}\dalam", files) > len(data)
        assert pulled(transport) == {"agent.bin": data, "lib/kosong": b"", "lib/kecil": b"abc"}
        push(transport, rf"{FOLDER}\dalam", [File("lib/kecil", 4, [b"lain"])])
        assert pulled(transport) == {"agent.bin": data, "lib/kosong": b"", "lib/kecil": b"lain"}
    finally:
        with transport.open(f'rmdir /s /q "{FOLDER}" & if exist "{FOLDER}" echo masih') as channel:
            assert channel.read_line(30) == b""


def pulled(transport: Transport) -> dict[str, bytes]:
    """The files that were pushed, as the computer's own tar.exe reads them."""
    came = bytearray()
    with transport.open(f'tar.exe -cf - -C "{FOLDER}\\dalam" agent.bin lib') as channel:
        while piece := channel._receive(60):
            came += piece
        assert channel.exit_status() == 0
    with tarfile.open(fileobj=io.BytesIO(came)) as tar:
        return {entry.name: opened.read() for entry in tar if entry.isfile() and (opened := tar.extractfile(entry))}


def test_a_closed_transport_opens_nothing_and_closes_twice(reach: Reach) -> None:
    transport = reach()
    channel = transport.open(SLEEPER)
    transport.close()
    transport.close()
    channel.close()
    for use in (lambda: channel.write(b"x"), lambda: transport.open("exit 0")):
        with pytest.raises(LineLost):
            use()


def test_it_leaves_no_shell_behind(reach: Reach) -> None:
    for _ in range(Quotas().shells_per_user + 2):
        with reach() as transport, transport.open("exit 0") as channel:
            assert channel.read_line(30) == b""
