"""Jump hosts: one connection to each, however many computers lie behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from controller.settings import Secret
from controller.transport.base import Endpoint, Options

if TYPE_CHECKING:
    from controller.transport.ssh import SshTransport


@dataclass(frozen=True)
class Hop:
    """A jump host, reached as ssh_config says; it is told nothing of the target's passwords."""

    address: str
    port: int | None
    user: str | None
    extra: dict[str, object]
    private_key_file: str | Path | None
    host_key_checking: bool
    timeout_s: float | None
    kind: str = "ssh"
    password: Secret | None = None
    become: bool = False
    become_user: str = "root"
    become_method: str = "sudo"
    become_password: Secret | None = None
    python: str | None = None


@dataclass
class _Shared:
    lock: threading.Lock = field(default_factory=threading.Lock)
    transport: SshTransport | None = None
    users: int = 0


def borrow(
    jumps: tuple[str, ...],
    connection: Endpoint,
    options: Options,
    *,
    make: Callable[[Endpoint, Options], SshTransport],
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


def hop_to(jumps: tuple[str, ...], connection: Endpoint) -> Hop:
    """The last of ``jumps``, which is reached through those before it."""
    *before, last = jumps
    user, _, place = last.strip().removeprefix("ssh://").rpartition("@")
    host, _, port = place.rpartition(":") if place.rsplit(":", 1)[-1].isdigit() else (place, "", "")
    return Hop(
        address=host.strip("[]"),
        port=int(port) if port else None,
        user=user or None,
        extra={"ansible_ssh_common_args": f"-J {','.join(before)}"} if before else {},
        private_key_file=connection.private_key_file,
        host_key_checking=connection.host_key_checking,
        timeout_s=connection.timeout_s,
    )
