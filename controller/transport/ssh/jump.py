"""Jump hosts: one connection to each, however many computers lie behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from controller.inventory import Connection
from controller.transport.base import Options

if TYPE_CHECKING:
    from controller.transport.ssh import SshTransport


@dataclass
class _Shared:
    lock: threading.Lock = field(default_factory=threading.Lock)
    transport: SshTransport | None = None
    users: int = 0


def borrow(
    jumps: tuple[str, ...],
    connection: Connection,
    options: Options,
    *,
    make: Callable[[Connection, Options], SshTransport],
) -> SshTransport:
    """A connection to the last of ``jumps``, made by whoever comes first; ``give_back`` it.

    Raises:
        Unreachable: or one of its children.
    """
    hop = hop_to(jumps, connection)
    key = ("jump", hop.address, hop.port, hop.user, hop.private_key_file, hop.host_key_checking, jumps)
    shared = options.once(key, _Shared)
    with shared.lock:
        if shared.transport is None or not shared.transport.is_alive():
            # Whoever holds the gate for the computer behind it must not wait for it again.
            transport = make(hop, replace(options, gate=None))
            transport.connect()
            shared.transport, shared.users = transport, 0
        shared.users += 1
        return shared.transport


def give_back(transport: SshTransport, options: Options) -> None:
    """The last one closes it."""
    for shared in [value for value in list(options.cache.values()) if isinstance(value, _Shared)]:
        with shared.lock:
            if shared.transport is transport:
                shared.users -= 1
                if shared.users > 0:
                    return
                shared.transport = None
    transport.close()


def hop_to(jumps: tuple[str, ...], connection: Connection) -> Connection:
    """The last of ``jumps``, reached through those before it; it is told nothing of the target's passwords."""
    *before, last = jumps
    user, _, place = last.strip().removeprefix("ssh://").rpartition("@")
    host, _, port = place.rpartition(":") if place.rsplit(":", 1)[-1].isdigit() else (place, "", "")
    return Connection(
        kind="ssh",
        address=host.strip("[]"),
        port=int(port) if port else None,
        user=user or None,
        extra={"ansible_ssh_common_args": f"-J {','.join(before)}"} if before else {},
        private_key_file=connection.private_key_file,
        host_key_checking=connection.host_key_checking,
        timeout_s=connection.timeout_s,
    )
