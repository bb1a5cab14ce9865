"""WinRM's way in: HTTP and HTTPS, who somebody is, and messages that are encrypted by what proved it.

NTLM encrypts the bodies on plain HTTP, and unencrypted ones are refused there (AllowUnencrypted=false); Basic is
offered inside TLS only. Source: MS-WSMV 2.2.9.1, MS-NTHT, and `winrm get winrm/config/service`.
"""

from __future__ import annotations

import base64
import binascii
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import spnego
from spnego.exceptions import SpnegoError

from tests.lab.windows.soap import Request, answer
from tests.lab.windows.wsman import IDENTITY, Caller, Service

_BOUNDARY = b"--Encrypted Boundary"
_OCTETS = b"Content-Type: application/octet-stream\r\n"
_SOAP = "application/soap+xml;charset=UTF-8"
_OVERHEAD_BYTES = 2048  # what encryption puts around an envelope


class Listener(ThreadingHTTPServer):
    """One port of a computer; every connection has a thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], service: Service, knows: Callable[[str, str], bool], tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(address, _Connection)
        self.service = service
        self.knows = knows
        self.tls = tls

    def start(self) -> None:
        """Answer from now on."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no event."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Microsoft-HTTPAPI/2.0"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: Listener

    def setup(self) -> None:
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self._context: Any = None
        self._person: str | None = None
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""

    def do_POST(self) -> None:
        """One envelope."""
        length = int(self.headers.get("Content-Length") or 0)
        largest = self.server.service.quotas.envelope_bytes
        body = self.rfile.read(length)
        if length > largest + _OVERHEAD_BYTES:
            self.close_connection = True
            self._reply(413)
        elif self.path.partition("?")[0].rstrip("/") != "/wsman":
            self._reply(404)
        elif self.headers.get("WSMANIDENTIFY", "").lower() == "unauthenticated":
            self._reply(200, answer(Request("", "", "", 0, 0), "", IDENTITY))
        elif self._authenticates():
            self._answer(body, largest)

    def _answer(self, body: bytes, largest: int) -> None:
        token = self._final_token
        encrypted = "multipart/encrypted" in self.headers.get("Content-Type", "")
        if not body:
            return self._reply(200, headers=token)
        if not encrypted and self.server.tls is None:
            return self._reply(500, headers=token)
        if encrypted:
            try:
                body = self._decrypted(body)
            except (SpnegoError, ValueError, struct.error):
                self.close_connection = True
                return self._reply(400)
        if len(body) > largest:
            self.close_connection = True
            return self._reply(413)
        caller = Caller(self._person or "", self.client_address[0], self._listens)
        status, envelope = self.server.service.answer(body, caller)
        return self._reply(status, envelope, encrypted=encrypted, headers=token)

    # --- who it is ------------------------------------------------------------------------------------------------

    def _authenticates(self) -> bool:
        """Whether the connection's person is known by now; otherwise the client has been told how to go on."""
        self._final_token: dict[str, str] = {}
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        try:
            token = base64.b64decode(value, validate=True)
        except binascii.Error:
            token = b""
        if not scheme and self._person is not None:
            return True
        if scheme.lower() in ("negotiate", "ntlm") and token:
            return self._negotiates(scheme, token)
        if scheme.lower() == "basic" and self.server.tls is not None:
            person, _, password = token.decode(errors="replace").partition(":")
            if self.server.knows(person, password):
                self._person = person
                return True
        return self._refuse()

    def _negotiates(self, scheme: str, token: bytes) -> bool:
        raw = token.startswith(b"NTLMSSP\0")
        if self._context is None or self._context.complete:
            self._person = None
            self._context = spnego.server(protocol="ntlm" if raw else "negotiate")
        try:
            reply = self._context.step(token)
        except Exception:  # noqa: BLE001 - whatever is wrong with a token, the client is not who it says
            self._context = None
            return self._refuse()
        header = f"{scheme} {base64.b64encode(reply).decode()}" if reply else ""
        if not self._context.complete:
            self._reply(401, headers={"WWW-Authenticate": header})
            return False
        self._person = str(self._context.client_principal).rpartition("\\")[2]
        self._final_token = {"WWW-Authenticate": header} if header else {}
        return True

    def _refuse(self) -> bool:
        self._person = None
        ways = ["Negotiate"] if self.server.tls is None else ["Negotiate", 'Basic realm="WSMAN"']
        self._reply(401, headers={"WWW-Authenticate": ", ".join(ways)})
        return False

    # --- bodies ---------------------------------------------------------------------------------------------------

    def _decrypted(self, body: bytes) -> bytes:
        _, _, sealed = body.partition(_OCTETS)
        end = sealed.rindex(_BOUNDARY + b"--")
        (length,) = struct.unpack_from("<I", sealed)
        message: bytes = self._context.unwrap_winrm(sealed[4 : 4 + length], sealed[4 + length : end])
        return message

    def _encrypted(self, envelope: bytes) -> bytes:
        sealed = self._context.wrap_winrm(envelope)
        head = (
            f"\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
            f"\tOriginalContent: type={_SOAP};Length={len(envelope) + sealed.padding_length}\r\n"
        ).encode()
        size = struct.pack("<I", len(sealed.header))
        return b"".join(
            [_BOUNDARY, head, _BOUNDARY, b"\r\n\t", _OCTETS, size, sealed.header, sealed.data, _BOUNDARY, b"--\r\n"]
        )

    def _reply(
        self, status: int, body: bytes = b"", *, encrypted: bool = False, headers: dict[str, str] | None = None
    ) -> None:
        kind = _SOAP
        if encrypted:
            body = self._encrypted(body)
            kind = (
                'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'
            )
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _listens(self) -> bool:
        """Whether the client is still there. It sends nothing before we have answered: what comes is its farewell."""
        if isinstance(self.request, ssl.SSLSocket):
            return not select.select([self.request], [], [], 0)[0]
        try:
            return bool(self.request.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return True
        except OSError:
            return False
