"""The format of playbook.yaml: which words stand where. Field names are the plan's words, aliases the playbook's.

What a word means is told to people by ``controller.playbook.schema``; the models are kept lean, for they are imported
whenever a playbook is validated.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from controller.playbook.actions import Action, Reboot
from controller.playbook.probes import Probe
from controller.playbook.words import (
    Architecture,
    Architectures,
    Attempts,
    Bool,
    Count,
    Digest,
    Duration,
    Filled,
    Fixed,
    FixedName,
    FixedNames,
    FixedRange,
    OneOrMany,
    Path,
    Port,
    Range,
    Size,
    Strict,
    TimeOfDay,
    Watched,
    choice,
)
from controller.text import Text
from controller.units import UnitError


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


class Dotnet(Strict):
    """A version of .NET, of the computer's own kind of processor or another."""

    name: Annotated[Any, choice("runtime", "desktop", "aspnet")] = "runtime"
    version: Range
    arch: Architecture | None = None


class VcRuntime(Strict):
    """A version of Visual C++'s runtime."""

    version: Range
    arch: Architecture | None = None


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
    edition: Annotated[list[Filled], OneOrMany()] | None = None
    build: Range | None = None
    role: Annotated[Any, choice("workstation", "server")] | None = None
    domain: Filled | None = None
    dotnet_framework: Range | None = None
    dotnet: Annotated[list[Dotnet], OneOrMany()] | None = None
    vc_runtime: Annotated[list[VcRuntime], OneOrMany()] | None = None
    strict: Bool | None = None


class Configure(Strict):
    """Steps 9 and 10."""

    decision: Annotated[Any, choice("always", "never", "ask")] = "always"
    attempts: Attempts = 2
    actions: list[Action] = Field(min_length=1)


class Window(Strict):
    """From when to when, by the computer's own clock; over midnight where ``to`` is the earlier one."""

    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay

    @model_validator(mode="after")
    def _check_order(self) -> Window:
        if self.from_ == self.to:
            raise UnitError(
                Text("from dan to sama", "from and to are the same"),
                Text("tulis dua jam yang berbeda, atau hapus", "write two different times, or leave it out"),
            )
        return self


class Alone(Strict):
    """What the agent decides by itself when no controller has asked for long."""

    after_s: Duration = Field(3 * 86400, alias="after")
    then: Annotated[Any, choice("keep_proved", "take_back", "wait")] = "keep_proved"


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
    watch: list[Watched] = Field(default_factory=list)
    reboot: Annotated[Any, Reboot] = "never"
    reboot_window: Window | None = None
    alone: Alone = Field(default_factory=lambda: Alone(after="3d"))


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
