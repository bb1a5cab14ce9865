"""The stream of bytes below SSH: TCP, a ProxyCommand, or a channel of a jump host."""

from __future__ import annotations

import errno
import shlex
import socket
import subprocess

from controller.errors import InventoryError, Unreachable
from controller.text import Text


class Again(Exception):
    """What went wrong may go right in a moment; the error to raise if it does not."""

    def __init__(self, error: Unreachable) -> None:
        super().__init__(str(error))
        self.error = error


def tcp(host: str, port: int, *, timeout_s: float, dead_after_s: float) -> socket.socket:
    """A TCP connection that the kernel itself declares dead when nothing is acknowledged for ``dead_after_s``.

    Raises:
        Unreachable: the name is unknown, there is no route, nobody listens or answers in time.
    """
    where = f"{host}:{port}"
    try:
        connection = socket.create_connection((host, port), timeout_s)
    except socket.gaierror as error:
        raise _unreachable(
            where, "nama komputer tidak dikenal", "the name is unknown", "periksa ansible_host", "check ansible_host"
        ).of("name") from error
    except TimeoutError as error:
        # The kernel has asked several times by then: asking again would cost a minute for every computer that is off.
        raise _unreachable(
            where,
            f"tidak menjawab dalam {timeout_s:g} detik",
            f"no answer within {timeout_s:g} s",
            "periksa apakah komputer menyala dan alamatnya benar",
            "check that it is switched on and the address is right",
        ) from error
    except OSError as error:
        if error.errno == errno.ECONNREFUSED:
            raise _unreachable(
                where,
                "sambungan ditolak; tidak ada SSH di port itu",
                "connection refused; no SSH on that port",
                "periksa ansible_port, dan apakah sshd berjalan",
                "check ansible_port, and whether sshd runs",
            ) from error
        reason = error.strerror or str(error)
        raise _unreachable(
            where,
            f"tidak ada jalan ke komputer itu ({reason})",
            f"no way to that computer ({reason})",
            "periksa jaringan dan apakah komputer menyala",
            "check the network and that it is switched on",
        ) from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    third = max(1, round(dead_after_s / 3))
    # Source: tcp(7) and net/ipv4/tcp_timer.c: with TCP_USER_TIMEOUT a quiet line ends at the first probe after it has
    # passed, so it must pass shortly before the third.
    for name, value in (
        ("TCP_KEEPIDLE", third),
        ("TCP_KEEPINTVL", third),
        ("TCP_KEEPCNT", 2),
        ("TCP_USER_TIMEOUT", round(dead_after_s * 900)),
    ):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return connection


def proxy(command: str, *, host: str, port: int, user: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """The stream of a ProxyCommand, as a real socket, and the process behind it.

    Raises:
        InventoryError: the command cannot be started.
    """
    for token, value in (("%h", host), ("%p", str(port)), ("%r", user)):
        command = command.replace(token, value)
    ours, theirs = socket.socketpair()
    try:
        process = subprocess.Popen(
            shlex.split(command), stdin=theirs.fileno(), stdout=theirs.fileno(), start_new_session=True
        )
    except (OSError, ValueError) as error:
        ours.close()
        raise InventoryError(
            Text(f"ProxyCommand tidak dapat dijalankan: {command}", f"ProxyCommand cannot be run: {command}"),
            where=f"{host}:{port}",
            hint=Text("periksa perintahnya", f"check the command: {error}"),
        ) from error
    finally:
        theirs.close()
    return ours, process


def _unreachable(where: str, what_id: str, what_en: str, hint_id: str, hint_en: str) -> Unreachable:
    return Unreachable(Text(what_id, what_en), where=where, hint=Text(hint_id, hint_en))
