"""The WinRM service of a computer: WS-Management's operations on its shells."""

from __future__ import annotations

import base64
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from tests.lab.windows import soap
from tests.lab.windows.settings import Quotas
from tests.lab.windows.shells import Command, Shell, no_such_shell, too_many_shells
from tests.lab.windows.soap import ENUMERATION, NAMESPACES, SHELL, TRANSFER, Fault, Request

CMD = f"{SHELL}/cmd"
_CONFIG = NAMESPACES["cfg"]
_STATE = f"{SHELL}/CommandState"
_ENVELOPE_ROOM = 4096  # of an answer, for all that is not output
_TERMINATE, _INTERRUPTS = "terminate", ("ctrl_c", "ctrl_break")  # in any case: clients disagree on it
IDENTITY = (
    "<wsmid:IdentifyResponse><wsmid:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
    "</wsmid:ProtocolVersion><wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>"
    "<wsmid:ProductVersion>OS: 0.0.0 SP: 0.0 Stack: 3.0</wsmid:ProductVersion></wsmid:IdentifyResponse>"
)


@dataclass(frozen=True)
class Caller:
    """Who asks: the person, the address, and whether the line still stands."""

    person: str
    address: str
    listens: Callable[[], bool]


class Service:
    """Answers envelopes. One for each computer; it is called from many threads."""

    def __init__(self, prefix: Path, machine: str, quotas: Quotas) -> None:
        self.quotas = quotas
        self._prefix = prefix
        self._machine = machine
        self._shells: dict[str, Shell] = {}
        self._lock = threading.Lock()
        self._operations = {
            f"{TRANSFER}/Create": self._create,
            f"{TRANSFER}/Delete": self._delete,
            f"{TRANSFER}/Get": self._get,
            f"{ENUMERATION}/Enumerate": self._enumerate,
            f"{SHELL}/Command": self._command,
            f"{SHELL}/Send": self._send,
            f"{SHELL}/Receive": self._receive,
            f"{SHELL}/Signal": self._signal,
        }
        threading.Thread(target=self._close_idle, daemon=True).start()

    def answer(self, data: bytes, caller: Caller) -> tuple[int, bytes]:
        """Return the HTTP status and the envelope that answer `data`."""
        request: Request | None = None
        try:
            request = soap.read(data, largest=self.quotas.envelope_bytes, timeout_s=self.quotas.operation_s)
            if request.body is not None and request.body.tag == f"{{{NAMESPACES['wsmid']}}}Identify":
                return 200, soap.answer(request, "", IDENTITY)
            operation = self._operations.get(request.action, _not_supported)
            return 200, soap.answer(request, f"{request.action}Response", operation(request, caller))
        except Fault as fault:
            return 500, soap.fault(request, fault, self._machine)

    def shells(self) -> list[Shell]:
        """Those that are open."""
        with self._lock:
            return list(self._shells.values())

    # --- operations: each returns what stands in the body of the answer -------------------------------------------

    def _create(self, request: Request, caller: Caller) -> str:
        if request.resource != CMD:
            raise _unknown_resource(request.resource)
        shell = Shell(
            owner=caller.person,
            client=caller.address,
            idle_s=soap.seconds(request.text("rsp:IdleTimeOut"), self.quotas.idle_s),
            folder=request.text("rsp:WorkingDirectory", rf"C:\users\{caller.person}"),
            variables={
                element.get("Name", ""): element.text or ""
                for element in _all(request.body, "rsp:Environment/rsp:Variable")
            },
        )
        with self._lock:
            if sum(1 for other in self._shells.values() if other.owner == caller.person) >= self.quotas.shells_per_user:
                raise too_many_shells(self.quotas.shells_per_user)
            self._shells[shell.id] = shell
        return (
            f"<x:ResourceCreated><a:Address>http://{self._machine}:5985/wsman</a:Address><a:ReferenceParameters>"
            f"<w:ResourceURI>{CMD}</w:ResourceURI><w:SelectorSet>"
            f'<w:Selector Name="ShellId">{shell.id}</w:Selector></w:SelectorSet></a:ReferenceParameters>'
            f"</x:ResourceCreated>{_described(shell)}"
        )

    def _delete(self, request: Request, _: Caller) -> str:
        with self._lock:
            shell = self._shells.pop(request.selectors.get("shellid", "").upper(), None)
        if shell is None:
            raise no_such_shell(request.selectors.get("shellid", ""))
        shell.close()
        return ""

    def _get(self, request: Request, _: Caller) -> str:
        if request.resource.startswith(_CONFIG):
            return (
                f"<cfg:Config><cfg:MaxEnvelopeSizekb>{self.quotas.envelope_bytes // 1024}</cfg:MaxEnvelopeSizekb>"
                f"<cfg:MaxTimeoutms>{int(self.quotas.operation_s * 1000)}</cfg:MaxTimeoutms>"
                "<cfg:MaxBatchItems>32000</cfg:MaxBatchItems></cfg:Config>"
            )
        with self._shell(request) as shell:
            return _described(shell)

    def _enumerate(self, request: Request, _: Caller) -> str:
        if not request.resource.startswith(SHELL):
            raise _unknown_resource(request.resource)
        items = "".join(_described(shell) for shell in self.shells())
        ends = "<n:EnumerationContext/><w:EndOfSequence/>"
        return f"<n:EnumerateResponse><w:Items>{items}</w:Items>{ends}</n:EnumerateResponse>"

    def _command(self, request: Request, _: Caller) -> str:
        with self._shell(request) as shell:
            arguments = [element.text or "" for element in _all(request.body, "rsp:Arguments")]
            line = " ".join([request.text("rsp:Command"), *arguments])
            command = shell.start(self._prefix, line, request, breakaway=self.quotas.breakaway)
        return f"<rsp:CommandResponse><rsp:CommandId>{command.id}</rsp:CommandId></rsp:CommandResponse>"

    def _send(self, request: Request, _: Caller) -> str:
        with self._shell(request) as shell:
            for stream in _all(request.body, "rsp:Stream"):
                data = base64.b64decode(stream.text or "")
                end = stream.get("End", "false").lower() == "true"
                shell.find(stream.get("CommandId", "")).send(data, end=end, deadline=self._deadline(request))
        return "<rsp:SendResponse/>"

    def _receive(self, request: Request, caller: Caller) -> str:
        with self._shell(request) as shell:
            wanted = next(iter(_all(request.body, "rsp:DesiredStream")), None)
            command = shell.find("" if wanted is None else wanted.get("CommandId", ""))
            chunks, code = command.receive(
                (wanted.text or "" if wanted is not None else "").split(),
                limit_bytes=(request.envelope_bytes - _ENVELOPE_ROOM) * 3 // 4,
                deadline=self._deadline(request),
                listens=caller.listens,
            )
        return f"<rsp:ReceiveResponse>{_streams(command, chunks, code)}</rsp:ReceiveResponse>"

    def _signal(self, request: Request, _: Caller) -> str:
        wanted = request.text("rsp:Code").lower().rpartition("/")[2]
        if wanted not in (_TERMINATE, *_INTERRUPTS):
            raise soap.malformed(f"{wanted} is not a signal.")
        with self._shell(request) as shell:
            command_id = "" if request.body is None else request.body.get("CommandId", "")
            command = shell.find(command_id)
            if wanted == _TERMINATE:
                del shell.commands[command.id]
                command.kill()
            else:
                command.interrupt()
        return "<rsp:SignalResponse/>"

    # --- inside ---------------------------------------------------------------------------------------------------

    def _deadline(self, request: Request) -> float:
        return time.monotonic() + min(request.timeout_s, self.quotas.operation_s)

    @contextmanager
    def _shell(self, request: Request) -> Iterator[Shell]:
        """The shell a request is about, held against its idle time-out."""
        shell_id = request.selectors.get("shellid", "")
        with self._lock:
            shell = self._shells.get(shell_id.upper())
            if shell is None:
                raise no_such_shell(shell_id)
            shell.at_work += 1
        try:
            yield shell
        finally:
            with self._lock:
                shell.at_work -= 1
                shell.asked_at = time.monotonic()

    def _close_idle(self) -> None:
        while True:
            time.sleep(0.2)
            now = time.monotonic()
            with self._lock:
                idle = [s for s in self._shells.values() if not s.at_work and now - s.asked_at > s.idle_s]
                for shell in idle:
                    del self._shells[shell.id]
            for shell in idle:
                shell.close()


