"""The only door to pywinrm, and to what it brings along: requests, urllib3, pyspnego."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from typing import Any

import requests
import urllib3
from spnego.exceptions import SpnegoError
from winrm import transport as _transport
from winrm.exceptions import (
    AuthenticationError,
    WinRMError,
    WinRMOperationTimeoutError,
    WinRMTransportError,
    WSManFaultError,
)
from winrm.protocol import Protocol

from controller.errors import InventoryError
from controller.text import Text
from controller.transport.winrm.way import Way

__all__ = [
    "ANSWERED",
    "BROKEN",
    "REFUSED",
    "NothingYet",
    "Protocol",
    "WSManFaultError",
    "WinRMTransportError",
    "is_torn",
    "protocol_for",
    "requests",
    "urllib3",
]

NothingYet = WinRMOperationTimeoutError
"""Fault 2150858793: the operation's time is over and there was nothing to say."""
ANSWERED = (WSManFaultError, NothingYet)
"""The service said no; the line is as good as before."""
# requests_ntlm: PermissionError and KeyError where a server does not go on with what it offered.
REFUSED = (AuthenticationError, SpnegoError, PermissionError)
_GARBLED = (ET.ParseError, struct.error, LookupError, ValueError, AttributeError, StopIteration, AssertionError)
"""What pywinrm and requests_ntlm raise of an answer that is none: they look for parts of it without asking."""
BROKEN = (
    WinRMError, WinRMTransportError, NothingYet, SpnegoError, requests.RequestException,
    urllib3.exceptions.HTTPError, OSError, *_GARBLED,
)  # fmt: skip
"""Everything that a question to the service may end with."""

_NEEDS = {"kerberos": ("HAVE_KERBEROS", "pywinrm[kerberos]"), "credssp": ("HAVE_CREDSSP", "pywinrm[credssp]")}


def protocol_for(way: Way, method: str) -> Any:
    """A client that has sent nothing yet.

    Raises:
        InventoryError: a method whose library is not installed here, or settings that pywinrm does not take.
    """
    flag, package = _NEEDS.get(method, ("", ""))
    if flag and not getattr(_transport, flag):
        raise InventoryError(
            Text(f"{method} belum terpasang di komputer ini", f"{method} is not installed on this computer"),
            where=way.where,
            hint=Text(f"pasang dengan pip: {package}", f"install it with pip: {package}"),
        )
    # The LAN's computers are not behind the office's proxy. An empty one says so; with None requests would write
    # no_proxy into this process's environment at each question, which many threads at once do not survive.
    settings: dict[str, Any] = {"proxy": "", **way.extra}
    try:
        protocol = Protocol(
            way.endpoint,
            method,  # type: ignore[arg-type]
            username=way.user or None,
            password=None if way.password is None else way.password.reveal(),
            ca_trust_path=way.authorities,  # type: ignore[arg-type]
            server_cert_validation="validate" if way.validate else "ignore",
            message_encryption=way.encryption,  # type: ignore[arg-type]
            operation_timeout_sec=way.operation_timeout_s,
            read_timeout_sec=way.read_timeout_s,
            **settings,
        )
    except WinRMError as error:
        raise InventoryError(Text(f"WinRM: {error}", f"WinRM: {error}"), where=way.where) from error
    # requests takes two times where pywinrm knows of one: until the connection stands, and for the answer.
    protocol.transport.read_timeout_sec = (way.connect_timeout_s, way.read_timeout_s)  # type: ignore[assignment]
    return protocol


def is_torn(error: Exception) -> bool:
    """Whether an answer had begun to come, so that what it carried is lost for certain."""
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return True
    if isinstance(error, requests.exceptions.Timeout) or not isinstance(error, requests.RequestException):
        return isinstance(error, _GARBLED)
    return any(isinstance(cause, urllib3.exceptions.ReadTimeoutError) for cause in error.args)
