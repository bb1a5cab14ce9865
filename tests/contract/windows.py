"""Windows computers as tests reach them: the lab's, or a real one that somebody names."""

from __future__ import annotations

import io
import os
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller import runtime, supplies
from controller.inventory import Connection, load
from controller.inventory.connection import resolve
from controller.run.contact import SILENCE, converse, wait_for_end
from controller.run.opening import options_for
from controller.settings import Secret, Settings
from controller.transport import Options, boot, connect
from controller.transport.base import Transport
from tests.lab.bases import PASSWORD
from tests.lab.windows.computers import WindowsHost

SLEEPER = "ping -n 600 127.0.0.1"
VARIABLE = "PASANG_TEST_WINDOWS"


def named() -> Connection | None:
    """The real computer that somebody names (`inventory.yaml:NAME`); None: the lab's are meant."""
    said = os.environ.get(VARIABLE)
    if not said:
        return None
    file, _, name = said.rpartition(":")
    (computer,) = load(file).select(name)
    return computer.connection


def connection(host: WindowsHost, *, tls: bool = False, password: str = PASSWORD, **changes: Any) -> Connection:
    """As an inventory says it; ``changes`` are Ansible's variables."""
    variables = {**host.connection(tls=tls), "ansible_password": Secret(password), "inventory_hostname": host.name}
    made, problems = resolve({**variables, **changes})
    assert made is not None, problems
    return made


@contextmanager
def reached(host: WindowsHost, options: Options | None = None, **changes: Any) -> Iterator[Transport]:
    with connect(connection(host, **changes), options=options) as transport:
        yield transport


def archive(data: bytes, name: str = "x") -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return held.getvalue()


@dataclass
class Contact:
    """One contact with an agent: what it said, and what that took."""

    frames: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    """Until its first answer, be it that it needs something."""
    seconds: float = 0.0
    """Likewise."""
    python_bytes: int = 0
    """Of a Python that was brought."""
    pieces: int = 0
    """In which it came: each is a request."""
    sent_bytes: int = 0
    is_left: bool = False
    """Whether something that was to go is still there."""

    @property
    def facts(self) -> dict[str, Any]:
        """What a computer said of itself."""
        said: dict[str, Any] = self.frames[-1]["facts"]
        return said


@dataclass
class Controller:
    """A controller's runtime, and how it reaches computers."""

    runtime: runtime.Runtime
    options: Options

    @classmethod
    def made(cls, home: Path, *files: Path) -> Controller:
        """With what was added to it."""
        for file in files:
            (supplies.add_wheel if file.suffix == ".whl" else supplies.add_python)(home, file)
        kept = runtime.prepare(home)
        return cls(kept, options_for(Settings(home, "", "en", ()), kept))

    def ask(
        self, way: Connection, do: str = "facts", *, payloads: Mapping[str, Path] | None = None, **job: Any
    ) -> Contact:
        """One question to an agent, which may ask for payloads by their digests."""
        said, began = Contact(), time.monotonic()

        def blob(digest: str) -> Path:
            return (payloads or {}).get(digest) or self.runtime.path(digest)

        def progress(digest: str, sent_bytes: int, size_bytes: int) -> None:
            said.python_bytes, said.pieces = sent_bytes, said.pieces + 1

        head = {"root": None, "owner": "ani@pusat", "id": "uji", "do": do, **job}
        with boot(way, options=self.options, root=head["root"], progress=progress) as channel:

            def heard(*_: object) -> None:
                said.requests = said.requests or channel.round_trips
                said.seconds = said.seconds or time.monotonic() - began

            told = {"runtime": self.runtime, "blob": blob, "progress": heard}
            for frame in converse(channel, head, system=way.system, **told):
                if frame is not SILENCE:
                    heard()
                    said.frames.append(frame)
            if do == "clean":
                wait_for_end(channel)
            said.sent_bytes, said.is_left = channel.sent_bytes, getattr(channel, "is_left", False)
        return said