def _not_supported(request: Request, _: Caller) -> str:
    raise Fault(2150858817, "a:ActionNotSupported", f"The action {request.action} is not supported by the service. ")


def _unknown_resource(resource: str) -> Fault:
    return Fault(
        2150858752,
        "a:DestinationUnreachable",
        f"The WS-Management service cannot process the request. The resource URI ({resource}) was not found in the "
        "WS-Management catalog. ",
    )


def _all(body: ET.Element | None, path: str) -> list[ET.Element]:
    return [] if body is None else body.findall(path, NAMESPACES)


def _described(shell: Shell) -> str:
    now = time.monotonic()
    fields = {
        "ShellId": shell.id,
        "ResourceUri": CMD,
        "Owner": shell.owner,
        "ClientIP": shell.client,
        "IdleTimeOut": soap.duration(shell.idle_s),
        "InputStreams": "stdin",
        "OutputStreams": "stdout stderr",
        "ShellRunTime": soap.duration(now - shell.made_at),
        "ShellInactivity": soap.duration(now - shell.asked_at),
    }
    return "<rsp:Shell>" + "".join(f"<rsp:{k}>{escape(v)}</rsp:{k}>" for k, v in fields.items()) + "</rsp:Shell>"


def _streams(command: Command, chunks: list[tuple[str, bytes]], code: int | None) -> str:
    rows = [
        f'<rsp:Stream Name="{name}" CommandId="{command.id}">{base64.b64encode(data).decode()}</rsp:Stream>'
        for name, data in chunks
    ]
    if code is None:
        return "".join(rows) + f'<rsp:CommandState CommandId="{command.id}" State="{_STATE}/Running"/>'
    rows += [f'<rsp:Stream Name="{name}" CommandId="{command.id}" End="true"/>' for name in ("stdout", "stderr")]
    state = f'<rsp:CommandState CommandId="{command.id}" State="{_STATE}/Done"><rsp:ExitCode>{code}</rsp:ExitCode>'
    return "".join(rows) + state + "</rsp:CommandState>"
