"""The ways to a computer: ``local``, ``ssh``, ``winrm`` and ``memory`` behind one small contract.

``boot`` is what a run needs: a channel to our first stage on the computer. Libraries are imported only by the
transport that is used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from controller.errors import InventoryError, Problem
from controller.inventory import Connection
from controller.text import Text
from controller.transport.base import Channel, Options, Package, Transport
from controller.transport.bootstrap import BootChannel, boot_command, launch, leave_python

__all__ = [
    "BootChannel",
    "Channel",
    "Options",
    "Package",
    "Transport",
    "boot",
    "boot_command",
    "bring",
    "connect",
    "transport_to",
    "unsupported",
]


KINDS = ("ssh", "winrm", "local", "memory")
"""What an order may work over: where there is an agent."""


def transport_to(connection: Connection, *, options: Options | None = None) -> Transport:
    """The transport of ``connection.kind``, not connected yet.

    Raises:
        InventoryError: no transport of that kind.
    """
    options = options or Options()
    if connection.kind == "ssh":
        from controller.transport.ssh import SshTransport

        return SshTransport(connection, options)
    if connection.kind == "local":
        from controller.transport.local import LocalTransport

        return LocalTransport(connection, options)
    if connection.kind == "winrm":
        from controller.transport.winrm import WinrmTransport

        return WinrmTransport(connection, options)
    if connection.kind == "memory":
        from controller.transport.memory import MemoryTransport

        return MemoryTransport(connection, options)
    raise InventoryError.of([unsupported(connection.kind)])


def unsupported(kind: str, where: str = "") -> Problem:
    """The mistake of a computer, ``where``, that no agent works on."""
    return Problem(
        where,
        Text(f"ansible_connection: {kind} belum didukung", f"ansible_connection: {kind} is not supported yet"),
        Text(
            "pakai ssh, winrm atau local, atau keluarkan dengan -l", "use ssh, winrm or local, or leave it out with -l"
        ),
    )


def connect(connection: Connection, *, options: Options | None = None) -> Transport:
    """The transport of ``connection.kind``, connected; the caller closes it.

    Raises:
        Unreachable: or one of its children, saying why.
    """
    transport = transport_to(connection, options=options)
    try:
        transport.connect()
    except BaseException:
        transport.close()
        raise
    return transport


def boot(
    connection: Connection,
    *,
    options: Options | None = None,
    root: str | None = None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> BootChannel:
    """A channel to the first stage on the computer; the caller closes it, and with it the connection.

    Write the mark, the stage and the job at once; the first ``read_line`` says whether all went well.

    Args:
        connection: of the inventory.
        options: of the transport.
        root: the agent's folder there, where it is not the usual one.
        progress: as for ``bring``; a Windows computer that has no Python is brought one on the way.

    Raises:
        Unreachable: or one of its children, saying why.
    """
    options = options or Options()
    transport = transport_to(connection, options=options)
    try:
        if connection.kind == "winrm":
            from controller.transport.winrm import boot as windows

            return windows.launch(transport, connection, options, progress=progress)
        return launch(transport, connection, root=root, brings=options.brings)
    except BaseException:
        transport.close()
        raise


def bring(
    connection: Connection,
    archive: Path,
    digest: str,
    *,
    options: Options | None = None,
    root: str | None = None,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> None:
    """Leave a Python on a Linux computer that has none; ``boot`` finds it there.

    Args:
        connection: of the inventory.
        archive: a tar.gz with ``python/bin/python3`` in it.
        digest: its SHA-256, which the computer checks.
        options: of the transport.
        root: the agent's folder there, where it is not the usual one.
        progress: called with the digest, what was sent, and the size.

    Raises:
        Unreachable: or one of its children.
    """
    with transport_to(connection, options=options) as transport:
        leave_python(transport, connection, archive, digest, root=root, progress=progress)
