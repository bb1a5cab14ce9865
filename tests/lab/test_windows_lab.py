"""The Windows computers of the lab, held against two WinRM clients that nobody here wrote: pywinrm and pypsrp."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest
from pypsrp.exceptions import WSManFaultError as PsrpFault
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan
from winrm.exceptions import InvalidCredentialsError, WinRMOperationTimeoutError, WinRMTransportError, WSManFaultError
from winrm.protocol import Protocol

from tests.lab.bases import PASSWORD
from tests.lab.fixtures import Boot
from tests.lab.lab import Lab
from tests.lab.readout import changes, tree
from tests.lab.space import wait_until
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.python import VERSION, ensure_psutil, ensure_python
from tests.lab.windows.settings import Quotas
from tests.lab.windows.shells import CONTROL_C_EXIT
from tests.lab.windows.wine import PERSON

SHELL_FULL, NO_SHELL = 2150859173, 2150858843
CHUNK_BYTES = 370_000  # in base64 within an envelope of 500 KB
SLEEPER = "ping -n 600 127.0.0.1"


@pytest.fixture(scope="module")
def windows(boot_module: Boot) -> WindowsHost:
    """One computer for all tests of this file."""
    (host,) = boot_module("windows")
    assert isinstance(host, WindowsHost)
    return host


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    """Before any test is inside of the lab's network, which has no way out."""
    ensure_python()
    ensure_psutil()


@pytest.fixture(autouse=True)
def _inside(lab: Lab) -> Iterator[None]:
    with lab.inside():
        yield


def protocol(host: WindowsHost, transport: str = "ntlm", *, tls: bool = False, **options: object) -> Protocol:
    """pywinrm, set up for a computer."""
    scheme, port = ("https", 5986) if tls else ("http", 5985)
    trusted = str(host.certificate) if tls else None
    options = {"username": PERSON, "password": PASSWORD, "proxy": None, "ca_trust_path": trusted, **options}
    return Protocol(f"{scheme}://{host.address}:{port}/wsman", transport, **options)  # type: ignore[arg-type]


@contextmanager
def opened(client: Protocol) -> Iterator[str]:
    """A shell of pywinrm, deleted afterwards."""
    shell = client.open_shell()
    try:
        yield shell
    finally:
        client.close_shell(shell)


def ran(client: Protocol, line: str, data: bytes | None = None) -> tuple[bytes, bytes, int]:
    """stdout, stderr and exit code of a command line."""
    with opened(client) as shell:
        command = client.run_command(shell, line, console_mode_stdin=False)
        if data is not None:
            for start in range(0, max(1, len(data)), CHUNK_BYTES):
                last = start + CHUNK_BYTES >= len(data)
                client.send_command_input(shell, command, data[start : start + CHUNK_BYTES], end=last)
        answer = client.get_command_output(shell, command)
        client.cleanup_command(shell, command)
        return answer


def wsman(host: WindowsHost, **options: object) -> WSMan:
    """pypsrp, set up for a computer."""
    options = {"ssl": False, "auth": "negotiate", "encryption": "always", "no_proxy": True, **options}
    return WSMan(host.address, username=PERSON, password=PASSWORD, **options)  # type: ignore[arg-type]


def psrp_ran(host: WindowsHost, line: str, data: bytes | None = None, **options: object) -> tuple[bytes, bytes, int]:
    """The same with pypsrp."""
    with wsman(host, **options) as connection, WinRS(connection) as shell:
        process = Process(shell, line)
        process.begin_invoke()
        for start in range(0, len(data or b""), 100_000):
            assert data is not None
            process.send(data[start : start + 100_000], end=start + 100_000 >= len(data))
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
        assert process.rc is not None
        return process.stdout, process.stderr, process.rc


def code_of(call: Callable[[], object]) -> int:
    """The number of the fault that `call` ends with."""
    with pytest.raises((WSManFaultError, PsrpFault)) as raised:
        call()
    fault = raised.value
    return int((fault.code if isinstance(fault, PsrpFault) else fault.wsman_fault_code) or 0)


def runs(host: WindowsHost, program: str, words: str = "") -> bool:
    """Whether a program runs itself: the line of a cmd.exe or sc.exe that is to start it names it too."""
    programs = (re.fullmatch(r'"?([^" ]*\\)?([^" ]+?)(\.exe)?"?( .*)?', line) for line in host.processes())
    return any(found and found[2] == program and words in (found[4] or "") for found in programs)


