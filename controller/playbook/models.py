"""The format of playbook.yaml: which words stand where. Field names are the plan's words, aliases the playbook's.

What a word means is told to people by ``controller.playbook.schema``; the models are kept lean, for they are imported
whenever a playbook is validated.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from controller.playbook.actions import Action
from controller.playbook.probes import Probe
from controller.playbook.words import (
    Architectures,
    Attempts,
    Bool,
    Count,
    Digest,
    Filled,
    Fixed,
    FixedName,
    FixedNames,
    FixedRange,
    OneOrMany,
    Path,
    Port,
    Size,
    Strict,
    choice,
)


class When(Strict):
    """The platform a variant is for."""

    os: Annotated[Any, choice("linux", "windows", "macos", fixed=True)]
    distribution: FixedNames | None = None
    like: FixedNames | None = None
    version: FixedRange | None = None
    arch: Architectures | None = None


class Disk(Strict):
    """Free room at a path."""

    path: Path
    at_least_bytes: Size = Field(alias="at_least")


class Ram(Strict):
    """Memory."""

    at_least_bytes: Size = Field(alias="at_least")


class Inodes(Strict):
    """Files that can still be made at a path."""

    path: Path
    at_least: Count


class Cpu(Strict):
    """Processors."""

    at_least: Count


class Requirements(Strict):
    """Step 4: what the computer must have."""

    disk_free: Annotated[list[Disk], OneOrMany()] | None = None
    inodes: Annotated[list[Inodes], OneOrMany()] | None = None
    ram_total: Ram | None = None
    ram_available: Ram | None = None
    cpu_count: Cpu | None = None
    ports_free: list[Port] | None = None
    commands: list[Filled] | None = None
    processes: list[Filled] | None = None
    no_processes: list[Filled] | None = None
    no_pending_reboot: Bool | None = None
    package_manager_free: Bool | None = None
    administrator: Bool | None = None


class Configure(Strict):
    """Steps 9 and 10."""

    decision: Annotated[Any, choice("always", "never", "ask")] = "always"
    attempts: Attempts = 2
    actions: list[Action] = Field(min_length=1)


class Variant(Strict):
    """One platform's sections, in the order of the procedure."""

    when: When
    requirements: Requirements = Field(default_factory=Requirements)
    install: list[Action] = Field(min_length=1)
    run: list[Action] = Field(default_factory=list)
    test: list[Probe] = Field(min_length=1)
    configure: Configure | None = None
    verify: list[Probe] = Field(default_factory=list)
    uninstall: list[Action] = Field(default_factory=list)
    watch: list[Path] = Field(default_factory=list)


class About(Strict):
    """One sentence in both languages."""

    id: Fixed
    en: Fixed


class Software(Strict):
    """What is installed."""

    name: FixedName
    version: Fixed
    publisher: Fixed
    licence: Fixed
    about: About | None = None


class Payload(Strict):
    """An installer: beside the playbook, in the depot, or behind a URL."""

    one_of = ("file", "url")
    file: Fixed | None = None
    url: Fixed | None = None
    digest: Digest = Field(alias="sha256")


class Format(Strict):
    """A playbook: one software, what it needs, how it is put in place, proved, and taken back."""

    pasang: Literal[1]
    software: Software
    payloads: dict[str, Payload] = Field(default_factory=dict)
    variants: list[Variant] = Field(min_length=1)
