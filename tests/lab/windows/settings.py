"""What the lab tells a Windows computer when it switches it on; known on both sides, and needs no library."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PORT, TLS_PORT = 5985, 5986


@dataclass(frozen=True)
class Quotas:
    """The limits of the service; the values are those of `winrm get winrm/config` on a fresh Windows 10 or Server 2019.

    Attributes:
        breakaway: whether processes may leave the job of their shell.
    """

    shells_per_user: int = 30
    envelope_bytes: int = 512_000
    operation_s: float = 60
    idle_s: float = 7200
    breakaway: bool = True


@dataclass(frozen=True)
class Settings:
    """What the lab tells its computer.

    Attributes:
        prefix: the Wine prefix: its disk and registry.
        certificate: a PEM file with certificate and key.
        people: name -> password.
    """

    name: str
    prefix: Path
    certificate: Path
    people: dict[str, str]
    quotas: Quotas

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Read them from a file of `write`."""
        data: dict[str, Any] = json.loads(path.read_text())
        return cls(
            data["name"], Path(data["prefix"]), Path(data["certificate"]), data["people"], Quotas(**data["quotas"])
        )

    def write(self, path: Path) -> None:
        """Write them to a file that only we read."""
        data = {
            "name": self.name,
            "prefix": str(self.prefix),
            "certificate": str(self.certificate),
            "people": self.people,
            "quotas": vars(self.quotas),
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(data))