def test_it_comes_bare_and_says_it_is_windows(windows: WindowsHost) -> None:
    out, _, code = ran(protocol(windows), "ver & cd & whoami & curl --version & tar --version & python --version")
    said = out.decode("cp1252")
    assert "Microsoft Windows 10." in said
    assert rf"C:\users\{PERSON}" in said
    assert rf"{windows.name.upper()}\{PERSON}" in said
    assert "Schannel" in said
    assert "bsdtar" in said
    assert code != 0  # of python: there is none
    assert not [path for path in (windows.drive / "windows/system32").iterdir() if path.name.startswith("python")]


@pytest.mark.parametrize(
    ("transport", "tls", "options"),
    [
        ("ntlm", False, {"message_encryption": "always"}),
        ("ntlm", True, {}),
        ("basic", True, {}),
    ],
)
def test_pywinrm_gets_in(windows: WindowsHost, transport: str, tls: bool, options: dict[str, str]) -> None:
    out, err, code = ran(protocol(windows, transport, tls=tls, **options), "echo one& echo two>&2& exit 1603")
    assert (out, err.strip(), code) == (b"one\r\n", b"two", 1603)


@pytest.mark.parametrize("auth", ["negotiate", "ntlm"])
@pytest.mark.parametrize("tls", [False, True])
def test_pypsrp_gets_in(windows: WindowsHost, auth: str, tls: bool) -> None:
    options = {"ssl": True, "cert_validation": str(windows.certificate), "encryption": "auto"} if tls else {}
    out, err, code = psrp_ran(windows, "echo one& echo two>&2& exit 1603", auth=auth, **options)
    assert (out, err.strip(), code) == (b"one\r\n", b"two", 1603)


def test_who_may_not_come_in_is_kept_out(windows: WindowsHost) -> None:
    for client in (
        protocol(windows, "basic"),  # a password in the clear
        protocol(windows, "ntlm", password="salah"),
        protocol(windows, "ntlm", username="orang-lain"),
        protocol(windows, "basic", tls=True, password="salah"),
    ):
        with pytest.raises(InvalidCredentialsError):
            client.open_shell()
    with pytest.raises(WinRMTransportError):
        protocol(windows, "ntlm", message_encryption="never").open_shell()


def test_binary_data_goes_in_and_comes_back(windows: WindowsHost) -> None:
    data = os.urandom(3 << 20) + b"\r\n\x1a\0--Encrypted Boundary\r\n" + os.urandom(1 << 20)
    assert ran(protocol(windows), r"curl.exe -sS -T - file:///C:/data.bin", data) == (b"", b"", 0)
    assert (windows.drive / "data.bin").read_bytes() == data
    assert ran(protocol(windows), r"curl.exe -sS file:///C:/data.bin") == (data, b"", 0)
    assert psrp_ran(windows, r"curl.exe -sS -T - file:///C:/psrp.bin", data[:1_000_000])[2] == 0
    assert (windows.drive / "psrp.bin").read_bytes() == data[:1_000_000]


def test_codes_of_32_bits_come_back_whole(windows: WindowsHost) -> None:
    for code in (0, 1, 255, 256, 3010, 1603, 2**31, 2**32 - 1):
        signed = code - 2**32 if code >= 2**31 else code
        assert ran(protocol(windows), f"exit {signed}")[2] == code
        assert windows.run(f"cmd.exe /c exit {signed}", check=False).returncode == code


def test_a_program_that_is_not_there(windows: WindowsHost) -> None:
    assert ran(protocol(windows), "tidak-ada.exe")[2] != 0
    client = protocol(windows)
    with opened(client) as shell:
        start = partial(client.run_command, shell, "tidak-ada.exe", skip_cmd_shell=True)
        assert code_of(start) == 0x80070002


def test_the_thirty_first_shell_is_refused(windows: WindowsHost) -> None:
    client = protocol(windows)
    shells = [client.open_shell() for _ in range(30)]
    try:
        assert code_of(client.open_shell) == SHELL_FULL
        with wsman(windows) as connection:
            assert code_of(WinRS(connection).open) == SHELL_FULL
    finally:
        for shell in shells:
            client.close_shell(shell, close_session=False)
    assert ran(protocol(windows), "echo again")[0] == b"again\r\n"


