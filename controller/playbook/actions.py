"""Actions: what may stand under install, run, configure and uninstall. Words and shapes: ``docs/records.md``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from controller.playbook.probes import CommandProbe
from controller.playbook.words import (
    Argument,
    Arguments,
    Bool,
    Count,
    Duration,
    ExitCode,
    Filled,
    Fixed,
    FixedName,
    Kinds,
    Mode,
    Name,
    Package,
    Path,
    Strict,
    String,
    choice,
)
from controller.text import Text
from controller.units import Template, UnitError


class Deb(Strict):
    """Debian packages: local files, packages of the computer's own apt, or both."""

    any_of = ("payloads", "packages")
    payloads: list[FixedName] | None = Field(None, min_length=1)
    packages: list[Package] | None = Field(None, min_length=1)
    timeout_s: Duration | None = Field(None, alias="timeout")


class Archive(Strict):
    """An archive into a versioned folder behind a link."""

    payload: FixedName
    into: Path
    version: Name | None = None
    link: Name = "current"
    strip: Count = 0


class FileAction(Strict):
    """A file with this content, a folder, or neither."""

    path: Path
    content: String | None = None
    template: Fixed | None = None
    payload: FixedName | None = None
    state: Annotated[Any, choice("present", "absent", "directory")] = "present"
    mode: Mode | None = None
    owner: Name | None = None
    group: Name | None = None

    @model_validator(mode="after")
    def _check_content(self) -> FileAction:
        given = [w for w in ("content", "template", "payload") if getattr(self, w) is not None]
        wanted = 0 if self.state in ("absent", "directory") else 1
        if isinstance(self.state, Template) or len(given) == wanted:
            return self
        if wanted:
            what = Text(
                "tepat satu dari content, template, payload harus ada",
                "exactly one of content, template, payload must stand here",
            )
            hint = Text("tulis satu saja: content, template, atau payload", "write one: content, template or payload")
        else:
            what = Text(
                f"{given[0]} tidak berlaku pada state: {self.state}",
                f"{given[0]} means nothing with state: {self.state}",
            )
            hint = Text(f"hapus {given[0]}", f"delete {given[0]}")
        raise UnitError(what, hint)


class Define(Strict):
    """A service unit that is written for the software."""

    argv: list[Argument] = Field(min_length=1)
    environment: dict[str, Argument] | None = None
    directory: Path | None = None
    user: Name | None = None
    description: Filled | None = None


class ServiceAction(Strict):
    """A service in this state."""

    any_of = ("state", "enabled", "define")
    name: Name
    state: Annotated[Any, choice("running", "stopped", "reloaded", "restarted")] | None = None
    enabled: Bool | None = None
    stable_for_s: Duration | None = Field(None, alias="stable_for")
    define: Define | None = None


class Undo(Strict):
    """A command that takes another back."""

    one_of = ("argv", "shell")
    argv: list[Argument] | None = Field(None, min_length=1)
    shell: Filled | None = None
    environment: dict[str, Argument] | None = None
    directory: Path | None = None
    timeout_s: Duration | None = Field(None, alias="timeout")


class CommandAction(Undo):
    """A command, by its arguments."""

    creates: Path | None = None
    unless: CommandProbe | None = None
    undo: Undo | None = None
    ok_codes: list[ExitCode] | None = Field(None, min_length=1)


class Msi(Strict):
    """A Windows Installer package."""

    payload: FixedName
    properties: dict[str, Argument] | None = None
    reboot: Annotated[Any, choice("never", "allow")] = "never"
    timeout_s: Duration | None = Field(None, alias="timeout")


class Detect(Strict):
    """The uninstall entry that proves the software present."""

    program: Filled
    version: Filled | None = None


class Exe(Strict):
    """A set-up program of a known maker."""

    payload: FixedName
    maker: Annotated[Any, choice("nsis", "inno", "burn", "installshield", "plain")] = "plain"
    silent: list[Argument] | None = None
    detect: Detect
    ok_codes: list[ExitCode] | None = Field(None, min_length=1)
    timeout_s: Duration | None = Field(None, alias="timeout")


class RegistryAction(Strict):
    """A value of the registry."""

    key: Filled
    value: String | None = None
    type: Annotated[Any, choice("string", "expand_string", "dword", "qword", "multi_string", "binary")] = "string"
    data: Arguments | None = None
    state: Annotated[Any, choice("present", "absent")] = "present"


class Action(Kinds):
    """One action: a kind and its words."""

    deb: Deb | None = None
    archive: Archive | None = None
    file: FileAction | None = None
    service: ServiceAction | None = None
    command: CommandAction | None = None
    msi: Msi | None = None
    exe: Exe | None = None
    registry: RegistryAction | None = None
