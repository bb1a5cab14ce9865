"""One suite against every transport: what goes in comes out, and every way of ending is told apart."""

from __future__ import annotations

import base64
import os
import pwd
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.protocol import LINE_LIMIT_BYTES, MARK
from controller.errors import AgentFault, LineLost, NoPython, Unreachable
from controller.transport import Channel, Options, Transport, boot, connect, transport_to
from controller.transport.memory import Complain, Drop, End, Hang, Hear, Say, Script
from tests.contract.transports import Connection, descendants

Open = Callable[[str], Channel]


def echo() -> Script:
    while data := (yield Hear()):
        yield Say(data)


def three() -> Script:
    yield Say(b"satu\n")
    yield Complain("peringatan: penuh\n")
    yield Say(b"dua\ntig")
    yield Say(b"a")
    yield End(3)


def fall() -> Script:
    yield Say(b"mulai\n")
    yield Drop()


def quiet() -> Script:
    yield Hang(2)
    yield Say(b"akhirnya\n")


def deaf() -> Script:
    yield End(0)


PROGRAMS: dict[str, Callable[[str], Script]] = {
    "exec cat": lambda _: echo(),
    "echo satu; echo 'peringatan: penuh' >&2; printf 'dua\\ntiga'; exit 3": lambda _: three(),
    "echo mulai; exec sleep 60": lambda _: fall(),
    "sleep 2; echo akhirnya; exec sleep 60": lambda _: quiet(),
    "exit 0": lambda _: deaf(),
}


REAL = pytest.mark.parametrize("way", ["local", "ssh"], indirect=True)