def test_a_shell_stays_when_its_client_is_gone_until_it_is_idle(windows: WindowsHost) -> None:
    client = protocol(windows)
    kept, short = client.open_shell(), client.open_shell(idle_timeout="PT1S")
    command = client.run_command(kept, f"echo here& {SLEEPER}")
    client.transport.close_session()
    after = protocol(windows)
    wait_until(partial(_gone, after, short), timeout_s=20, what="the end of the idle shell", every_s=2)
    out, _, _, done = after.get_command_output_raw(kept, command)  # and somebody else goes on with the other
    assert (out, done) == (b"here\r\n", False)
    after.close_shell(kept)


def _gone(client: Protocol, shell: str) -> bool:
    """Whether there is no such shell. Asking keeps a shell from being idle: ask seldom."""
    try:
        client.cleanup_command(shell, "0")
    except WSManFaultError as fault:
        return fault.wsman_fault_code == NO_SHELL
    return False


def test_an_operation_times_out_and_the_command_goes_on(windows: WindowsHost) -> None:
    client = protocol(windows, operation_timeout_sec=1, read_timeout_sec=20)
    with opened(client) as shell:
        command = client.run_command(shell, "ping -n 4 127.0.0.1 >NUL & echo done")
        with pytest.raises(WinRMOperationTimeoutError):
            client.get_command_output_raw(shell, command)
        assert client.get_command_output(shell, command) == (b"done\r\n", b"", 0)


def test_an_envelope_that_is_too_large_is_refused(windows: WindowsHost) -> None:
    with opened(protocol(windows)) as shell:
        client = protocol(windows)  # which is out of step afterwards: its message was never decrypted
        command = client.run_command(shell, "curl.exe -sS -T - file:///C:/large.bin", console_mode_stdin=False)
        with pytest.raises(WinRMTransportError) as raised:
            client.send_command_input(shell, command, os.urandom(500_000))
        assert raised.value.code == 413


def test_text_in_console_mode_binary_only_without(windows: WindowsHost) -> None:
    client = protocol(windows)
    data = b"a\nb\0c\n"
    with opened(client) as shell:
        command = client.run_command(shell, "curl.exe -sS -T - file:///C:/typed.bin")
        client.send_command_input(shell, command, data, end=True)
        assert client.get_command_output(shell, command)[2] == 0
    assert (windows.drive / "typed.bin").read_bytes() == b"a\r\nbc\r\n"


def test_what_a_command_started_ends_with_its_shell(windows: WindowsHost) -> None:
    client = protocol(windows)
    shell = client.open_shell()
    client.run_command(shell, "start /b ping -n 601 127.0.0.1")
    wait_until(lambda: runs(windows, "ping", "-n 601"), timeout_s=10, what="the child")
    time.sleep(1)
    assert runs(windows, "ping", "-n 601"), "it is the end of the shell that ends it"
    client.close_shell(shell)
    wait_until(lambda: not runs(windows, "ping", "-n 601"), timeout_s=10, what="the end of the child")
    assert not runs(windows, "ping", "-n 601")


def bring_python(host: WindowsHost) -> None:
    """Unpack CPython and psutil on the computer, over WinRM, with what Windows has."""
    for archive in (ensure_python(), ensure_psutil()):
        line = r"(if not exist C:\py mkdir C:\py) & tar.exe -xf - -C C:\py"
        assert ran(protocol(host), line, archive.read_bytes()) == (b"", b"", 0)


def python(host: WindowsHost, script: str) -> str:
    """What a script says that is given to its Python over stdin."""
    out, err, code = ran(protocol(host), r"C:\py\python.exe -", script.encode())
    assert (err, code) == (b"", 0)
    return out.decode().strip()


def test_a_genuine_python_can_be_brought_along(windows: WindowsHost) -> None:
    bring_python(windows)
    assert python(windows, _TRIAL).splitlines() == [
        f"{VERSION} win32 64bit", "MSC", "10", "OpenSSL 3", "1603", "42", "7", "python.exe", "C:\\users",
    ]  # fmt: skip


