"""Actions: what may stand under install, run, configure and uninstall. Words and shapes: ``docs/records.md``."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, model_validator

from controller.playbook.probes import CommandProbe, RegistryProbe
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
    Range,
    RegistryKey,
    Start,
    Strict,
    String,
    View,
    choice,
)
from controller.text import Text
from controller.units import Template, UnitError

Reboot = choice("never", "if_needed", "always")
OWN_PROPERTIES = {"ADDLOCAL": "features", "TRANSFORMS": "transforms", "REBOOT": "reboot", "REINSTALL": "payload"}
"""Properties of Windows Installer that a word of the format stands for."""


class Doing(Strict):
    """What every action takes."""

    reboot: Annotated[Any, Reboot] | None = None


class Deb(Doing):
    """Debian packages: local files, packages of the computer's own apt, or both."""

    any_of = ("payloads", "packages")
    payloads: list[FixedName] | None = Field(None, min_length=1)
    packages: list[Package] | None = Field(None, min_length=1)
    timeout_s: Duration | None = Field(None, alias="timeout")
    stall_s: Duration | None = Field(None, alias="stall")


class Archive(Doing):
    """An archive into a versioned folder behind a link."""

    payload: FixedName
    into: Path
    version: Name | None = None
    link: Name = "current"
    strip: Count = 0


class FileAction(Doing):
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


class ServiceAction(Doing):
    """A service in this state."""

    any_of = ("state", "enabled", "define")
    name: Name
    state: Annotated[Any, choice("running", "stopped", "reloaded", "restarted")] | None = None
    enabled: Start | None = None
    stable_for_s: Duration | None = Field(None, alias="stable_for")
    stall_s: Duration | None = Field(None, alias="stall")
    define: Define | None = None


class Undo(Strict):
    """A command that takes another back."""

    one_of = ("argv", "shell")
    argv: list[Argument] | None = Field(None, min_length=1)
    shell: Filled | None = None
    environment: dict[str, Argument] | None = None
    directory: Path | None = None
    timeout_s: Duration | None = Field(None, alias="timeout")


class CommandAction(Doing, Undo):
    """A command, by its arguments."""

    stall_s: Duration | None = Field(None, alias="stall")
    creates: Path | None = None
    unless: CommandProbe | None = None
    undo: Undo | None = None
    ok_codes: list[ExitCode] | None = Field(None, min_length=1)


class Msi(Doing):
    """A Windows Installer package."""

    payload: FixedName
    properties: dict[str, Argument] | None = None
    transforms: list[FixedName] | None = Field(None, min_length=1)
    features: list[Filled] | None = Field(None, min_length=1)
    timeout_s: Duration | None = Field(None, alias="timeout")
    stall_s: Duration | None = Field(None, alias="stall")

    @model_validator(mode="after")
    def _check_properties(self) -> Msi:
        for name in self.properties or ():
            own = OWN_PROPERTIES.get(name.upper())
            if own:
                raise UnitError(
                    Text(f"{name} tidak ditulis sebagai properti", f"{name} is not written as a property"),
                    Text(f"pakai {own}", f"use {own}"),
                )
            if not re.fullmatch(r"[A-Z_][A-Z0-9_.]*", name):
                raise UnitError(
                    Text(
                        f"properti {name}: yang dapat diberikan dari luar ditulis dengan huruf besar",
                        f"the property {name}: those that can be given from outside are in capitals",
                    ),
                    Text(f"tulis {name.upper()}", f"write {name.upper()}"),
                )
        return self


class Detect(Strict):
    """What proves the software present: one thing that can be seen."""

    one_of = ("program", "file", "registry", "service")
    program: Filled | None = None
    file: Path | None = None
    registry: RegistryProbe | None = None
    service: Name | None = None
    version: Range | None = None

    @model_validator(mode="after")
    def _check_version(self) -> Detect:
        if self.version is not None and (self.registry is not None or self.service is not None):
            raise UnitError(
                Text("version hanya berlaku untuk program dan file", "version is for program and file only"),
                Text("hapus version", "delete version"),
            )
        return self


class Exe(Doing):
    """A set-up program of a known maker."""

    payload: FixedName
    maker: Annotated[Any, choice("nsis", "inno", "burn", "installshield", "plain")] | None = None
    silent: list[Argument] | None = None
    detect: Detect
    uninstall: list[Argument] | None = Field(None, min_length=1)
    replace: Bool | None = None
    ok_codes: list[ExitCode] | None = Field(None, min_length=1)
    timeout_s: Duration | None = Field(None, alias="timeout")
    stall_s: Duration | None = Field(None, alias="stall")


def whole(text: str) -> int:
    """A whole number, also as 0x…"""
    return int(text, 16 if text[:2].lower() == "0x" else 10)


def registry_data(kind: Any, data: Any) -> None:
    """Refuse data that is not of its type; what has variables is known on the computer only.

    Raises:
        UnitError: it is not.
    """
    rows = data if isinstance(data, list) else [] if data is None else [data]
    if isinstance(kind, Template) or any(isinstance(row, Template) for row in rows):
        return
    if kind != "multi" and len(rows) > 1:
        raise UnitError(
            Text(f"type {kind} memuat satu data saja", f"a {kind} holds one data"),
            Text("tulis type: multi, atau satu data", "write type: multi, or one data"),
        )
    text = str(rows[0]) if rows else ""
    most = {"dword": 1 << 32, "qword": 1 << 64}.get(kind)
    if most is not None and not (re.fullmatch(r"\d+|0[xX][0-9A-Fa-f]+", text) and whole(text) < most):
        raise UnitError(
            Text(f"'{text}' bukan bilangan untuk {kind}", f"'{text}' is no number for a {kind}"),
            Text("tulis misalnya 1 atau 0x1", "write for example 1 or 0x1"),
        )
    if kind in ("binary", "none") and not re.fullmatch(r"(?:[0-9A-Fa-f]{2}[\s,]*)*", text):
        raise UnitError(
            Text(f"'{text}' bukan byte dalam heksadesimal", f"'{text}' is not bytes in hex"),
            Text('tulis misalnya "00 ff 10"', 'write for example "00 ff 10"'),
        )


class RegistryAction(Doing):
    """A value of the registry."""

    key: RegistryKey
    value: String | None = None
    type: Annotated[Any, choice("string", "expand", "multi", "dword", "qword", "binary", "none")] | None = None
    data: Arguments | None = None
    view: View | None = None
    state: Annotated[Any, choice("present", "absent")] = "present"

    @model_validator(mode="after")
    def _check_data(self) -> RegistryAction:
        if isinstance(self.state, Template):
            return self
        given = [word for word in ("type", "data") if getattr(self, word) is not None]
        if given and (self.state == "absent" or self.value is None):
            why = Text("state: absent", "state: absent") if self.state == "absent" else Text("tanpa value", "no value")
            raise UnitError(
                Text(f"{given[0]} tidak berlaku pada {why.id}", f"{given[0]} means nothing with {why.en}"),
                Text(f"hapus {given[0]}", f"delete {given[0]}"),
            )
        if self.data is None and self.value is not None and self.state == "present":
            raise UnitError(
                Text("data belum ada", "data is missing"),
                Text('tulis misalnya data: "1"', 'write for example data: "1"'),
            )
        registry_data(self.type or "string", self.data)
        return self


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
