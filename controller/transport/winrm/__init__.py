"""WinRM: one remote shell a computer, commands in it, bytes pushed through them.

pywinrm is imported by ``library`` alone, which nothing imports before a Windows computer is reached.
"""

from __future__ import annotations

from contextlib import nullcontext

from controller.inventory import Connection
from controller.transport.base import WINE, Options, Transport, lost
from controller.transport.winrm import library, refusals
from controller.transport.winrm.channel import WinrmChannel
from controller.transport.winrm.push import File, push
from controller.transport.winrm.shell import Shell
from controller.transport.winrm.way import way_to

__all__ = ["File", "WinrmTransport", "push"]

_ROUND_TRIPS = {"ntlm": 4, "credssp": 6}
"""TCP, and each step of the authentication; the others say who they are along with the first question."""


class WinrmTransport(Transport):
    """One remote shell, deleted when it is closed."""

    proof = WINE

    def __init__(self, connection: Connection, options: Options) -> None:
        self._options = options
        self._way = way_to(connection, connect_timeout_s=options.connect_timeout_s)
        self._shell: Shell | None = None
        self._channels: list[WinrmChannel] = []

    def connect(self, command: str | None = None) -> None:  # noqa: ARG002 - it cannot travel with the authentication
        """See ``Transport.connect``."""
        tried: list[str] = []
        with self._options.gate or nullcontext():
            for method in self._way.methods:
                tried.append(method)
                try:
                    self._shell = Shell(self._way, method, dead_after_s=self._options.dead_after_s)
                except library.REFUSED:
                    continue
                except library.BROKEN as error:
                    raise refusals.no_way(self._way, error) from error
                self.round_trips += _ROUND_TRIPS.get(method, 1) + self._way.tls + 1
                return
        raise refusals.not_let_in(self._way, tried)

    def open(self, command: str, *, listens: bool = True) -> WinrmChannel:
        """See ``Transport.open``; the shell is cmd.exe, and stdin is binary.

        Args:
            command: cmd.exe's line.
            listens: whether the output is waited for from now on, rather than once that is asked for.
        """
        if self._shell is None:
            raise lost(self._way.where)
        self.round_trips += 1
        channel = WinrmChannel(self._shell, command, self._way.where, listens=listens)
        self._channels.append(channel)
        return channel

    @property
    def requests(self) -> int:
        """How many questions WinRM has answered since, those of signing in aside."""
        return self._shell.requests if self._shell else 0

    def describe(self) -> dict[str, str]:
        """See ``Transport.describe``; a computer whose certificate was not checked says so."""
        checked = self._way.tls and self._way.validate
        return {
            "transport": "winrm",
            "address": self._way.where,
            "user": self._way.user,
            "host_key": "" if checked else "(not checked)",
        }

    def close(self) -> None:
        """See ``Transport.close``; everything that still runs in the shell's jobs ends with it."""
        for channel in self._channels:
            channel.close()
        shell, self._shell = self._shell, None
        if shell is not None:
            shell.delete()
