"""The agent at work on a Windows computer: plans that it is given over WinRM, and its journal, read from outside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.protocol import VERSION
from tests.contract.windows import Contact, Controller, connection
from tests.lab.space import wait_until
from tests.lab.windows.computers import WindowsHost

Record = dict[str, Any]
ROOT = r"C:\ProgramData\Pasang"


@dataclass
class Target:
    """A computer, and the controller that has it carry out plans."""

    host: WindowsHost
    controller: Controller
    folder: Path
    """For payloads."""
    payloads: dict[str, Path] = field(default_factory=dict)
    """By their digests."""
    described: dict[str, Any] = field(default_factory=dict)
    """By the names that plans have for them."""

    def payload(self, name: str, path: Path, format_: str = "other") -> None:
        """Let plans speak of a file."""
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.payloads[digest] = path
        about = {"digest": digest, "size_bytes": path.stat().st_size, "file": path.name, "format": format_, "meta": {}}
        self.described[name] = about

    def plan(self, *, name: str = "salam", version: str = "1", **variant: Any) -> dict[str, Any]:
        """A plan with one variant; of it what is not said is empty."""
        empty: dict[str, Any] = {"requirements": {}, "configure": {"actions": []}}
        empty.update({section: [] for section in ("install", "run", "test", "verify", "watch")})
        return {
            "protocol": VERSION,
            "mode": "install",
            "run": "r1",
            "form": "FI-2026-000001",
            "software": {"name": name, "version": version},
            "location": "user",
            "payloads": self.described,
            "variants": [{**empty, "when": {"os": "windows"}, **variant}],
            "decision": None,
            "policy": {"keep_days": 30},
            "secrets": [],
            "digest": "0" * 64,
        }

    def talk(self, run: str, **job: Any) -> Contact:
        """One contact over WinRM, to its end."""
        job = {"do": "run", "id": run, "from": 0, "host": self.host.name, **job}
        return self.controller.ask(connection(self.host), payloads=self.payloads, **job)

    def install(self, run: str, *, mode: str = "install", **variant: Any) -> list[Record]:
        """Carry a plan out; its records."""
        self.talk(run, plan={**self.plan(**variant), "mode": mode})
        return self.journal(run)

    def run_folder(self, run: str) -> Path:
        """What the agent keeps of a run, on the computer's drive."""
        return self.host.drive / "ProgramData/Pasang/runs" / run

    def journal(self, run: str) -> list[Record]:
        """What stands in a run's journal, read on the drive."""
        path = self.run_folder(run) / "journal.ndjson"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    def wait_for(self, run: str, seen: Callable[[Record], bool], *, what: str, timeout_s: float = 60) -> Record:
        """Wait until a record stands in the journal that is meant; the first of them."""
        found: list[Record] = []

        def look() -> bool:
            found[:] = [record for record in self.journal(run) if seen(record)]
            return bool(found)

        try:
            wait_until(look, timeout_s=timeout_s, what=f"{what} in the journal of {run}")
        except TimeoutError as error:
            last = self.journal(run)[-1:]
            raise TimeoutError(f"{error}; last there: {last}; at work: {self.host.processes()}") from None
        return found[0]

    def end(self, run: str, *, timeout_s: float = 60) -> Record:
        """Wait for the end of a run; its last record."""
        return self.wait_for(run, lambda r: r["type"] == "run_ended", what="the end", timeout_s=timeout_s)

    def programs(self, word: str) -> list[str]:
        """The programs that run with this word in their command line."""
        return [line for line in self.host.processes() if word in line]

    def services(self) -> list[str]:
        """Our own services."""
        return [name for name in self.host.services() if name.startswith("PasangAgent")]
