"""The transport `winrm` against the lab's Windows computers: ways in, faults and limits, seen from outside too."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.errors import AccessRefused, HostError, InventoryError, LineLost, Unreachable
from controller.transport import Options, connect, transport_to
from controller.transport.base import Transport
from controller.transport.winrm import File, WinrmTransport, push
from tests.contract.transports import Line
from tests.contract.windows import SLEEPER, archive, connection, reached
from tests.lab.bases import PASSWORD
from tests.lab.fixtures import Boot
from tests.lab.lab import Lab
from tests.lab.space import wait_until
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.settings import Quotas


@pytest.fixture(scope="module")
def windows(boot_module: Boot) -> WindowsHost:
    (host,) = boot_module("windows")
    assert isinstance(host, WindowsHost)
    return host


@pytest.fixture(autouse=True)
def _inside(lab: Lab) -> Iterator[None]:
    with lab.inside():
        yield


@pytest.fixture
def transport(windows: WindowsHost) -> Iterator[Transport]:
    with reached(windows) as made:
        yield made


def processes(host: WindowsHost, word: str) -> list[str]:
    return [line for line in host.processes() if word in line]


@pytest.mark.parametrize(
    ("tls", "method"), [(False, "ntlm"), (True, "ntlm"), (True, "basic"), (True, "ssl"), (True, "ntlm,basic")]
)
def test_the_end_its_code_and_its_errors(windows: WindowsHost, tls: bool, method: str) -> None:
    with (
        reached(windows, tls=tls, ansible_winrm_transport=method) as transport,
        transport.open("echo satu& echo penuh>&2& echo dua& exit 1603") as channel,
    ):
        assert [channel.read_line(30) for _ in range(4)] == [b"satu\r\n", b"dua\r\n", b"", b""]
        assert channel.exit_status() == 1603
        assert channel.errors() == "penuh\r\n"
        assert channel.received_bytes == len("satu\r\ndua\r\n")
        said = transport.describe()
        assert said["transport"] == "winrm"
        assert (said["host_key"] == "") == tls


def test_a_closed_transport_opens_nothing_closes_twice_and_leaves_nothing(windows: WindowsHost) -> None:
    transport = connect(connection(windows))
    channel = transport.open("ping -n 601 127.0.0.1")
    wait_until(lambda: processes(windows, "601"), timeout_s=10, what="the program")
    transport.close()
    transport.close()
    channel.close()
    wait_until(lambda: not processes(windows, "601"), timeout_s=10, what="the end of the program")
    for use in (lambda: channel.write(b"x"), lambda: transport.open("exit 0")):
        with pytest.raises(LineLost):
            use()


def test_a_server_that_goes_away_in_the_middle(boot: Boot) -> None:
    (host,) = boot("windows")
    assert isinstance(host, WindowsHost)
    transport = connect(connection(host), options=Options(dead_after_s=1, connect_timeout_s=1))
    with transport, transport.open(f"echo mulai& {SLEEPER} >NUL") as channel:
        assert channel.read_line(30) == b"mulai\r\n"
        host.power_off()
        with pytest.raises(LineLost) as caught:
            channel.read_line(60)
        assert "pasang resume" in str(caught.value)
        with pytest.raises(LineLost):
            channel.write(b"x")
        host.boot()  # with no shell of ours in it
    with reached(host) as again, again.open("echo lagi") as channel:
        assert channel.read_line(30) == b"lagi\r\n"


@pytest.fixture
def line(windows: WindowsHost, lab: Lab) -> Iterator[Line]:
    """A forwarder to the computer, in the network of the lab."""
    made = Line(5985, address=windows.address)
    yield made
    made.close()


def through(line: Line, **more: Any) -> dict[str, Any]:
    return {"ansible_host": "127.0.0.1", "ansible_port": line.port, "ansible_winrm_scheme": "http", **more}


def test_after_a_read_time_out_it_attaches_again(windows: WindowsHost, line: Line) -> None:
    times = {"ansible_winrm_operation_timeout_sec": 1, "ansible_winrm_read_timeout_sec": 2}
    with (
        reached(windows, **through(line, **times)) as transport,
        transport.open("echo mulai& ping -n 9 127.0.0.1 >NUL & echo akhirnya") as channel,
    ):
        assert channel.read_line(30) == b"mulai\r\n"
        before = line.connections
        line.frozen.set()
        wait_until(lambda: line.connections > before, timeout_s=20, what="another connection")
        line.frozen.clear()
        assert channel.read_line(60) == b"akhirnya\r\n"
        assert channel.read_line(30) == b""
        assert channel.exit_status() == 0


def test_a_line_that_goes_silent_is_lost_in_time(windows: WindowsHost, line: Line) -> None:
    times = {"ansible_winrm_operation_timeout_sec": 1, "ansible_winrm_read_timeout_sec": 2}
    with (
        reached(windows, Options(dead_after_s=2), **through(line, **times)) as transport,
        transport.open(f"echo mulai& {SLEEPER} >NUL") as channel,
    ):
        assert channel.read_line(30) == b"mulai\r\n"
        line.frozen.set()
        with pytest.raises(LineLost):
            channel.read_line(60)
        with pytest.raises(LineLost):
            channel.write(b"x")
        line.frozen.clear()


def test_nobody_on_the_line_reads_along(windows: WindowsHost, line: Line) -> None:
    """NTLM over http: neither what is asked nor what comes back, nor either in base64, is seen."""
    line.heard = bytearray()
    with reached(windows, **through(line)) as transport, transport.open("tar.exe -xOf - & echo perintah") as channel:
        channel.write(archive(b"rahasia-masuk-dan-keluar" * 9 + b"\r\n"))
        channel.close_write()
        assert b"rahasia-masuk-dan-keluar" in channel.read_line(30)
        assert channel.read_line(30) == b"perintah\r\n"
    assert line.heard.count(b"HTTP-SPNEGO-session-encrypted") > 6
    assert len(line.heard) > 4000
    seen = [b"rahasia", b"perintah", b"tar.exe", b"Shell", b"Stream", PASSWORD.encode(), base64.b64encode(b"rahasia-m")]
    assert [word for word in seen if word in line.heard] == []


def test_one_shell_a_computer_is_enough(boot: Boot) -> None:
    (host,) = boot("windows")
    assert isinstance(host, WindowsHost)
    host.power_off()
    host.quotas = Quotas(shells_per_user=1)
    host.boot()
    with reached(host) as transport, transport.open(SLEEPER), transport.open("tar.exe -xOf -") as channel:
        push(transport, r"C:\ProgramData\Satu", [File("a", 3, [b"abc"])])
        channel.write(archive(b"satu\r\n"))
        channel.close_write()
        assert channel.read_line(30) == b"satu\r\n"
        assert "MaxShellsPerUser" in str(refused(host))
    with reached(host) as transport, transport.open("echo lagi") as channel:
        assert channel.read_line(30) == b"lagi\r\n"


def test_a_shell_that_is_gone_is_a_lost_line(windows: WindowsHost) -> None:
    transport = transport_to(connection(windows))
    assert isinstance(transport, WinrmTransport)
    with transport:
        transport.connect()
        channel = transport.open(f"{SLEEPER} >NUL")
        assert transport._shell is not None
        transport._shell.delete()
        with pytest.raises(LineLost):
            channel.read_line(30)
        with pytest.raises(LineLost, match="shell on that computer is gone"):
            transport.open("exit 0")


def refused(host: WindowsHost, **changes: Any) -> Any:
    with pytest.raises((Unreachable, InventoryError)) as caught, reached(host, **changes):
        pass
    assert caught.value.problems[0].hint
    assert PASSWORD not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(("tls", "method"), [(False, "ntlm"), (True, "ntlm"), (True, "basic"), (True, "ntlm,basic")])
def test_a_wrong_password(windows: WindowsHost, tls: bool, method: str) -> None:
    error = refused(windows, tls=tls, password="salah", ansible_winrm_transport=method)
    assert isinstance(error, AccessRefused)
    assert method.replace(",", ", ") in str(error)


def test_a_certificate_that_nobody_vouches_for(windows: WindowsHost, tmp_path: Path) -> None:
    error = refused(windows, tls=True, ansible_winrm_ca_trust_path=None)
    assert not isinstance(error, AccessRefused)
    assert "ansible_winrm_ca_trust_path" in str(error)
    with reached(
        windows, tls=True, ansible_winrm_ca_trust_path=None, ansible_winrm_server_cert_validation="ignore"
    ) as transport:
        assert transport.describe()["host_key"] == "(not checked)"


def test_a_certificate_for_another_name(windows: WindowsHost, lab: Lab) -> None:
    forward = Line(5986, address=windows.address)
    try:
        error = refused(windows, tls=True, ansible_host="127.0.0.1", ansible_port=forward.port)
    finally:
        forward.close()
    assert "another name" in str(error)


def test_the_wrong_port_is_told_as_such(windows: WindowsHost) -> None:
    assert "connection refused" in str(refused(windows, ansible_port=5999))
    assert "ansible_winrm_scheme" in str(refused(windows, tls=True, ansible_port=5985, ansible_winrm_scheme="https"))
    assert "ansible_winrm_scheme" in str(refused(windows, ansible_port=5986, ansible_winrm_scheme="http"))
    assert "404" in str(refused(windows, ansible_winrm_path="/lain"))
    assert "name is unknown" in str(refused(windows, ansible_host="tidak-ada.invalid"))


def test_what_anybody_could_read_is_refused_before_anything_is_sent(windows: WindowsHost, line: Line) -> None:
    for changes in (
        {"ansible_winrm_transport": "basic"},
        {"ansible_winrm_transport": "ntlm,plaintext"},
        {"ansible_winrm_message_encryption": "never"},
    ):
        with pytest.raises(InventoryError, match="refused"):
            transport_to(connection(windows, **through(line), **changes))
    assert line.connections == 0


def test_the_thirty_first_shell_says_what_to_do(windows: WindowsHost) -> None:
    held = [connect(connection(windows)) for _ in range(Quotas().shells_per_user)]
    try:
        error = refused(windows)
        assert isinstance(error, AccessRefused)
        assert "MaxShellsPerUser" in str(error)
    finally:
        for transport in held:
            transport.close()
    with reached(windows), reached(windows):
        pass


def test_an_older_computer_takes_smaller_envelopes(boot: Boot) -> None:
    (host,) = boot("windows")
    assert isinstance(host, WindowsHost)
    host.power_off()
    host.quotas = Quotas(envelope_bytes=153_600)
    host.boot()
    data = os.urandom(900_000)
    with reached(host) as transport:
        push(transport, r"C:\ProgramData\Kecil", [File("a.bin", len(data), [data])])
    assert (host.drive / "ProgramData/Kecil/a.bin").read_bytes() == data


def test_files_stand_where_they_should_be(windows: WindowsHost, transport: Transport) -> None:
    push(transport, r"C:\ProgramData\Pasang Kami\dalam & luar", [File("lib/kecil", 3, [b"abc"])])
    assert (windows.drive / "ProgramData/Pasang Kami/dalam & luar/lib/kecil").read_bytes() == b"abc"
    push(transport, "C:\\", [File("akar.txt", 1, [b"a"])])
    assert (windows.drive / "akar.txt").read_bytes() == b"a"


def test_files_that_cannot_be_written_are_named(windows: WindowsHost, transport: Transport) -> None:
    (windows.drive / "ada.txt").write_text("sebuah berkas, bukan folder")
    with pytest.raises(HostError, match="was not written"):
        push(transport, r"C:\ada.txt", [File("a", 8_000_000, [bytes(8_000_000)])])
    with pytest.raises(HostError, match="not 5"):
        push(transport, r"C:\ProgramData", [File("a", 5, [b"abc"])])


@pytest.mark.parametrize("folder", ["ProgramData", r"C:\%TEMP%", 'C:\\a" & echo "', "/tmp", "C:\\a\nb"])
def test_a_folder_that_cmd_would_read_is_none(transport: Transport, folder: str) -> None:
    with pytest.raises(ValueError, match="command line"):
        push(transport, folder, [File("a", 0, [])])