@pytest.fixture(params=["local", "ssh", "memory"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def transport(way: str, request: pytest.FixtureRequest) -> Iterator[Transport]:
    if way == "ssh":
        server = request.getfixturevalue("server")
        made = connect(server.connection(), options=server.options())
    else:
        computers = {"pc": lambda command: PROGRAMS[command](command) if command else deaf()}
        made = connect(Connection(way, address="pc"), options=Options(cache={"memory": computers}))
    with made:
        yield made


def test_echo_of_64_megabytes(transport: Transport, way: str) -> None:
    size_bytes = (64 if way != "memory" else 4) * 1024 * 1024
    data = random.Random(7).randbytes(1024 * 1024).replace(b"\n", b" ")
    pieces = [bytes([number % 9 + 65]) + data[1:-1] + b"\n" for number in range(size_bytes // len(data))]
    with transport.open("exec cat") as channel:
        for number, piece in enumerate(pieces):
            channel.write(piece)
            if number:
                assert channel.read_line(30) == pieces[number - 1]
        assert channel.read_line(30) == pieces[-1]
        channel.close_write()
        assert channel.read_line(30) == b""
        assert channel.exit_status() == 0
        assert channel.sent_bytes == channel.received_bytes == size_bytes
        assert 1 <= channel.round_trips <= len(pieces)


def test_the_end_its_status_and_its_errors(transport: Transport) -> None:
    with transport.open("echo satu; echo 'peringatan: penuh' >&2; printf 'dua\\ntiga'; exit 3") as channel:
        assert [channel.read_line(10) for _ in range(5)] == [b"satu\n", b"dua\n", b"tiga", b"", b""]
        assert channel.exit_status() == 3
        assert channel.errors() == "peringatan: penuh\n"
        assert channel.received_bytes == len("satu\ndua\ntiga")


def test_waiting_ends_in_time_and_loses_nothing(transport: Transport) -> None:
    with transport.open("sleep 2; echo akhirnya; exec sleep 60") as channel:
        assert channel.exit_status() is None
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            channel.read_line(0.05)
        assert time.monotonic() - began < 1.5
        assert channel.read_line(10) == b"akhirnya\n"


def test_writing_to_a_program_that_ended(transport: Transport) -> None:
    with transport.open("exit 0") as channel, pytest.raises(LineLost):
        channel.write(b"x" * 20_000_000)


def test_a_closed_transport_opens_nothing_and_closes_twice(transport: Transport, way: str) -> None:
    channel = transport.open("exec cat")
    transport.close()
    transport.close()
    channel.close()
    with pytest.raises(LineLost):
        channel.write(b"x")


def test_what_it_says_of_itself(transport: Transport, way: str) -> None:
    said = transport.describe()
    assert said["transport"] == way
    assert set(said) == {"transport", "address", "user", "host_key"}
    assert said["host_key"].startswith("SHA256:") == (way == "ssh")


def command_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_dropped_line_is_neither_an_end_nor_a_silence(
    way: str, transport: Transport, request: pytest.FixtureRequest
) -> None:
    with transport.open("echo mulai; exec sleep 60") as channel:
        assert channel.read_line(10) == b"mulai\n"
        if way == "local":
            while not (found := [pid for pid in descendants(os.getpid()) if command_of(pid) == b"sleep\x0060\0"]):
                time.sleep(0.01)
            os.kill(found[0], signal.SIGKILL)
            assert channel.read_line(5) == b""  # there is no line here: a killed program has ended
            assert channel.exit_status() == 128 + signal.SIGKILL
            return
        if way == "ssh":
            request.getfixturevalue("server").kill_sessions()
        began = time.monotonic()
        with pytest.raises(LineLost) as caught:
            channel.read_line(30)
        assert time.monotonic() - began < 2
        assert "pasang resume" in str(caught.value)
        with pytest.raises(LineLost):
            channel.write(b"x")


STAGE = b"import os,sys\nsys.stdout.write('%d %s\\n'%(os.getuid(),i.readline().decode().strip()))\n"
JOB = MARK + b'{"stage":%d}\n' % len(STAGE) + STAGE + b"halo\n"


@pytest.fixture(params=["local", "ssh"])
def real(request: pytest.FixtureRequest) -> Callable[..., Channel]:
    def make(**changes: object) -> Channel:
        if request.param == "ssh":
            server = request.getfixturevalue("server")
            return boot(server.connection(**changes), options=server.options())
        return boot(Connection("local", **changes))  # type: ignore[arg-type]

    return make


def test_the_first_stage_runs_what_it_is_sent(real: Callable[..., Channel]) -> None:
    with real() as channel:
        channel.write(JOB)
        assert channel.read_line(20) == b"%d halo\n" % os.getuid()
        assert channel.read_line(20) == b""
        assert channel.exit_status() == 0


def test_half_a_stage_is_not_run(real: Callable[..., Channel], tmp_path: Path) -> None:
    stage = b"open(%r,'w')\n" % str(tmp_path / "trace")
    with real() as channel:
        channel.write(MARK + b'{"stage":%d}\n' % (len(stage) + 1) + stage)
        channel.close_write()
        assert channel.read_line(20) == b""
    assert not (tmp_path / "trace").exists()


def test_the_mark_is_found_behind_lines_nobody_wanted(real: Callable[..., Channel]) -> None:
    with real() as channel:
        channel.write(b"sandi-yang-tidak-diminta\n\n\xff\n" + JOB)
        assert channel.read_line(20).endswith(b" halo\n")


def test_become_oneself_needs_no_sudo(real: Callable[..., Channel]) -> None:
    import getpass

    with real(become=True, become_user=getpass.getuser()) as channel:
        channel.write(JOB)
        assert channel.read_line(20).endswith(b" halo\n")


def test_a_hint_that_is_not_there_is_passed_over(real: Callable[..., Channel]) -> None:
    with real(python="/opt/tidak/ada/python3") as channel:
        channel.write(JOB)
        assert channel.read_line(20).endswith(b" halo\n")


def old_python(path: Path) -> Path:
    path.write_text("#!/bin/sh\nexit 99\n")
    path.chmod(0o755)
    return path


def test_an_old_python_is_passed_over(real: Callable[..., Channel], tmp_path: Path) -> None:
    with real(python=str(old_python(tmp_path / "python3.6"))) as channel:
        channel.write(JOB)
        assert channel.read_line(20).endswith(b" halo\n")


def test_without_a_python_there_is_no_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sh").symlink_to("/bin/sh")
    for version in ("", ".8", ".11", ".13"):
        old_python(tmp_path / f"python3{version}")
    monkeypatch.setenv("PATH", str(tmp_path))
    with boot(Connection("local")) as channel:
        for _ in range(2):
            with pytest.raises(NoPython) as caught:
                channel.read_line(20)
        assert "python3" in caught.value.say("id")


def test_a_python_that_fails_is_quoted(tmp_path: Path) -> None:
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\necho 'rusak: libssl hilang' >&2\nexit 1\n")
    broken.chmod(0o755)
    with boot(Connection("local", python=str(broken))) as channel, pytest.raises(AgentFault) as caught:
        channel.read_line(20)
    assert "libssl hilang" in caught.value.say("en")


@REAL
def test_an_endless_line_is_not_kept(transport: Transport, way: str) -> None:
    with transport.open("exec cat /dev/zero" if way == "local" else "cat /dev/zero") as channel:
        with pytest.raises(AgentFault):
            channel.read_line(30)
        assert channel.received_bytes < 4 * LINE_LIMIT_BYTES


@REAL
def test_much_to_stderr_stops_nothing(transport: Transport) -> None:
    with transport.open("head -c 9000000 /dev/zero | tr '\\0' 'e' >&2; echo selesai") as channel:
        assert channel.read_line(40) == b"selesai\n"
        assert len(channel.errors()) == 8192


@REAL
def test_binary_bytes_arrive_as_they_are(transport: Transport) -> None:
    data = bytes(range(256)) * 4096
    with transport.open("base64 -w0") as channel:
        channel.write(data)
        channel.close_write()
        assert base64.b64decode(channel.read_line(20)) == data


def test_an_unknown_kind_is_bad_input() -> None:
    from controller.errors import InventoryError

    with pytest.raises(InventoryError):
        transport_to(Connection("telnet"))


def test_the_fake_refuses() -> None:
    from controller.text import Text
    from controller.transport.memory import Refuse

    def refuse(command: str) -> Script:
        yield Refuse(Unreachable(Text("mati", "off")))

    with pytest.raises(Unreachable):
        connect(Connection("memory", address="pc"), options=Options(cache={"memory": {"pc": refuse}}))


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("sudo"), reason="needs root, and sudo")
def test_become_somebody_else_here() -> None:
    with boot(Connection("local", become=True, become_user="nobody")) as channel:
        channel.write(JOB)
        assert channel.read_line(20).split()[0] == b"%d" % pwd.getpwnam("nobody").pw_uid
