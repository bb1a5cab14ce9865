"""An SSH connection that asks for everything at once.

OpenSSH's client waits nine round trips until a command answers, plain paramiko seven. The protocol demands four: TCP,
the key exchange offered, the key exchange, and all the rest. After a key exchange with a signed host key a client may
send on without waiting for the service (RFC 4253, 9 and 10); what follows the authentication request that succeeds
belongs to the connection protocol already (RFC 4252, 5.1); and an OpenSSH server gives its first channel the number 0,
so that the command can follow without its number being known. A server that refuses the authentication answers the
rest with UNIMPLEMENTED, and another method may be tried.

What is used of paramiko beyond its documented face stands in this file only: ``_send_message``, ``_next_channel``,
``_channels``, ``Channel._set_transport`` and ``Channel._set_window``, as ``open_channel`` uses them; the two tables of
handlers; ``Channel._check_add_window``, as ``recv_stderr`` uses it; ``Channel._window_adjust``; ``_parse_debug``.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

from controller.transport.base import ERRORS_LIMIT_BYTES
from controller.transport.ssh.library import LOG, paramiko

_Message = paramiko.Message
_common = paramiko.common

CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
DIGESTS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
WINDOW_BYTES = 4 * 1024 * 1024
_UNANSWERED_LIMIT = 2
_KNOWN_TO_START_AT_ZERO = ("SSH-2.0-OpenSSH",)


class Session(paramiko.Transport):  # type: ignore[misc]  # paramiko has no types
    """paramiko's transport with fewer waits: on the wire, and in its own thread."""

    def __init__(self, sock: Any, *, answer_timeout_s: float, look_every_s: float, stall_s: float) -> None:
        """A session over ``sock``, not begun.

        Args:
            sock: a socket, or what behaves like one.
            answer_timeout_s: for each answer until we are in.
            look_every_s: how often a quiet server is asked whether it is there; the second time that it owes an
                answer at such a moment, it is not.
            stall_s: the same while we have more to send than it takes.
        """
        super().__init__(sock, default_window_size=WINDOW_BYTES)
        self.set_log_channel(LOG)
        security = self.get_security_options()
        security.ciphers, security.digests = CIPHERS, DIGESTS
        self.banner_timeout = self.handshake_timeout = self.auth_timeout = answer_timeout_s
        self.clear_to_send_timeout = self.channel_timeout = answer_timeout_s
        self._look_every_s = look_every_s
        self.stall_s = stall_s
        self._unanswered = 0
        self._served = False
        self._ahead: tuple[str, Any, threading.Event] | None = None
        for kind in (_common.MSG_SERVICE_ACCEPT, _common.MSG_UNIMPLEMENTED):
            self._handler_table[kind] = _ignore
        for kind in (_common.MSG_REQUEST_SUCCESS, _common.MSG_REQUEST_FAILURE):
            self._handler_table[kind] = self._answered
        self._channel_handler_table = {
            **paramiko.Transport._channel_handler_table,
            _common.MSG_CHANNEL_EXTENDED_DATA: self._take_complaint,
            _common.MSG_CHANNEL_WINDOW_ADJUST: self._adjusted,
        }
        self._complaints: dict[int, bytearray] = {}
        self._owed_bytes: dict[int, int] = {}
        # The thread looks up this often while nothing comes; the default, ten times a second, costs 100 quiet
        # sessions a tenth of a core.
        sock.settimeout(min(answer_timeout_s, look_every_s))

    def greet(self, key_types: list[str]) -> Any:
        """Exchanges keys and returns the host's, unchecked.

        Args:
            key_types: of the keys we know of this host; they are asked for first.

        Raises:
            SSHException, EOFError, OSError: it did not come to that.
        """
        security = self.get_security_options()
        known = [name for kind in key_types for name in _algorithms(kind) if name in security.key_types]
        security.key_types = tuple(known + [name for name in security.key_types if name not in known])
        self.start_client(timeout=self.handshake_timeout)
        if not self.initial_kex_done:
            raise paramiko.SSHException("no answer in the key exchange")
        return self.get_remote_server_key()

    def authenticate(self, method: Callable[[Any], list[str]], *, ahead: str | None = None) -> list[str]:
        """Tries one method.

        Args:
            method: gets an authentication handler and calls its method, e.g. ``auth_password``.
            ahead: a command that is started in the same breath.

        Returns:
            Methods that the server wants besides; empty: we are in.

        Raises:
            AuthenticationException: or another of paramiko's.
        """
        handler = _Handler(self, ahead if self.remote_version.startswith(_KNOWN_TO_START_AT_ZERO) else None)
        self.auth_handler = handler
        try:
            further = method(handler)
        except BaseException:
            self._ahead = None
            raise
        if further:
            self._ahead = None
        else:
            self.packetizer.set_keepalive(self._look_every_s * 0.9, self.ask)
            self.sock.settimeout(self._look_every_s)
        return further

    @property
    def went_ahead(self) -> bool:
        """Whether a command was sent before its channel was known."""
        return self._ahead is not None

    def run_command(self, command: str) -> Any:
        """A channel on which ``command`` runs, or is about to."""
        if self._ahead is not None and self._ahead[0] == command:
            _, channel, opened = self._ahead
            self._ahead = None
            opened.wait(self.channel_timeout)
            if not channel.active:
                raise self.get_exception() or paramiko.SSHException("the channel was not opened")
            return channel
        channel = self.open_session(timeout=self.channel_timeout)
        channel.exec_command(command)
        return channel

    def send_request(self, request: Any, ahead: str | None) -> None:
        """Sends an authentication request, with the service before it and a command behind it."""
        if not self._served:
            service = _Message()
            service.add_byte(_common.cMSG_SERVICE_REQUEST)
            service.add_string("ssh-userauth")
            self._send_message(service)
            self._served = True
        self._send_message(request)
        if ahead is not None:
            self._send_ahead(ahead)

    def _send_ahead(self, command: str) -> None:
        with self.lock:
            number = self._next_channel()
            channel = paramiko.Channel(number)
            self._channels.put(number, channel)
            self.channels_seen[number] = True
            self.channel_events[number] = opened = threading.Event()
            channel._set_transport(self)
            channel._set_window(self.default_window_size, self.default_max_packet_size)
        self._ahead = (command, channel, opened)
        opening, request = _Message(), _Message()
        opening.add_byte(_common.cMSG_CHANNEL_OPEN)
        opening.add_string("session")
        opening.add_int(number)
        opening.add_int(self.default_window_size)
        opening.add_int(self.default_max_packet_size)
        request.add_byte(_common.cMSG_CHANNEL_REQUEST)
        request.add_int(0)
        request.add_string("exec")
        request.add_boolean(True)
        request.add_string(command)
        self._send_message(opening)
        self._send_message(request)

    def ask(self) -> None:
        """Is the server still there? Called when nothing came, or nothing was taken, for a while."""
        if self._unanswered >= _UNANSWERED_LIMIT:
            self.drop()
            return
        self._unanswered += 1
        question = _Message()
        question.add_byte(_common.cMSG_GLOBAL_REQUEST)
        question.add_string("keepalive@openssh.com")
        question.add_boolean(True)
        self._send_message(question)

    def _answered(self, message: Any) -> None:  # noqa: ARG002 - whatever it answers, it is there
        self._unanswered = 0

    def _adjusted(self, channel: Any, message: Any) -> None:
        """More may be sent: what lies before our question has got through, however slow the line is."""
        self._unanswered = 0
        channel._window_adjust(message)

    def complaints(self, channel: Any) -> bytes:
        """The tail of what the program of ``channel`` wrote to stderr."""
        return bytes(self._complaints.get(channel.chanid, b""))

    def _take_complaint(self, channel: Any, message: Any) -> None:
        """Keeps the tail of stderr as it comes, so that a program that writes much there never waits for a reader."""
        message.get_int()
        data = message.get_binary()
        tail = self._complaints.setdefault(channel.chanid, bytearray())
        tail += data
        del tail[:-ERRORS_LIMIT_BYTES]
        owed_bytes = self._owed_bytes.pop(channel.chanid, 0) + len(data)
        if not self.clear_to_send.is_set():
            self._owed_bytes[channel.chanid] = owed_bytes
        elif (taken_bytes := channel._check_add_window(owed_bytes)) > 0:
            adjustment = _Message()
            adjustment.add_byte(_common.cMSG_CHANNEL_WINDOW_ADJUST)
            adjustment.add_int(channel.remote_chanid)
            adjustment.add_int(taken_bytes)
            self._send_message(adjustment)

    def _parse_debug(self, message: Any) -> None:
        """OpenSSH tells which line let us in; making that printable costs more than checking a signature."""

    def drop(self) -> None:
        """Ends the connection at once; the reading thread wakes up by it."""
        with contextlib.suppress(OSError):
            if isinstance(self.sock, socket.socket):
                self.sock.shutdown(socket.SHUT_RDWR)
            else:
                self.sock.close()

    def close(self) -> None:
        """See paramiko; closing a socket alone would leave its reader asleep until its next look."""
        self.drop()
        super().close()
        self.sock.close()


class _Handler(paramiko.auth_handler.AuthOnlyHandler):  # type: ignore[misc]  # paramiko has no types
    """Sends the request in one go; and knows what it waits for before it can be answered, which paramiko's does not."""

    def __init__(self, session: Session, ahead: str | None) -> None:
        super().__init__(session)
        self._ahead = ahead

    def send_auth_request(self, username: str, method: str, finish_message: Callable[[Any], None]) -> list[str]:
        """See paramiko."""
        self.auth_method, self.username = method, username
        self.auth_event = threading.Event()
        request = _Message()
        request.add_byte(_common.cMSG_USERAUTH_REQUEST)
        request.add_string(username)
        request.add_string("ssh-connection")
        request.add_string(method)
        finish_message(request)
        # An interactive method is a conversation: nothing may stand between question and answer.
        self.transport.send_request(request, None if method == "keyboard-interactive" else self._ahead)
        return list(self.wait_for_response(self.auth_event))


def _algorithms(kind: str) -> tuple[str, ...]:
    """The signature algorithms of a key type, as they are asked for."""
    return ("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,)


def _ignore(message: Any) -> None:
    """Takes an answer that changes nothing."""
