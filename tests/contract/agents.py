"""The real agent on this computer, in a folder of its own, as a contact talks to it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.protocol import VERSION
from controller import runtime
from controller.errors import HostError
from controller.run.contact import SILENCE, converse
from controller.transport import boot
from tests.contract.transports import Connection

PAYLOAD = b"isi yang dikirim\n" * 20_000
DIGEST = hashlib.sha256(PAYLOAD).hexdigest()


@dataclass
class Talk:
    """One contact: what was said, what was sent."""

    frames: list[dict[str, Any]] = field(default_factory=list)
    error: HostError | None = None
    pushed: dict[str, int] = field(default_factory=dict)
    """By digest: the bytes that went over the line."""
    sent_bytes: int = 0
    round_trips: int = 0

    @property
    def records(self) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if "seq" in frame]

    @property
    def end(self) -> dict[str, Any]:
        return self.records[-1]


def alone(folder: Path) -> Path:
    """A Python with a network to itself: the ports of tests beside it come and go, and are no residue of this one."""
    path = folder / "python"
    path.write_text(f'#!/bin/sh\nexec unshare --net -- {shlex.quote(sys.executable)} "$@"\n')
    path.chmod(0o755)
    return path


class Computer:
    """This computer as a target: its agent's folder, and what is installed, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "agen"
        self.target = folder / "terpasang.txt"
        self.payload = folder / "isi.txt"
        self.payload.write_bytes(PAYLOAD)
        self.runtime = runtime.prepare(folder / "home")
        self.python = sys.executable if os.geteuid() else str(alone(folder))

    def blob(self, digest: str) -> Path:
        return self.runtime.path(digest) if self.runtime.owns(digest) else self.payload

    def talk(self, **job: Any) -> Talk:
        talk = Talk()
        starts: dict[str, int] = {}

        def progress(digest: str, sent_bytes: int, size_bytes: int) -> None:
            starts.setdefault(digest, sent_bytes)
            talk.pushed[digest] = sent_bytes

        said = {"do": "run", "id": "r1.salam", "owner": "ani@pusat", "root": str(self.root), "from": 0, **job}
        with boot(Connection("local", python=self.python)) as channel:
            try:
                for frame in converse(channel, said, runtime=self.runtime, blob=self.blob, progress=progress):
                    if frame is not SILENCE:
                        talk.frames.append(frame)
            except HostError as error:
                talk.error = error
            talk.sent_bytes, talk.round_trips = channel.sent_bytes, channel.round_trips
        return talk

    def facts(self, **job: Any) -> Talk:
        return self.talk(do="facts", **job)

    def install(self, name: str = "r1.salam", **job: Any) -> Talk:
        return self.talk(id=name, plan=self.plan(), **job)

    def plan(self, **changes: Any) -> dict[str, Any]:
        variant = {
            "when": {"os": "linux"},
            "requirements": {},
            "install": [{"kind": "file", "path": str(self.target), "payload": "isi", "state": "present"}],
            "run": [],
            "test": [{"kind": "file", "path": str(self.target), "exists": True}],
            "configure": {"actions": []},
            "verify": [],
            "watch": [],
        }
        return {
            "protocol": VERSION,
            "mode": "install",
            "run": "r1",
            "form": "FI-2026-000001",
            "software": {"name": "salam", "version": "1"},
            "location": "user",
            "payloads": {
                "isi": {"digest": DIGEST, "size_bytes": len(PAYLOAD), "file": "isi.txt", "format": "other", "meta": {}}
            },
            "variants": [variant],
            "decision": None,
            "policy": {"keep_days": 30},
            "secrets": [],
            "digest": "0" * 64,
            **changes,
        }

    @property
    def agent(self) -> Path:
        """What the computer runs, made of what was sent to it."""
        ((magic, _),) = self.runtime.agents["linux"].compiled.items()
        return self.root / "agent" / f"{self.runtime.agents['linux'].archive}.{magic}.pyc"

    @property
    def compiled(self) -> str:
        """What is sent of the agent to a computer with this very Python."""
        (digest,) = self.runtime.agents["linux"].compiled.values()
        return digest

    def hold(self, **changes: Any) -> dict[str, Any]:
        """Write the lock as another run's agent would."""
        from agent.host.linux import boot_id
        from agent.lock import started_at

        pid = changes.get("pid", os.getpid())
        holder = {
            "run": "r9.lain",
            "owner": "staf@loket",
            "since": "2026-11-22T03:00:00.000Z",
            "pid": pid,
            "began": started_at(pid),
            "boot": boot_id(),
            **changes,
        }
        self.root.mkdir(exist_ok=True)
        (self.root / "lock").write_text(json.dumps(holder))
        return holder