_TRIAL = r"""
import asyncio, ctypes, os, platform, sqlite3, ssl, subprocess, sys, winreg
import psutil
print(platform.python_version(), sys.platform, platform.architecture()[0])
print(platform.python_compiler().split()[0])
print(sys.getwindowsversion().major)
print(ssl.OPENSSL_VERSION.partition(".")[0])
print(subprocess.run(["cmd.exe", "/c", "exit 1603"]).returncode)
with winreg.CreateKey(winreg.HKEY_CURRENT_USER, r"Software\Coba") as key:
    winreg.SetValueEx(key, "x", 0, winreg.REG_DWORD, 42)
    print(winreg.QueryValueEx(key, "x")[0])
async def seven():
    process = await asyncio.create_subprocess_exec("cmd.exe", "/c", "exit 7")
    return await process.wait()
print(asyncio.run(seven()))
sqlite3.connect(":memory:").execute("select 1")
print(os.path.basename(psutil.Process().cmdline()[0]))
print(os.path.dirname(os.environ["USERPROFILE"]))
"""

_LEAVES = r"""
import subprocess
away, detached, null = 0x01000000, 8, subprocess.DEVNULL
subprocess.Popen("ping -n 602 127.0.0.1", creationflags=away | detached, stdin=null, stdout=null, stderr=null)
"""


def test_who_breaks_away_from_the_job_outlives_the_shell_where_that_is_allowed(
    boot: Boot, windows: WindowsHost
) -> None:
    bring_python(windows)
    python(windows, _LEAVES)  # its shell is deleted by now
    assert runs(windows, "ping", "-n 602")
    windows.power_cycle()
    (host,) = boot("windows")
    assert isinstance(host, WindowsHost)
    host.power_off()
    host.quotas = Quotas(breakaway=False)
    host.boot()
    bring_python(host)
    _, err, code = ran(protocol(host), r"C:\py\python.exe -", _LEAVES.encode())
    assert code == 1
    assert b"WinError 5" in err
    assert not runs(host, "ping", "-n 602")


def test_a_service_outlives_the_shell_and_comes_back_after_a_power_cut(boot: Boot) -> None:
    (host,) = boot("windows")
    assert isinstance(host, WindowsHost)
    create = r'sc create Coba binPath= "C:\windows\system32\spoolsv.exe" start= auto'
    out, err, code = ran(protocol(host), f"{create} & sc start Coba")
    assert code == 0, (out, err)
    wait_until(lambda: runs(host, "spoolsv"), timeout_s=10, what="the service")
    before = host.boot_id()
    host.power_cycle()
    assert host.boot_id() != before
    assert host.services()["Coba"] == "0x2"
    wait_until(lambda: runs(host, "spoolsv"), timeout_s=60, what="the service after the power cut")
    assert host.ports() == [5985, 5986]


def test_signals(windows: WindowsHost) -> None:
    with wsman(windows) as connection, WinRS(connection) as shell:
        process = Process(shell, SLEEPER)
        process.begin_invoke()
        process.signal(SignalCode.CTRL_C)
        process.end_invoke()
        assert process.rc == CONTROL_C_EXIT
        process.signal(SignalCode.TERMINATE)
        assert code_of(process.poll_invoke) == 0x80070057


def test_what_the_service_says_of_itself(windows: WindowsHost) -> None:
    with wsman(windows) as connection:
        connection.update_max_payload_size()
        assert connection.max_envelope_size == 500 * 1024
        with WinRS(connection, idle_time_out=120) as shell:
            state = shell._get_shell()
            assert (state["Owner"], state["IdleTimeOut"]) == (PERSON, "PT120.000S")


def test_the_disk_is_read_from_outside(windows: WindowsHost) -> None:
    before = tree(windows, ["/drive_c/ProgramData"])
    windows.run(r"cmd.exe /c echo isi> C:\ProgramData\baru.txt")
    windows.run(r"reg add HKLM\Software\Coba /v Nama /d nilai")
    assert changes(before, tree(windows, ["/drive_c/ProgramData"])) == {"/drive_c/ProgramData/baru.txt": "added"}
    assert windows.registry(r"HKLM\Software\Coba") == {
        r"HKEY_LOCAL_MACHINE\Software\Coba": {"Nama": ("REG_SZ", "nilai")}
    }


def test_five_computers_at_once(boot: Boot) -> None:
    hosts = boot("windows", 5)

    def hello(host: object) -> bytes:
        assert isinstance(host, WindowsHost)
        return ran(protocol(host), "hostname")[0]

    with ThreadPoolExecutor() as pool:
        said = list(pool.map(hello, hosts))
    assert [name.decode().strip().lower() for name in said] == [host.name for host in hosts]
    deadline = time.monotonic() + 60
    for host in hosts:
        host.power_off()
        assert not host.is_on()
    assert time.monotonic() < deadline
