"""WS-Management's envelopes: what a request says, and how answers and faults are written.

Source: MS-WSMV and DSP0226; the faults' texts and numbers as WinRM 3.0 gives them.
"""

from __future__ import annotations

import re
import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

NAMESPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "p": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "n": "http://schemas.xmlsoap.org/ws/2004/09/enumeration",
    "e": "http://schemas.xmlsoap.org/ws/2004/08/eventing",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
    "cfg": "http://schemas.microsoft.com/wbem/wsman/1/config",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "wsmid": "http://schemas.dmtf.org/wbem/wsman/identify/1/wsmanidentity.xsd",
}
SHELL = NAMESPACES["rsp"]
TRANSFER = NAMESPACES["x"]
ENUMERATION = NAMESPACES["n"]
ANONYMOUS = NAMESPACES["a"] + "/role/anonymous"
_FAULT_ACTION = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
_DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


class Fault(Exception):
    """What is answered instead of a result.

    Attributes:
        code: WinRM's own number.
        subcode: of SOAP, such as "w:TimedOut".
        text: in the words of Windows.
    """

    def __init__(self, code: int, subcode: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.subcode = subcode
        self.text = text


def timed_out() -> Fault:
    """The time the client gave the operation is over; whatever it waited for goes on."""
    return Fault(
        2150858793,
        "w:TimedOut",
        "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.  ",
    )


def malformed(what: str) -> Fault:
    """The request is not one of ours."""
    return Fault(2150858817, "w:SchemaValidationError", f"The WS-Management service cannot process the request. {what}")


@dataclass(frozen=True)
class Request:
    """One envelope that was asked of us.

    Attributes:
        action, resource, message_id: the headers' values; empty where there was none.
        selectors: name (lower case) -> value.
        options: name -> value.
        timeout_s: how long the client waits for the operation.
        envelope_bytes: the largest answer it takes.
        body: the element inside the body; None where that is empty.
    """

    action: str
    resource: str
    message_id: str
    timeout_s: float
    envelope_bytes: int
    selectors: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    body: ET.Element | None = None

    def text(self, path: str, default: str = "") -> str:
        """The text of an element inside the body, by a path such as "rsp:Code"."""
        found = None if self.body is None else self.body.find(path, NAMESPACES)
        return default if found is None else (found.text or "")


def read(data: bytes, *, largest: int, timeout_s: float = 60) -> Request:
    """Understand an envelope.

    Args:
        data: as it came.
        largest: the largest answer of this computer; the client may ask for smaller ones.
        timeout_s: of an operation without a time of its own.

    Raises:
        Fault: it is none.
    """
    try:
        root = ET.fromstring(data)
    except ET.ParseError as error:
        raise malformed(f"The XML in the request is not well formed: {error}") from error
    header, body = root.find("s:Header", NAMESPACES), root.find("s:Body", NAMESPACES)
    if root.tag != f"{{{NAMESPACES['s']}}}Envelope" or body is None:
        raise malformed("It is not a SOAP 1.2 envelope.")

    def value(path: str) -> str:
        found = None if header is None else header.find(path, NAMESPACES)
        return "" if found is None else (found.text or "").strip()

    def pairs(path: str) -> list[tuple[str, str]]:
        found = [] if header is None else header.findall(path, NAMESPACES)
        return [(element.get("Name", ""), element.text or "") for element in found]

    return Request(
        action=value("a:Action"),
        resource=value("w:ResourceURI"),
        message_id=value("a:MessageID"),
        timeout_s=seconds(value("w:OperationTimeout"), timeout_s),
        envelope_bytes=min(int(value("w:MaxEnvelopeSize") or largest), largest),
        selectors={name.lower(): text for name, text in pairs("w:SelectorSet/w:Selector")},
        options=dict(pairs("w:OptionSet/w:Option")),
        body=next(iter(body), None),
    )


def seconds(duration: str, default: float) -> float:
    """`PT1M30S` as seconds; `default` where it is empty.

    Raises:
        Fault: it is no duration.
    """
    if not duration:
        return default
    found = _DURATION.fullmatch(duration)
    if found is None or duration in ("P", "PT"):
        raise malformed(f"{duration} is not a duration.")
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest


def duration(value_s: float) -> str:
    """Seconds as `PT90.000S`."""
    return f"PT{value_s:.3f}S"


def answer(request: Request, action: str, body: str) -> bytes:
    """An envelope that answers `request`; `body` is XML with the prefixes of `NAMESPACES`."""
    return _envelope(action, request.message_id, body)


def fault(request: Request | None, raised: Fault, machine: str) -> bytes:
    """An envelope that says why not."""
    detail = (
        f'<f:WSManFault Code="{raised.code}" Machine={quoteattr(machine)}>'
        f"<f:Message>{escape(raised.text)}</f:Message></f:WSManFault>"
    )
    body = (
        f"<s:Fault><s:Code><s:Value>s:{'Sender' if raised.subcode != 'w:InternalError' else 'Receiver'}</s:Value>"
        f"<s:Subcode><s:Value>{raised.subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{escape(raised.text)}</s:Text></s:Reason>'
        f"<s:Detail>{detail}</s:Detail></s:Fault>"
    )
    return _envelope(_FAULT_ACTION, "" if request is None else request.message_id, body)


def _envelope(action: str, relates_to: str, body: str) -> bytes:
    return (
        f'<s:Envelope xml:lang="en-US" {_DECLARED}><s:Header><a:Action>{action}</a:Action>'
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID><a:To>{ANONYMOUS}</a:To>"
        f"<a:RelatesTo>{escape(relates_to)}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()
