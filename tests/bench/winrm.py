"""`python -m tests.bench.winrm [--megabytes 64] [--repeat 3]`: how fast files get into a Windows computer over WinRM.

`push` is the product's own, transport and all. The bare clients do nothing but hand the same tar stream to the same
tar.exe in the largest pieces that an envelope takes. `echo` is what is done where nothing else is thought of: base64
in lines of a batch's length, one command line each; what would decode it is not counted. Ways take turns; the table
has the medians. What arrived is compared each time.
"""

from __future__ import annotations

import argparse
import base64
import os
import random
import statistics
import sys
import time
from collections.abc import Callable

from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan
from winrm.protocol import Protocol

from controller.transport.winrm import File, push
from tests.contract.windows import archive, reached
from tests.lab.bases import PASSWORD
from tests.lab.hosts import HostSpec
from tests.lab.lab import temporary_lab
from tests.lab.windows.base import NAME
from tests.lab.windows.computers import WindowsHost
from tests.lab.windows.wine import PERSON

FOLDER = r"C:\ProgramData\Bench"
PIECE_BYTES = 370_000
ECHO_BYTES = 200_000
"""Sent by `echo`: it would take hours for the others' size."""
_LINE = 8191 - 100
"""What cmd.exe takes, less the rest of the command. Source: Microsoft, "Command prompt line string limitation"."""


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.winrm", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=64, help="of a file")
    parser.add_argument("--repeat", type=int, default=3, help="how often; the table has the medians")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("the bench needs root: its computer is the lab's", file=sys.stderr)
        return 2
    data = random.Random(1).randbytes(options.megabytes * 1_000_000)
    took: dict[str, list[float]] = {way: [] for way in WAYS}
    with temporary_lab([HostSpec("pc1", NAME)]) as lab, lab.inside():
        (host,) = lab.hosts.values()
        assert isinstance(host, WindowsHost)
        for turn in range(options.repeat + 1):
            for way, send in WAYS.items():
                sent = data if way != "echo" else data[:ECHO_BYTES]
                began = time.perf_counter()
                send(host, sent)
                rate = len(sent) / (time.perf_counter() - began) / 1e6
                _look(host, way, sent)
                if turn:  # the first warms up
                    took[way].append(rate)
                    print(f"{way:<28} {rate:8.3f} MB/s", file=sys.stderr, flush=True)
    medians = {way: statistics.median(rates) for way, rates in took.items()}
    print("| | MB/s | of the faster bare client | times `echo` |\n|---|---|---|---|")
    for way, rate in medians.items():
        share = f"{rate / max(medians[bare] for bare in BARE[way]):.0%}" if way in BARE else ""
        print(f"| {way} | {rate:.2g} | {share} | {rate / medians['echo']:.0f} |")
    return 0


def _ours(host: WindowsHost, data: bytes, **changes: str) -> None:
    with reached(host, tls="ansible_winrm_transport" in changes, **changes) as transport:
        pieces = (data[at : at + 65_536] for at in range(0, len(data), 65_536))
        push(transport, FOLDER, [File("x.bin", len(data), pieces)])


_COMMAND = f'(if not exist "{FOLDER}" mkdir "{FOLDER}") & tar.exe -xf - -C "{FOLDER}"'


def _protocol(host: WindowsHost, *, tls: bool = False) -> Protocol:
    where = f"https://{host.address}:5986/wsman" if tls else f"http://{host.address}:5985/wsman"
    return Protocol(
        where,
        "basic" if tls else "ntlm",
        username=PERSON,
        password=PASSWORD,
        ca_trust_path=str(host.certificate),  # type: ignore[arg-type]
        proxy=None,  # type: ignore[arg-type]
    )


def _pywinrm(host: WindowsHost, data: bytes, *, tls: bool = False) -> None:
    client = _protocol(host, tls=tls)
    shell = client.open_shell()
    command = client.run_command(shell, _COMMAND, console_mode_stdin=False)
    stream = archive(data, "x.bin")
    for at in range(0, len(stream), PIECE_BYTES):
        last = at + PIECE_BYTES >= len(stream)
        client.send_command_input(shell, command, stream[at : at + PIECE_BYTES], end=last)
    assert client.get_command_output(shell, command)[2] == 0
    client.cleanup_command(shell, command)
    client.close_shell(shell)


def _pypsrp(host: WindowsHost, data: bytes) -> None:
    with (
        WSMan(
            host.address, username=PERSON, password=PASSWORD, ssl=False, auth="ntlm", encryption="always", no_proxy=True
        ) as client,
        WinRS(client) as shell,
    ):
        process = Process(shell, _COMMAND)
        process.begin_invoke()
        stream = archive(data, "x.bin")
        for at in range(0, len(stream), PIECE_BYTES):
            process.send(stream[at : at + PIECE_BYTES], end=at + PIECE_BYTES >= len(stream))
        process.end_invoke()
        process.signal(SignalCode.TERMINATE)
        assert process.rc == 0


def _echo(host: WindowsHost, data: bytes) -> None:
    client = _protocol(host)
    shell = client.open_shell()
    text = base64.b64encode(data).decode()
    for at in range(0, len(text), _LINE):
        redirect = ">>" if at else ">"
        command = client.run_command(shell, f'{redirect}"{FOLDER}\\x.b64" echo {text[at : at + _LINE]}')
        assert client.get_command_output(shell, command)[2] == 0
        client.cleanup_command(shell, command)
    client.close_shell(shell)


def _look(host: WindowsHost, way: str, sent: bytes) -> None:
    folder = host.drive / "ProgramData/Bench"
    if way == "echo":
        assert base64.b64decode((folder / "x.b64").read_bytes()) == sent
        return
    assert (folder / "x.bin").read_bytes() == sent
    (folder / "x.bin").unlink()


WAYS: dict[str, Callable[[WindowsHost, bytes], None]] = {
    "push, NTLM over http": _ours,
    "bare pywinrm, NTLM over http": _pywinrm,
    "bare pypsrp, NTLM over http": _pypsrp,
    "push, Basic over TLS": lambda host, data: _ours(host, data, ansible_winrm_transport="basic"),
    "bare pywinrm, Basic over TLS": lambda host, data: _pywinrm(host, data, tls=True),
    "echo": _echo,
}
BARE = {
    "push, NTLM over http": ["bare pywinrm, NTLM over http", "bare pypsrp, NTLM over http"],
    "push, Basic over TLS": ["bare pywinrm, Basic over TLS"],
}


if __name__ == "__main__":
    sys.exit(main())
