"""The ways to a computer: ``local``, ``ssh``, ``winrm`` and ``memory`` behind one small contract.

``boot`` is what a run needs: a channel to our first stage on the computer. Libraries are imported only by the
transport that is used.
"""

from __future__ import annotations

from controller.errors import InventoryError
from controller.text import Text
from controller.transport.base import Channel, Endpoint, Options, Transport
from controller.transport.bootstrap import BootChannel, boot_command, launch

__all__ = [
    "BootChannel",
    "Channel",
    "Endpoint",
    "Options",
    "Transport",
    "boot",
    "boot_command",
    "connect",
    "transport_to",
]


KINDS = ("ssh", "local", "memory")
"""What ``ansible_connection`` may be."""


def transport_to(connection: Endpoint, *, options: Options | None = None) -> Transport:
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
    if connection.kind == "memory":
        from controller.transport.memory import MemoryTransport

        return MemoryTransport(connection, options)
    raise InventoryError(
        Text(
            f"jenis sambungan {connection.kind!r} belum dikenal", f"the connection kind {connection.kind!r} is unknown"
        ),
        where="ansible_connection",
        hint=Text("pakai ssh atau local", "use ssh or local"),
    )


def connect(connection: Endpoint, *, options: Options | None = None) -> Transport:
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


def boot(connection: Endpoint, *, options: Options | None = None) -> BootChannel:
    """A channel to the first stage on the computer; the caller closes it, and with it the connection.

    Write the mark, the stage and the job at once; the first ``read_line`` says whether all went well.

    Raises:
        Unreachable: or one of its children, saying why.
    """
    transport = transport_to(connection, options=options)
    try:
        return launch(transport, connection)
    except BaseException:
        transport.close()
        raise
