"""Sockets as the C part has them, and closed by ``with``. Source: Modules/socketmodule.c."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import *  # noqa: F403
    from socket import timeout as timeout
else:
    import _socket
    from _socket import *  # noqa: F403

    class socket(_socket.socket):
        """A socket that a block closes."""

        __slots__ = ()

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.close()
